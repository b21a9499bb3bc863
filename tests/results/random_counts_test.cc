#include "results/random_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

namespace ptq::results {
namespace {

using ::testing::ElementsAre;

// Exact rationals, rounded: comb(n, k) p^k (1 - p)^(n - k).
TEST(LogBinomialProbabilityTest, AgreesWithExactRationals) {
  EXPECT_NEAR(std::exp(LogBinomialProbability(3, 10, 0.25)), 0.25028228759765625, 1e-14);
  EXPECT_NEAR(std::exp(LogBinomialProbability(25000, 50000, 0.5)) / 0.003568230391108985, 1, 1e-9);
  EXPECT_NEAR(std::exp(LogBinomialProbability(2010, 50000, 0.04)) / 0.00884936066045262, 1, 1e-9);
  EXPECT_NEAR(std::exp(LogBinomialProbability(0, 3, 0.25)), 27 / 64.0, 1e-15);
}

struct BinomialCase {
  int64_t trials;
  double p;
};

class DrawBinomialTest : public ::testing::TestWithParam<BinomialCase> {};

// Pearson's chi-square over the answers that are expected at least 10 times, the rest as one; its mean is the number of
// classes less one, its variance twice that.
TEST_P(DrawBinomialTest, FollowsTheDistribution) {
  constexpr int kDraws = 200000;
  const auto [trials, p] = GetParam();
  RandomStream random(3, "binomial_test");
  std::map<int64_t, int> seen;
  for (int i = 0; i < kDraws; ++i) ++seen[DrawBinomial(random, trials, p)];
  double chi_square = 0, expected_rest = kDraws;
  int classes = 0, seen_rest = kDraws;
  for (int64_t k = 0; k <= trials; ++k) {
    const double expected = kDraws * std::exp(LogBinomialProbability(k, trials, p));
    if (expected < 10) continue;
    chi_square += (seen[k] - expected) * (seen[k] - expected) / expected;
    expected_rest -= expected;
    seen_rest -= seen[k];
    ++classes;
  }
  if (expected_rest > 1) {
    chi_square += (seen_rest - expected_rest) * (seen_rest - expected_rest) / expected_rest;
    ++classes;
  }
  const double degrees = std::max(1, classes - 1);
  EXPECT_LT(chi_square, degrees + 5 * std::sqrt(2 * degrees));
}

INSTANTIATE_TEST_SUITE_P(Cases, DrawBinomialTest,
                         ::testing::Values(BinomialCase{1, 0.3}, BinomialCase{2, 0.5}, BinomialCase{7, 0.9},
                                           BinomialCase{100, 0.01}, BinomialCase{100, 0.5}, BinomialCase{100, 0.995},
                                           BinomialCase{5000, 0.002}, BinomialCase{50000, 0.04},
                                           BinomialCase{50000, 0.8}));

TEST(DrawBinomialEdgeTest, WhatIsCertainTakesNoNumber) {
  RandomStream random(1, "edge"), untouched(1, "edge");
  EXPECT_EQ(DrawBinomial(random, 0, 0.5), 0);
  EXPECT_EQ(DrawBinomial(random, 9, 0), 0);
  EXPECT_EQ(DrawBinomial(random, 9, 1), 9);
  EXPECT_EQ(random.NextU64(), untouched.NextU64());
}

// Four draws from {a, a, b, c, c, c}: each of the 15 outcomes as often as 4! / (i! j! k!) (2/6)^i (1/6)^j (3/6)^k says.
TEST(DrawMultinomialTest, FollowsTheDistribution) {
  constexpr int kDraws = 100000;
  constexpr double kFactorial[] = {1, 1, 2, 6, 24};
  RandomStream random(5, "multinomial_test");
  std::map<std::vector<int64_t>, int> seen;
  for (int i = 0; i < kDraws; ++i) ++seen[DrawMultinomial(random, 4, {2, 1, 3})];
  EXPECT_EQ(seen.size(), 15u);
  double chi_square = 0;
  for (int i = 0; i <= 4; ++i) {
    for (int j = 0; i + j <= 4; ++j) {
      const int k = 4 - i - j;
      const double expected = kDraws * 24 / (kFactorial[i] * kFactorial[j] * kFactorial[k]) * std::pow(2 / 6.0, i) *
                              std::pow(1 / 6.0, j) * std::pow(3 / 6.0, k);
      const double difference = seen[{i, j, k}] - expected;
      chi_square += difference * difference / expected;
    }
  }
  EXPECT_LT(chi_square, 14 + 5 * std::sqrt(28));
}

TEST(DrawMultinomialTest, AddsUpAndNeverDrawsWhatIsNotThere) {
  RandomStream random(5, "adds_up");
  for (int i = 0; i < 200; ++i) {
    const std::vector<int64_t> drawn = DrawMultinomial(random, 1000, {0, 400, 0, 1, 599, 0});
    EXPECT_EQ(std::accumulate(drawn.begin(), drawn.end(), int64_t{0}), 1000);
    EXPECT_EQ(drawn[0] + drawn[2] + drawn[5], 0);
  }
  EXPECT_THAT(DrawMultinomial(random, 7, {0, 3}), ElementsAre(0, 7));
}

TEST(DrawMultinomialTest, OfNothingIsABug) {
  RandomStream random(0, "bug");
  EXPECT_DEATH(DrawMultinomial(random, 3, {0, 0}), "left > 0");
}

// Made by this code: a change moves the intervals of every table.
TEST(DrawMultinomialTest, TheNumbersAreFrozen) {
  RandomStream random(0, "frozen");
  EXPECT_THAT(DrawMultinomial(random, 50000, {1000, 2000, 47000}), ElementsAre(999, 2000, 47001));
  EXPECT_THAT(DrawMultinomial(random, 50000, {1000, 2000, 47000}), ElementsAre(932, 1953, 47115));
}

}  // namespace
}  // namespace ptq::results
