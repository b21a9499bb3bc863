#include "results/statistics.h"

#include <algorithm>
#include <cmath>

#include "core/base/check.h"
#include "core/base/random.h"

namespace ptq::results {
namespace {

constexpr double kLowTail = 0.025;
constexpr double kHighTail = 0.975;

}  // namespace

double Quantile(std::vector<double> values, double q) {
  PTQ_CHECK(!values.empty());
  PTQ_CHECK(q >= 0 && q <= 1);
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::ptrdiff_t>(std::floor(place));
  std::nth_element(values.begin(), values.begin() + below, values.end());
  const double low = values[below];
  const double rest = place - static_cast<double>(below);
  if (rest == 0) return low;
  return low + rest * (*std::min_element(values.begin() + below + 1, values.end()) - low);
}

Interval PercentileInterval(const std::vector<double>& draws, Sign sign) {
  const double low = Quantile(draws, kLowTail), high = Quantile(draws, kHighTail);
  // 0 - x instead of -x: never a negative zero
  if (sign == Sign::kNegated) return {0 - high, 0 - low};
  if (sign == Sign::kSymmetric) return {0 - (high - low) / 2, (high - low) / 2};
  return {low, high};
}

Interval MedianRatioInterval(const std::vector<double>& numerator, const std::vector<double>& denominator,
                             uint64_t seed, int draws) {
  PTQ_CHECK(numerator.size() == denominator.size() && !numerator.empty());
  PTQ_CHECK(draws > 0);
  RandomStream random(seed, "median_ratio_interval");
  const size_t count = numerator.size();
  std::vector<double> ratios, above(count), under(count);
  for (int draw = 0; draw < draws; ++draw) {
    for (size_t i = 0; i < count; ++i) {
      const uint64_t round = random.NextBelow(count);
      above[i] = numerator[round];
      under[i] = denominator[round];
    }
    ratios.push_back(Quantile(above, 0.5) / Quantile(under, 0.5));
  }
  return PercentileInterval(ratios);
}

}  // namespace ptq::results
