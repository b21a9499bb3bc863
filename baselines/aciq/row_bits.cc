#include "baselines/aciq/row_bits.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <tuple>

#include "core/base/check.h"

namespace ptq::baselines::aciq {
namespace {

constexpr int32_t kMaxBits = 16;

// One more bit for a row; the greatest comes first.
struct Step {
  double gain = 0;  // loss saved per unit of quota
  int32_t bits = 0;
  int64_t row = 0;

  bool operator<(const Step& other) const {
    return std::tuple(gain, -bits, -row) < std::tuple(other.gain, -other.bits, -other.row);
  }
};

double CostOfNextBit(Quota quota, int32_t bits) { return quota == Quota::kBins ? std::ldexp(1.0, bits) : 1.0; }

}  // namespace

std::vector<double> IdealBins(const std::vector<double>& spreads, int nominal_bits) {
  double sum = 0;
  for (const double spread : spreads) {
    sum += std::cbrt(spread * spread);
  }
  PTQ_CHECK(sum > 0) << "spreads are all 0";
  const double all_bins = static_cast<double>(spreads.size()) * std::ldexp(1.0, nominal_bits);
  std::vector<double> bins;
  for (const double spread : spreads) {
    bins.push_back(all_bins * std::cbrt(spread * spread) / sum);
  }
  return bins;
}

std::vector<int32_t> ShareBits(const std::vector<double>& spreads, int nominal_bits, Quota quota) {
  const auto rows = static_cast<int64_t>(spreads.size());
  const double largest = spreads.empty() ? 0.0 : *std::max_element(spreads.begin(), spreads.end());
  if (largest == 0) {
    return std::vector<int32_t>(rows, nominal_bits);
  }
  const int32_t most = std::min(kMaxBits, std::max(8, nominal_bits + 4));
  const double row_quota = quota == Quota::kBins ? std::ldexp(1.0, nominal_bits) - 1 : nominal_bits;  // beyond 0 bits
  double left = row_quota * static_cast<double>(rows);
  std::vector<int32_t> bits(rows, 0);
  std::priority_queue<Step> steps;
  const auto push = [&](int64_t row) {
    const double relative = spreads[row] / largest;
    const double saved = relative * relative * std::ldexp(0.25, -2 * bits[row]);
    steps.push({saved / CostOfNextBit(quota, bits[row]), bits[row], row});
  };
  for (int64_t row = 0; row < rows; ++row) {
    if (spreads[row] > 0) {
      push(row);
    }
  }
  while (!steps.empty()) {
    const Step step = steps.top();
    steps.pop();
    const double cost = CostOfNextBit(quota, step.bits);
    if (cost > left) {
      continue;
    }
    left -= cost;
    if (++bits[step.row] < most) {
      push(step.row);
    }
  }
  return bits;
}

}  // namespace ptq::baselines::aciq
