// statistics.h: quantiles, the intervals of bootstraps, and what a sample of timings says.
#pragma once

#include <cstdint>
#include <vector>

namespace ptq::results {

// The value below which the fraction q of the sample lies, with linear interpolation between order statistics: q = 0.5
// is the median.  The sample is not empty and finite; 0 <= q <= 1.
double Quantile(std::vector<double> values, double q);

struct Interval {
  double low = 0, high = 0;

  bool contains(double value) const { return low <= value && value <= high; }
};

// What the draws of a bootstrap stand for: the figure itself; its negative; or a figure that is known to lie symmetric
// around 0, so that the two bounds are estimates of one width.
enum class Sign { kAsDrawn, kNegated, kSymmetric };

// The interval of the middle 95 % of a bootstrap's draws.  Not empty and finite.
Interval PercentileInterval(const std::vector<double>& draws, Sign sign = Sign::kAsDrawn);

// The percentile bootstrap of median(numerator) / median(denominator) with 95 % coverage.  The samples are paired:
// element i of both was measured in the same round, and a draw takes rounds, so that what slowed both sides of a round
// slows both sides of the draw.  Equally long, not empty, above 0.  A pure function of its arguments.
Interval MedianRatioInterval(const std::vector<double>& numerator, const std::vector<double>& denominator,
                             uint64_t seed = 0, int draws = 2000);

}  // namespace ptq::results
