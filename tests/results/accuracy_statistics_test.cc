#include "results/accuracy_statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/results/bootstrap_check.h"

namespace ptq::results {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

void ExpectInterval(const Interval& interval, double low, double high, double tolerance) {
  EXPECT_NEAR(interval.low, low, tolerance);
  EXPECT_NEAR(interval.high, high, tolerance);
}

// R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998), table
// I, method 3; printed with four places.
TEST(WilsonIntervalTest, AgreesWithNewcombesTable) {
  ExpectInterval(WilsonInterval(81, 263), 0.2553, 0.3662, 5.1e-5);
  ExpectInterval(WilsonInterval(15, 148), 0.0624, 0.1605, 5.1e-5);
  ExpectInterval(WilsonInterval(0, 20), 0, 0.1611, 5.1e-5);
  ExpectInterval(WilsonInterval(1, 29), 0.0061, 0.1718, 5.1e-5);
}

TEST(WilsonIntervalTest, IsSymmetricAndExactAtTheEnds) {
  for (const int64_t right : {0, 1, 7, 20}) {
    const Interval one = WilsonInterval(right, 20), other = WilsonInterval(20 - right, 20);
    ExpectInterval(one, 1 - other.high, 1 - other.low, 1e-15);
  }
  for (int64_t images = 1; images < 300; ++images) {
    EXPECT_EQ(WilsonInterval(0, images).low, 0);
    EXPECT_EQ(WilsonInterval(images, images).high, 1);
  }
  EXPECT_LT(WilsonInterval(50000, 50000).low, 1);
  // half a width of 0.35 points at 80 % of 50,000 images
  const Interval imagenet = WilsonInterval(40000, 50000);
  EXPECT_NEAR((imagenet.high - imagenet.low) / 2, 0.0035, 5e-5);
}

TEST(WilsonIntervalTest, OfNoImagesIsABug) {
  EXPECT_DEATH(WilsonInterval(0, 0), "0 of 0");
  EXPECT_DEATH(WilsonInterval(3, 2), "3 of 2");
}

// Exact binomial sums in rational arithmetic, min(1, 2 sum_{k <= min} C(n, k) / 2^n).  86 and 150: presidential
// approval, Agresti, Categorical Data Analysis (1990), p. 350.  2 and 9: 134 / 2048.
TEST(McNemarExactTest, AgreesWithRationalSums) {
  EXPECT_NEAR(McNemarExact(86, 150), 3.715936139571442e-05, 1e-15);
  EXPECT_NEAR(McNemarExact(2, 9), 134 / 2048.0, 1e-13);
  EXPECT_NEAR(McNemarExact(5, 0), 2 / 32.0, 1e-14);
  EXPECT_NEAR(McNemarExact(1, 3), 2 * (1 + 4) / 16.0, 1e-13);
  EXPECT_NEAR(McNemarExact(17, 13), 0.584664711728692, 1e-12);
  EXPECT_NEAR(McNemarExact(20, 26), 0.4613911821367651, 1e-12);
  EXPECT_NEAR(McNemarExact(35, 17), 0.017533235299084904, 1e-13);
  EXPECT_NEAR(McNemarExact(184, 32) / 3.918116790155004e-27, 1, 1e-10);
  EXPECT_NEAR(McNemarExact(12500, 12900) / 0.012293973606039116, 1, 1e-9);
  EXPECT_EQ(McNemarExact(6, 5), 1);
  EXPECT_EQ(McNemarExact(10, 10), 1);
  EXPECT_EQ(McNemarExact(0, 0), 1);
}

TEST(McNemarExactTest, DoesNotKnowTheOrder) {
  for (int64_t a = 0; a < 30; ++a) {
    for (int64_t b = 0; b < a; ++b) EXPECT_EQ(McNemarExact(a, b), McNemarExact(b, a));
  }
  EXPECT_GE(McNemarExact(50000, 0), 0) << "may be too small for a double, never less than nothing";
}

// pingouin.holm's documentation: .50, .003, .32, .054, .0003.  By hand: .0003 * 5, .003 * 4, .054 * 3, .32 * 2, and .50
// may not lie below the one before.
TEST(HolmAdjustedTest, AgreesWithAPublishedExample) {
  EXPECT_THAT(HolmAdjusted({.50, .003, .32, .054, .0003}),
              ElementsAre(DoubleNear(0.64, 1e-12), DoubleNear(0.012, 1e-12), DoubleNear(0.64, 1e-12),
                          DoubleNear(0.162, 1e-12), DoubleNear(0.0015, 1e-12)));
}

TEST(HolmAdjustedTest, KeepsOrderAndNeverLowers) {
  EXPECT_THAT(HolmAdjusted({}), IsEmpty());
  EXPECT_THAT(HolmAdjusted({0.03}), ElementsAre(0.03));
  EXPECT_THAT(HolmAdjusted({0.02, 0.02, 0.02}), ElementsAre(0.06, 0.06, 0.06));
  EXPECT_THAT(HolmAdjusted({1, 0.9, 0}), ElementsAre(1, 1, 0));
  EXPECT_DEATH(HolmAdjusted({0.5, 1.5}), "1.5");
}

TEST(CountPairsTest, CountsTheFourOutcomes) {
  const PairCounts counts =
      CountPairs({true, true, true, false, false, false}, {true, true, false, true, false, false});
  EXPECT_EQ(counts.both, 2);
  EXPECT_EQ(counts.only_a, 1);
  EXPECT_EQ(counts.only_b, 1);
  EXPECT_EQ(counts.neither, 2);
  EXPECT_EQ(counts.images(), 6);
  EXPECT_EQ(counts.right_a(), 3);
  EXPECT_DEATH(CountPairs({true}, {}), "1 and 0");
}

// The bootstrap of the difference is the law of (i - j) / n for i, j and the rest drawn multinomially: by enumeration.
TEST(PairedDifferenceIntervalTest, AgreesWithTheExactBootstrapDistribution) {
  for (const PairCounts& counts : {PairCounts{5, 3, 1, 3}, PairCounts{0, 2, 0, 10}, PairCounts{1, 6, 5, 0}}) {
    const auto n = static_cast<double>(counts.images());
    const double log_a = std::log(counts.only_a / n), log_rest = std::log((counts.both + counts.neither) / n);
    std::vector<std::pair<double, double>> law;
    for (int i = 0; i <= n; ++i) {
      for (int j = 0; i + j <= n; ++j) {
        if (counts.only_b == 0 && j > 0) continue;
        const double log_b = j == 0 ? 0 : std::log(counts.only_b / n);
        const double k = n - i - j;
        law.emplace_back((i - j) / n, std::exp(std::lgamma(n + 1) - std::lgamma(i + 1.0) - std::lgamma(j + 1.0) -
                                               std::lgamma(k + 1) + i * log_a + j * log_b + k * log_rest));
      }
    }
    const Interval interval = PairedDifferenceInterval(counts);
    const double slack = 5 * ShareError(0.025, kBootstrapDraws, INFINITY);
    ExpectQuantile(law, interval.low, 0.025, slack);
    ExpectQuantile(law, interval.high, 0.975, slack);
  }
}

TEST(PairedDifferenceIntervalTest, AgreesWithDrawingImages) {
  const PairCounts counts = {250, 60, 35, 55};
  const auto n = static_cast<int>(counts.images());
  std::mt19937_64 random(11);
  std::uniform_int_distribution<int> image(0, n - 1);
  std::vector<double> draws;
  for (int draw = 0; draw < 20000; ++draw) {
    int difference = 0;
    for (int i = 0; i < n; ++i) {
      const int drawn = image(random);
      difference += drawn < counts.only_a ? 1 : (drawn < counts.only_a + counts.only_b ? -1 : 0);
    }
    draws.push_back(difference / static_cast<double>(n));
  }
  const Interval interval = PairedDifferenceInterval(counts);
  const double slack = 5 * ShareError(0.025, kBootstrapDraws, 20000);
  ExpectQuantile(EquallyWeighted(draws), interval.low, 0.025, slack);
  ExpectQuantile(EquallyWeighted(draws), interval.high, 0.975, slack);
}

// d -+ 1.96 sqrt(b + c - (b - c)^2 / n) / n.  A bound of the bootstrap has the standard error
// sqrt(q (1 - q) / draws) / density(1.96) of that, and lies on multiples of 1 / n.
TEST(PairedDifferenceIntervalTest, AgreesWithTheNormalApproximationOnManyImages) {
  for (const PairCounts& counts : {PairCounts{37000, 3000, 2700, 7300}, PairCounts{39000, 1000, 1000, 9000}}) {
    const auto n = static_cast<double>(counts.images());
    const double b = counts.only_a, c = counts.only_b;
    const double error = std::sqrt(b + c - (b - c) * (b - c) / n) / n;
    const double tolerance = 4 * error * std::sqrt(0.025 * 0.975 / kBootstrapDraws) / 0.05845 + 1 / n;
    ExpectInterval(PairedDifferenceInterval(counts), (b - c) / n - 1.959964 * error, (b - c) / n + 1.959964 * error,
                   tolerance);
  }
}

TEST(PairedDifferenceIntervalTest, SwappedItIsNegatedExactly) {
  for (const PairCounts& counts :
       {PairCounts{5, 3, 1, 3}, PairCounts{700, 11, 90, 40}, PairCounts{50, 9, 9, 7}, PairCounts{0, 0, 3, 0},
        PairCounts{40, 0, 1, 3}, PairCounts{37000, 3000, 3000, 7000}}) {
    const PairCounts swapped = {counts.both, counts.only_b, counts.only_a, counts.neither};
    const Interval one = PairedDifferenceInterval(counts), other = PairedDifferenceInterval(swapped);
    EXPECT_EQ(one.low, -other.high);
    EXPECT_EQ(one.high, -other.low);
    EXPECT_EQ(Difference(counts), -Difference(swapped));
    EXPECT_FALSE(one.high == 0 && std::signbit(one.high)) << "prints as -0";
    EXPECT_TRUE(one.contains(Difference(counts)));
  }
}

TEST(PairedDifferenceIntervalTest, IsAPureFunctionOfItsArguments) {
  const PairCounts counts = {700, 60, 90, 40};
  const Interval first = PairedDifferenceInterval(counts, 7), again = PairedDifferenceInterval(counts, 7);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  // what both have right or both wrong counts only as images
  const Interval moved = PairedDifferenceInterval({40, 60, 90, 700}, 7);
  EXPECT_EQ(first.low, moved.low);
  EXPECT_EQ(first.high, moved.high);
  const Interval few = PairedDifferenceInterval(counts, 7, 100), other = PairedDifferenceInterval(counts, 8, 100);
  EXPECT_TRUE(few.low != other.low || few.high != other.high);
}

TEST(PairedDifferenceIntervalTest, DegenerateCases) {
  for (const PairCounts& same : {PairCounts{9, 0, 0, 1}, PairCounts{10, 0, 0, 0}, PairCounts{0, 0, 0, 10}}) {
    const Interval interval = PairedDifferenceInterval(same);
    EXPECT_EQ(interval.low, 0);
    EXPECT_EQ(interval.high, 0);
    EXPECT_FALSE(std::signbit(interval.low) || std::signbit(interval.high));
  }
  const Interval all = PairedDifferenceInterval({0, 10, 0, 0});
  EXPECT_EQ(all.low, 1);
  EXPECT_EQ(all.high, 1);
  EXPECT_DEATH(PairedDifferenceInterval({}), "images");
  EXPECT_DEATH(Difference({}), "images");
}

}  // namespace
}  // namespace ptq::results
