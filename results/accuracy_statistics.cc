#include "results/accuracy_statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/check.h"
#include "core/base/random.h"
#include "results/random_counts.h"

namespace ptq::results {
namespace {

constexpr double kNormalQuantile = 1.959963984540054;  // of 0.975

}  // namespace

Interval WilsonInterval(int64_t correct, int64_t images) {
  PTQ_CHECK(images > 0 && correct >= 0 && correct <= images) << correct << " of " << images;
  const auto n = static_cast<double>(images);
  const double accuracy = static_cast<double>(correct) / n;
  const double z2 = kNormalQuantile * kNormalQuantile;
  const double centre = (accuracy + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kNormalQuantile / (1 + z2 / n) * std::sqrt(accuracy * (1 - accuracy) / n + z2 / (4 * n * n));
  // both bounds are exact at the ends of the scale, where their terms cancel up to rounding
  return {correct == 0 ? 0 : std::max(0.0, centre - half), correct == images ? 1 : std::min(1.0, centre + half)};
}

PairCounts CountPairs(const std::vector<bool>& right_a, const std::vector<bool>& right_b) {
  PTQ_CHECK(right_a.size() == right_b.size()) << right_a.size() << " and " << right_b.size();
  PairCounts counts;
  for (size_t i = 0; i < right_a.size(); ++i) {
    ++(right_a[i] ? (right_b[i] ? counts.both : counts.only_a) : (right_b[i] ? counts.only_b : counts.neither));
  }
  return counts;
}

double Difference(const PairCounts& counts) {
  PTQ_CHECK(counts.images() > 0);
  return static_cast<double>(counts.only_a - counts.only_b) / static_cast<double>(counts.images());
}

Interval PairedDifferenceInterval(const PairCounts& counts, uint64_t seed, int draws) {
  PTQ_CHECK(counts.images() > 0 && draws > 0);
  PTQ_CHECK(counts.both >= 0 && counts.only_a >= 0 && counts.only_b >= 0 && counts.neither >= 0);
  // One order of A and B for both, so that swapping them draws the same numbers.
  const int64_t more = std::max(counts.only_a, counts.only_b), fewer = std::min(counts.only_a, counts.only_b);
  RandomStream random(seed, "paired_difference_interval");
  std::vector<double> differences;
  for (int draw = 0; draw < draws; ++draw) {
    const std::vector<int64_t> drawn =
        DrawMultinomial(random, counts.images(), {more, fewer, counts.both + counts.neither});
    differences.push_back(static_cast<double>(drawn[0] - drawn[1]) / static_cast<double>(counts.images()));
  }
  if (more == fewer) return PercentileInterval(differences, Sign::kSymmetric);
  return PercentileInterval(differences, more == counts.only_a ? Sign::kAsDrawn : Sign::kNegated);
}

double McNemarExact(int64_t only_a, int64_t only_b) {
  PTQ_CHECK(only_a >= 0 && only_b >= 0);
  const int64_t n = only_a + only_b, fewer = std::min(only_a, only_b);
  if (n == 0) return 1;
  // P(X <= fewer) by descending terms: P(k - 1) / P(k) = k / (n - k + 1) for p = 1/2, which shrinks.
  double sum = 0, term = 1;
  for (int64_t k = fewer; k >= 0 && term > 1e-17 * sum; --k) {
    sum += term;
    term *= static_cast<double>(k) / static_cast<double>(n - k + 1);
  }
  return std::min(1.0, 2 * sum * std::exp(LogBinomialProbability(fewer, n, 0.5)));
}

std::vector<double> HolmAdjusted(const std::vector<double>& p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double highest = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const double p = p_values[order[rank]];
    PTQ_CHECK(p >= 0 && p <= 1) << p;
    highest = std::max(highest, std::min(1.0, static_cast<double>(order.size() - rank) * p));
    adjusted[order[rank]] = highest;
  }
  return adjusted;
}

}  // namespace ptq::results
