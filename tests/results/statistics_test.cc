#include "results/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ptq::results {
namespace {

TEST(QuantileTest, InterpolatesBetweenOrderStatistics) {
  EXPECT_EQ(Quantile({7}, 0), 7);
  EXPECT_EQ(Quantile({7}, 0.3), 7);
  EXPECT_EQ(Quantile({7}, 1), 7);
  EXPECT_EQ(Quantile({3, 1, 2}, 0.5), 2);
  EXPECT_EQ(Quantile({4, 1, 3, 2}, 0.5), 2.5);
  // 4 gaps between 5 values: 0.05 lies at 0.2 of the first gap, 0.95 at 0.8 of the last
  EXPECT_DOUBLE_EQ(Quantile({50, 10, 40, 20, 30}, 0.05), 12);
  EXPECT_DOUBLE_EQ(Quantile({50, 10, 40, 20, 30}, 0.95), 48);
  EXPECT_EQ(Quantile({50, 10, 40, 20, 30}, 0), 10);
  EXPECT_EQ(Quantile({50, 10, 40, 20, 30}, 1), 50);
  EXPECT_EQ(Quantile({5, 5, 5, 5}, 0.37), 5);
}

TEST(QuantileTest, OfNothingIsABug) { EXPECT_DEATH(Quantile({}, 0.5), "empty"); }

TEST(MedianRatioIntervalTest, PairsStayTogether) {
  // Every round was slower by a factor of its own and each has the ratio 2: so has every draw of an odd number of
  // rounds, whereas draws of the two sides apart would spread.
  const std::vector<double> slow = {2, 20, 8, 60, 4}, fast = {1, 10, 4, 30, 2};
  const Interval interval = MedianRatioInterval(slow, fast);
  EXPECT_EQ(interval.low, 2);
  EXPECT_EQ(interval.high, 2);
}

TEST(MedianRatioIntervalTest, OneRoundHasNoSpread) {
  const Interval interval = MedianRatioInterval({3}, {2});
  EXPECT_EQ(interval.low, 1.5);
  EXPECT_EQ(interval.high, 1.5);
}

// Three rounds with ratios 1, 2, 3 and equal denominators.  A draw's median is the smallest where two or three of its
// rounds are the first: 7 of the 27 equally likely draws; so is the largest with the third.  Both have more than 2.5 %.
TEST(MedianRatioIntervalTest, ReachesAsFarAsTheDrawsDo) {
  const Interval interval = MedianRatioInterval({1, 2, 3}, {1, 1, 1});
  EXPECT_EQ(interval.low, 1);
  EXPECT_EQ(interval.high, 3);
}

// 101 rounds with numerators 1..101: the interval of a sample median by order statistics at 95 % reaches from the
// 41st to the 61st value (binomial: 50.5 -+ 1.96 sqrt(101) / 2 = 40.7 and 60.3).
TEST(MedianRatioIntervalTest, AgreesWithTheIntervalOfAMedian) {
  std::vector<double> numerator;
  for (int i = 1; i <= 101; ++i) numerator.push_back(i);
  const Interval interval = MedianRatioInterval(numerator, std::vector<double>(101, 1));
  EXPECT_NEAR(interval.low, 41, 2);
  EXPECT_NEAR(interval.high, 61, 2);
}

TEST(MedianRatioIntervalTest, IsAPureFunctionOfItsArguments) {
  std::vector<double> a, b;
  for (int i = 0; i < 40; ++i) {
    a.push_back(10 + std::sin(i));
    b.push_back(5 + std::cos(3 * i));
  }
  const Interval first = MedianRatioInterval(a, b, 7), again = MedianRatioInterval(a, b, 7);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_LT(first.low, Quantile(a, 0.5) / Quantile(b, 0.5));
  EXPECT_GT(first.high, Quantile(a, 0.5) / Quantile(b, 0.5));
}

}  // namespace
}  // namespace ptq::results
