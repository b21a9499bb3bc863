#include "core/quant/lp_range.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/quant/reference.h"

namespace ptq::quant {
namespace {

// A uniform grid in the arithmetic of reference.cc, in a form that the compiler turns into vector instructions.
struct UniformGrid {
  float scale, zero_point, offset, qmin, qmax, correction;

  explicit UniformGrid(const QuantParams& params) {
    const CodeRange codes = Codes(params, 0);
    scale = params.scale[0];
    zero_point = static_cast<float>(params.zero_point[0]);
    offset = LevelOffset(params.grid);
    qmin = static_cast<float>(codes.qmin);
    qmax = static_cast<float>(codes.qmax);
    correction = params.correction.empty() ? 0.0F : params.correction[0];
  }
  float Loss(float x) const {
    float code = std::nearbyint(x / scale - offset) + zero_point;
    code = code < qmin ? qmin : code;
    code = code > qmax ? qmax : code;
    return std::fabs(x - (scale * ((code - zero_point) + offset) + correction));
  }
};

struct Square {
  double operator()(float loss) const { return static_cast<double>(loss) * loss; }
};

// loss^p to nine digits without branches, so that it runs several values at a time.  p <= 8 keeps 2^y a double; a loss
// below 2^-126 counts as 2^-126.
class Power {
 public:
  explicit Power(double p) : p_(p) {}

  double operator()(float loss) const {
    // loss = 2^exponent * m with m in [sqrt(1/2), sqrt(2)); 0x00800000 are the bits of 2^-126.
    int32_t bits = 0;
    std::memcpy(&bits, &loss, sizeof bits);
    bits = std::max(bits, 0x00800000);
    const int32_t exponent = (bits - 0x3f3504f3) >> 23;
    bits -= exponent * (1 << 23);
    float mantissa = 0;
    std::memcpy(&mantissa, &bits, sizeof bits);
    // ln m = 2 artanh((m - 1)/(m + 1)).
    const double m = mantissa;
    const double s = (m - 1) / (m + 1);
    const double s2 = s * s;
    const double series = s * (1 + s2 * (1.0 / 3 + s2 * (1.0 / 5 + s2 * (1.0 / 7 + s2 * (1.0 / 9 + s2 / 11)))));
    const double y = p_ * (std::min(exponent, 127) + series * (2 / kLn2));
    // 2^y: adding 1.5 * 2^52 leaves the nearest integer in the low bits of the sum.
    const double shifted = y + kShift;
    const double f = (y - (shifted - kShift)) * kLn2;
    const double taylor =
        1 +
        f * (1 + f * (1.0 / 2 + f * (1.0 / 6 + f * (1.0 / 24 + f * (1.0 / 120 +
                                                                    f * (1.0 / 720 + f * (1.0 / 5040 + f / 40320)))))));
    uint64_t whole = 0;
    std::memcpy(&whole, &shifted, sizeof whole);
    whole = (whole + 1023) << 52;
    double power = 0;
    std::memcpy(&power, &whole, sizeof power);
    return power * taylor;
  }

 private:
  static constexpr double kLn2 = 0.69314718055994530942;
  static constexpr double kShift = 6755399441055744.0;
  double p_;
};

// The sum of weight * power(loss), blocks of values through simple loops.  The order of summation is fixed.
template <typename PowerOf>
double WeightedSum(const WeightedValues& values, const UniformGrid& grid, const PowerOf& power) {
  constexpr size_t kBlock = 256;
  constexpr size_t kLanes = 8;
  const UniformGrid local = grid;
  const PowerOf local_power = power;
  double lanes[kLanes] = {};
  float losses[kBlock];
  double terms[kBlock];
  for (size_t begin = 0; begin < values.values.size(); begin += kBlock) {
    const size_t size = std::min(kBlock, values.values.size() - begin);
    const float* x = values.values.data() + begin;
    for (size_t i = 0; i < size; ++i) {
      losses[i] = local.Loss(x[i]);
    }
    for (size_t i = 0; i < size; ++i) {
      terms[i] = local_power(losses[i]);
    }
    if (!values.weights.empty()) {
      const double* weight = values.weights.data() + begin;
      for (size_t i = 0; i < size; ++i) {
        terms[i] *= weight[i];
      }
    }
    std::fill(terms + size, terms + kBlock, 0.0);
    for (size_t i = 0; i < kBlock; i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        lanes[lane] += terms[i + lane];
      }
    }
  }
  double sum = 0;
  for (const double lane : lanes) {
    sum += lane;
  }
  return sum;
}

double NonUniformSum(const WeightedValues& values, const QuantParams& params, double p) {
  double sum = 0;
  for (size_t i = 0; i < values.values.size(); ++i) {
    const double loss = std::fabs(values.values[i] - FakeQuantizeScalar(values.values[i], params));
    sum += (values.weights.empty() ? 1.0 : values.weights[i]) * std::pow(loss, p);
  }
  return sum;
}

double TotalWeight(const WeightedValues& values) {
  if (values.weights.empty()) {
    return static_cast<double>(values.values.size());
  }
  double total = 0;
  for (const double weight : values.weights) {
    total += weight;
  }
  return total;
}

double LpSum(const WeightedValues& values, const QuantParams& params, double p) {
  if (SimulatedOnly(params.grid)) {
    return NonUniformSum(values, params, p);
  }
  const UniformGrid grid(params);
  return p == 2 ? WeightedSum(values, grid, Square()) : WeightedSum(values, grid, Power(p));
}

// min and max of the values that have weight.  InvalidArgument where a value is not finite.
Status RangeOfValues(const WeightedValues& values, float& min, float& max) {
  bool any = false;
  for (size_t i = 0; i < values.values.size(); ++i) {
    const float x = values.values[i];
    if (!std::isfinite(x)) {
      return InvalidArgument("a value is NaN or infinite; no range holds it");
    }
    if (!values.weights.empty() && values.weights[i] == 0) {
      continue;
    }
    min = any ? std::min(min, x) : x;
    max = any ? std::max(max, x) : x;
    any = true;
  }
  return OkStatus();
}

// The best fraction of one range so far.
class RangeSearch {
 public:
  RangeSearch(const WeightedValues& values, Grid grid, int num_bits, double p, float min, float max)
      : values_(values), grid_(grid), num_bits_(num_bits), p_(p), min_(min), max_(max) {}

  Result<QuantParams> Params(double fraction) const {
    return ParamsFromRange(grid_, num_bits_, {static_cast<float>(fraction * min_)},
                           {static_cast<float>(fraction * max_)});
  }
  // What `fraction` of the range loses.
  double Try(double fraction) {
    const Result<QuantParams> params = Params(fraction);
    PTQ_CHECK(params.ok()) << params.error().ToString();  // the whole range was legal
    const double loss = LpSum(values_, *params, p_);
    if (loss < best_loss_ || (loss == best_loss_ && fraction > best_fraction_)) {
      best_loss_ = loss;
      best_fraction_ = fraction;
    }
    return loss;
  }
  double best_fraction() const { return best_fraction_; }

 private:
  const WeightedValues& values_;
  const Grid grid_;
  const int num_bits_;
  const double p_;
  const double min_, max_;
  double best_loss_ = HUGE_VAL;
  double best_fraction_ = 0;
};

// 1, 0.99, ..., 0.01, and below that geometrically to about 0.001: a tensor with outliers may keep no more.
std::vector<double> Fractions() {
  std::vector<double> fractions;
  for (int percent = 100; percent >= 1; --percent) {
    fractions.push_back(percent / 100.0);
  }
  for (int i = 0; i < 10; ++i) {
    fractions.push_back(fractions.back() * 0.8);
  }
  return fractions;
}

void GoldenSection(RangeSearch& search, double low, double high) {
  constexpr int kSteps = 20;  // 0.618^20 of the interval: 7e-5
  const double ratio = (std::sqrt(5.0) - 1) / 2;
  double left = high - ratio * (high - low);
  double right = low + ratio * (high - low);
  double left_loss = search.Try(left);
  double right_loss = search.Try(right);
  for (int step = 0; step < kSteps; ++step) {
    if (left_loss < right_loss) {
      high = right;
      right = left;
      right_loss = left_loss;
      left = high - ratio * (high - low);
      left_loss = search.Try(left);
    } else {
      low = left;
      left = right;
      left_loss = right_loss;
      right = low + ratio * (high - low);
      right_loss = search.Try(right);
    }
  }
}

}  // namespace

double LpError(const WeightedValues& values, const QuantParams& params, double p) {
  PTQ_CHECK(!values.values.empty() && p > 0 && p <= 8) << values.values.size() << " values, p " << p;
  PTQ_CHECK(values.weights.empty() || values.weights.size() == values.values.size()) << values.weights.size();
  const double total = TotalWeight(values);
  return total > 0 ? LpSum(values, params, p) / total : 0.0;
}

Result<QuantParams> LpOptimalParams(const WeightedValues& values, Grid grid, int num_bits, double p) {
  PTQ_CHECK(!values.values.empty() && p > 0 && p <= 8) << values.values.size() << " values, p " << p;
  PTQ_CHECK(values.weights.empty() || values.weights.size() == values.values.size()) << values.weights.size();
  float min = 0;
  float max = 0;
  PTQ_RETURN_IF_ERROR(RangeOfValues(values, min, max));
  RangeSearch search(values, grid, num_bits, p, min, max);
  PTQ_ASSIGN_OR_RETURN(const QuantParams whole, search.Params(1));
  if (search.Try(1) == 0) {
    return whole;
  }
  static const std::vector<double> kFractions = Fractions();
  for (const double fraction : kFractions) {
    search.Try(fraction);
  }
  const auto best = std::find(kFractions.begin(), kFractions.end(), search.best_fraction());
  const double low = best + 1 == kFractions.end() ? 0.8 * *best : *(best + 1);
  const double high = best == kFractions.begin() ? *best : *(best - 1);
  GoldenSection(search, low, high);
  return search.Params(search.best_fraction());
}

}  // namespace ptq::quant
