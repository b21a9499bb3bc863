#include "baselines/repq_vit/percentile_search.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "core/base/parallel.h"
#include "core/quant/fake_quant.h"
#include "core/quant/reference.h"

namespace ptq::baselines {
namespace {

constexpr int64_t kChunk = 1 << 16;  // elements; fixed, so that sums do not depend on the number of threads
constexpr float kStepOfZeroChannel = 1e-3F;
constexpr float kLargestZeroPoint = 1 << 20;

float Interpolated(double low, double high, double fraction) {
  return static_cast<float>(low + fraction * (high - low));
}

std::vector<Tails> TailsOfRows(const at::Tensor& rows) {
  const int64_t size = rows.size(1);
  std::vector<Tails> tails(rows.size(0));
  const float* data = rows.data_ptr<float>();
  ParallelFor(at::get_num_threads(), rows.size(0), [&](int64_t row) {
    std::vector<float> values(data + row * size, data + (row + 1) * size);
    tails[row] = TailsOf(values);
  });
  return tails;
}

// Sum of (a - b)^2 of each row, in double.
std::vector<double> SquaredErrors(const at::Tensor& a, const at::Tensor& b) {
  const int64_t size = a.size(1);
  const int64_t chunks = (size + kChunk - 1) / kChunk;
  std::vector<double> parts(a.size(0) * chunks, 0.0);
  const float* x = a.data_ptr<float>();
  const float* y = b.data_ptr<float>();
  ParallelFor(at::get_num_threads(), a.size(0) * chunks, [&](int64_t part) {
    const int64_t row_begin = part / chunks * size;
    const int64_t first = row_begin + part % chunks * kChunk;
    const int64_t last = std::min(first + kChunk, row_begin + size);
    double sum = 0;
    for (int64_t i = first; i < last; ++i) {
      const double difference = static_cast<double>(x[i]) - static_cast<double>(y[i]);
      sum += difference * difference;
    }
    parts[part] = sum;
  });
  std::vector<double> errors(a.size(0), 0.0);
  for (int64_t part = 0; part < static_cast<int64_t>(parts.size()); ++part) {
    errors[part / chunks] += parts[part];
  }
  return errors;
}

using ParamsOfRange =
    std::function<Result<quant::QuantParams>(const std::vector<float>& low, const std::vector<float>& high)>;

// rows: (S, n).  The candidate of least error for each row.
Result<quant::QuantParams> ChooseForRows(const at::Tensor& rows, const ParamsOfRange& params_of_range) {
  const std::vector<Tails> tails = TailsOfRows(rows);
  quant::QuantParams best;
  std::vector<double> least;
  for (size_t p = 0; p < kPercentiles.size(); ++p) {
    std::vector<float> low, high;
    for (const Tails& row : tails) {
      low.push_back(row.low[p]);
      high.push_back(row.high[p]);
    }
    PTQ_ASSIGN_OR_RETURN(const quant::QuantParams params, params_of_range(low, high));
    const std::vector<double> errors = SquaredErrors(rows, quant::FakeQuantize(rows, params));
    if (p == 0) {
      best = params;
      least = errors;
      continue;
    }
    for (size_t row = 0; row < tails.size(); ++row) {
      if (errors[row] < least[row]) {
        least[row] = errors[row];
        best.scale[row] = params.scale[row];
        best.zero_point[row] = params.zero_point[row];
      }
    }
  }
  return best;
}

struct Step {
  float scale;
  float zero_point;
};

// (high - low) / (2^b - 1) and rne(-low / scale) in float32, as the official code; empty where the range is.
std::optional<Step> StepOf(float low, float high, float levels) {
  const float scale = (high - low) / levels;
  const float zero_point = quant::RoundHalfEven(-low / scale);
  if (!(scale > 0) || !std::isfinite(scale) || !(std::fabs(zero_point) <= kLargestZeroPoint)) {
    return std::nullopt;
  }
  return Step{scale, zero_point};
}

quant::QuantParams UnboundedParams(int num_bits, const std::vector<float>& low, const std::vector<float>& high) {
  quant::QuantParams params;
  params.grid = quant::Grid::kAffine;
  params.num_bits = num_bits;
  params.granularity = quant::Granularity::kPerChannel;
  params.axis = 0;
  const auto levels = static_cast<float>(quant::Codes(params.grid, num_bits).qmax);
  for (size_t c = 0; c < low.size(); ++c) {
    std::optional<Step> step = StepOf(low[c], high[c], levels);
    if (!step) {
      step = StepOf(std::min(low[c], 0.0F), std::max(high[c], 0.0F), levels);
    }
    params.scale.push_back(step ? step->scale : kStepOfZeroChannel);
    params.zero_point.push_back(step ? static_cast<int32_t>(step->zero_point) : 0);
  }
  return params;
}

}  // namespace

Tails TailsOf(std::vector<float>& values) {
  PTQ_CHECK(!values.empty());
  const auto count = static_cast<int64_t>(values.size());
  Tails tails;
  auto sorted_to = values.begin();  // what lies before is not above what lies after
  auto sorted_from = values.end();  // what lies after is not below what lies before
  for (size_t p = 0; p < kPercentiles.size(); ++p) {
    const double above = kPercentiles[p] * static_cast<double>(count - 1);
    const auto upper = static_cast<int64_t>(std::floor(above));
    const auto at_upper = values.begin() + upper;
    std::nth_element(sorted_to, at_upper, values.end());
    const float next = upper + 1 < count ? *std::min_element(at_upper + 1, values.end()) : *at_upper;
    tails.high[p] = Interpolated(*at_upper, next, above - static_cast<double>(upper));
    sorted_to = at_upper;
  }
  for (size_t p = 0; p < kPercentiles.size(); ++p) {
    const double below = (1.0 - kPercentiles[p]) * static_cast<double>(count - 1);
    const auto lower = static_cast<int64_t>(std::floor(below));
    const auto at_next = values.begin() + std::min(lower + 1, count - 1);
    std::nth_element(values.begin(), at_next, sorted_from);
    const float at_lower = *std::max_element(values.begin(), values.begin() + lower + 1);
    tails.low[p] = Interpolated(at_lower, *at_next, below - static_cast<double>(lower));
    sorted_from = at_next + 1;
  }
  return tails;
}

Result<quant::QuantParams> ChooseParams(const at::Tensor& x, quant::Grid grid, int num_bits,
                                        quant::Granularity granularity) {
  const bool per_tensor = granularity == quant::Granularity::kPerTensor;
  const at::Tensor rows = x.contiguous().view({per_tensor ? 1 : x.size(0), -1});
  return ChooseForRows(rows, [&](const std::vector<float>& low, const std::vector<float>& high) {
    return quant::ParamsFromRange(grid, num_bits, low, high, granularity, per_tensor ? -1 : 0);
  });
}

quant::QuantParams ChooseChannels(const at::Tensor& x, int num_bits) {
  const at::Tensor rows = x.reshape({-1, x.size(-1)}).t().contiguous();
  quant::QuantParams params = ChooseForRows(rows, [&](const std::vector<float>& low, const std::vector<float>& high) {
                                return Result<quant::QuantParams>(UnboundedParams(num_bits, low, high));
                              }).value();
  params.axis = static_cast<int>(x.dim()) - 1;
  return params;
}

}  // namespace ptq::baselines
