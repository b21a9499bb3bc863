// bootstrap_check.h: whether a bound is the quantile of a distribution that is known by draws or exactly.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

namespace ptq::results {

// The standard error of the share of a sample below its population's quantile q, with so many draws on both sides.
inline double ShareError(double q, double draws, double reference_draws) {
  return std::sqrt(q * (1 - q) * (1 / draws + 1 / reference_draws));
}

// `value` is a quantile q of the weighted values: less than q lies below it and at least q at or below it, up to
// `slack` in q.  Free of any assumption on the distribution's shape.
inline void ExpectQuantile(const std::vector<std::pair<double, double>>& values_and_weights, double value, double q,
                           double slack) {
  double below = 0, at_most = 0, all = 0;
  for (const auto& [x, weight] : values_and_weights) {
    all += weight;
    below += x < value - 1e-9 ? weight : 0;
    at_most += x <= value + 1e-9 ? weight : 0;
  }
  EXPECT_LE(below / all, q + slack) << value;
  EXPECT_GE(at_most / all, q - slack) << value;
}

inline std::vector<std::pair<double, double>> EquallyWeighted(const std::vector<double>& values) {
  std::vector<std::pair<double, double>> weighted;
  for (const double value : values) weighted.emplace_back(value, 1);
  return weighted;
}

}  // namespace ptq::results
