#include "core/quant/lp_range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/base/random.h"
#include "core/quant/reference.h"

namespace ptq::quant {
namespace {

// The distributions are exact: a density on a grid so fine (a hundredth of the finest step tested) that sums over it
// are integrals, cut where less than 1e-14 of the mass lies beyond.
WeightedValues OnGrid(double low, double high, const std::function<double(double)>& density) {
  constexpr int kPoints = 200000;
  WeightedValues values;
  const double width = (high - low) / kPoints;
  for (int i = 0; i < kPoints; ++i) {
    const double x = low + (i + 0.5) * width;
    values.values.push_back(static_cast<float>(x));
    values.weights.push_back(density(x));
  }
  return values;
}

const WeightedValues& Normal() {
  static const WeightedValues values = OnGrid(-8, 8, [](double x) { return std::exp(-x * x / 2); });
  return values;
}
const WeightedValues& HalfNormal() {
  static const WeightedValues values = OnGrid(0, 8, [](double x) { return std::exp(-x * x / 2); });
  return values;
}
const WeightedValues& Laplace() {
  static const WeightedValues values = OnGrid(-34, 34, [](double x) { return std::exp(-std::fabs(x)); });
  return values;
}
const WeightedValues& Exponential() {
  static const WeightedValues values = OnGrid(0, 34, [](double x) { return std::exp(-x); });
  return values;
}

struct Optimum {
  double clip;  // a as each grid's table defines it
  double loss;
};

Optimum Find(const WeightedValues& values, Grid grid, int num_bits, double p) {
  const QuantParams params = LpOptimalParams(values, grid, num_bits, p).value();
  const double steps = grid == Grid::kUnsigned        ? std::ldexp(1.0, num_bits) - 1
                       : grid == Grid::kSymmetricHalf ? (std::ldexp(1.0, num_bits) - 1) / 2
                                                      : std::ldexp(1.0, num_bits - 1) - 1;
  return {params.scale[0] * steps, LpError(values, params, p)};
}

struct Golden {
  int num_bits;
  double clip, mse;
};

void ExpectGoldens(const WeightedValues& values, Grid grid, const std::vector<Golden>& goldens, double clip_factor) {
  for (const Golden& golden : goldens) {
    const Optimum found = Find(values, grid, golden.num_bits, 2);
    EXPECT_NEAR(found.clip * clip_factor / golden.clip, 1, 2e-3) << Name(grid) << " " << golden.num_bits;
    EXPECT_NEAR(found.loss / golden.mse, 1, 1e-3) << Name(grid) << " " << golden.num_bits;
  }
}

// Optima of the mean squared error by numerical integration in double precision; those of the mid-rise grid equal the
// tables of Max (1960).
TEST(LpRangeTest, SquaredErrorOptimaOfTheNormalDistribution) {
  ExpectGoldens(Normal(), Grid::kSymmetricRestricted,
                {{2, 1.2240, 0.190174},
                 {3, 1.9523, 0.046860},
                 {4, 2.4739, 0.0128894},
                 {5, 2.8987, 0.00369322},
                 {6, 3.2701, 0.00106929},
                 {8, 3.9205, 8.8308e-5}},
                1);
  ExpectGoldens(Normal(), Grid::kSymmetricFull,
                {{2, 1.0484, 0.149431},
                 {3, 1.8055, 0.0406382},
                 {4, 2.3703, 0.011864},
                 {5, 2.8319, 0.00352596},
                 {6, 3.2296, 0.00104285},
                 {8, 3.9072, 8.77069e-5}},
                1);
  ExpectGoldens(HalfNormal(), Grid::kUnsigned,
                {{2, 1.9523, 0.046860},
                 {3, 2.4739, 0.0128894},
                 {4, 2.8987, 0.00369322},
                 {5, 3.2701, 0.00106929},
                 {6, 3.6075, 0.000308622},
                 {8, 4.2147, 2.50081e-5}},
                1);
}

// The mid-rise grid is kSymmetricHalf with the clip value counted as 2^(b-1) steps.
TEST(LpRangeTest, SquaredErrorOptimaOfTheMidRiseGrid) {
  const std::vector<Golden> goldens = {{2, 1.9914, 0.118846},   {3, 2.3441, 0.0374397},  {4, 2.6816, 0.0115429},
                                       {5, 3.0102, 0.00349521}, {6, 3.3300, 0.00104005}, {8, 3.9376, 8.76862e-5}};
  for (const Golden& golden : goldens) {
    const double levels = std::ldexp(1.0, golden.num_bits);
    ExpectGoldens(Normal(), Grid::kSymmetricHalf, {golden}, levels / (levels - 1));
  }
}

TEST(LpRangeTest, SquaredErrorOptimaOfTheLaplaceDistribution) {
  ExpectGoldens(Laplace(), Grid::kSymmetricRestricted,
                {{3, 3.4864, 0.166173}, {4, 4.8199, 0.0547904}, {6, 7.3586, 0.00595903}, {8, 9.8827, 0.000606603}}, 1);
  ExpectGoldens(Exponential(), Grid::kUnsigned, {{4, 6.0980, 0.0181703}, {8, 11.1555, 0.000188065}}, 1);
}

// The optimum is flat: the clip value is known to 1e-3.  Other exponents than 2, by numerical integration as above.
TEST(LpRangeTest, OptimaOfOtherExponents) {
  struct Row {
    const WeightedValues& values;
    Grid grid;
    int num_bits;
    double clips[4];  // p = 2, 2.4, 3, 4
  };
  const Row rows[] = {{Normal(), Grid::kSymmetricHalf, 2, {1.4935, 1.5775, 1.6942, 1.8698}},
                      {Normal(), Grid::kSymmetricHalf, 4, {2.5140, 2.6695, 2.8857, 3.2110}},
                      {Normal(), Grid::kSymmetricHalf, 8, {3.9222, 4.2092, 4.6050, 5.1948}},
                      {Laplace(), Grid::kSymmetricHalf, 4, {4.8896, 5.5103, 6.4309, 7.9419}},
                      {HalfNormal(), Grid::kUnsigned, 4, {2.8987, 3.0872, 3.3490, 3.7421}},
                      {Exponential(), Grid::kUnsigned, 4, {6.0980, 6.9080, 8.1120, 10.0942}}};
  constexpr double kExponents[] = {2, 2.4, 3, 4};
  for (const Row& row : rows) {
    double last = 0;
    for (int i = 0; i < 4; ++i) {
      const double clip = Find(row.values, row.grid, row.num_bits, kExponents[i]).clip;
      EXPECT_NEAR(clip / row.clips[i], 1, 1e-3) << Name(row.grid) << " " << row.num_bits << " " << kExponents[i];
      EXPECT_GT(clip, last) << "grows with p";
      last = clip;
    }
  }
}

// 2^b codes on one side are the positive half of 2^(b+1) - 1 codes on both.
TEST(LpRangeTest, UnsignedOnTheHalfEqualsSymmetricWithABitMore) {
  for (const int num_bits : {2, 3, 4, 5, 7}) {
    const Optimum one = Find(HalfNormal(), Grid::kUnsigned, num_bits, 2);
    const Optimum two = Find(Normal(), Grid::kSymmetricRestricted, num_bits + 1, 2);
    EXPECT_NEAR(one.clip, two.clip, 2e-4 * two.clip) << num_bits;
    EXPECT_NEAR(one.loss, two.loss, 1e-5 * two.loss) << num_bits;
  }
}

// cos(x, Q(x)) is stationary at the step of least squared error, where 1 - cos^2 is that error over the mean square:
// the best gain of Q(x) there is 1.
TEST(LpRangeTest, TheLeastSquaredErrorIsAlsoTheBestCosine) {
  const WeightedValues& x = Normal();
  for (const int num_bits : {3, 4, 6, 8}) {
    const QuantParams params = LpOptimalParams(x, Grid::kSymmetricRestricted, num_bits, 2).value();
    double xx = 0;
    double xq = 0;
    double qq = 0;
    for (size_t i = 0; i < x.values.size(); ++i) {
      const double q = FakeQuantizeScalar(x.values[i], params);
      xx += x.weights[i] * x.values[i] * x.values[i];
      xq += x.weights[i] * x.values[i] * q;
      qq += x.weights[i] * q * q;
    }
    const double mse = LpError(x, params, 2);
    EXPECT_NEAR(xq / qq, 1, 1e-3) << num_bits;
    EXPECT_NEAR((1 - xq * xq / (xx * qq)) / mse, 1, 1e-2) << num_bits;
  }
}

TEST(LpErrorTest, EqualsTheScalarReferenceOnEveryGrid) {
  RandomStream random(7, "values");
  WeightedValues values;
  for (int i = 0; i < 1003; ++i) {  // no multiple of a vector's length
    values.values.push_back(static_cast<float>(3 * random.NextNormal() + 0.4));
    values.weights.push_back(random.NextDouble());
  }
  for (const Grid grid : {Grid::kSymmetricRestricted, Grid::kSymmetricFull, Grid::kUnsigned, Grid::kAffine,
                          Grid::kSymmetricHalf, Grid::kLog2}) {
    for (const double p : {0.5, 1.0, 2.0, 2.4, 3.5, 8.0}) {
      const QuantParams params = ParamsFromRange(grid, 4, {-4}, {5}).value();
      for (const bool weighted : {true, false}) {
        WeightedValues given = values;
        if (!weighted) {
          given.weights.clear();
        }
        double sum = 0;
        double total = 0;
        for (size_t i = 0; i < values.values.size(); ++i) {
          const double weight = weighted ? values.weights[i] : 1;
          const double x = values.values[i];
          sum += weight * std::pow(std::fabs(x - FakeQuantizeScalar(values.values[i], params)), p);
          total += weight;
        }
        EXPECT_NEAR(LpError(given, params, p) / (sum / total), 1, 1e-6) << Name(grid) << " " << p;
      }
    }
  }
}

TEST(LpErrorTest, PowersAreRightOverTheWholeRangeOfFloats) {
  // One code at 0: the loss is the value itself.
  QuantParams params = ParamsFromRange(Grid::kUnsigned, 2, {0}, {0}).value();
  params.scale[0] = 1e38F;
  for (const float x : {1e-30F, 3e-7F, 0.7071067F, 0.7071068F, 1.0F, 1.4142135F, 1.4142137F, 12345.6F, 1e30F}) {
    for (const double p : {0.5, 1.0, 2.4, 3.0, 8.0}) {
      EXPECT_NEAR(LpError({{x}, {}}, params, p) / std::pow(static_cast<double>(x), p), 1, 1e-8) << x << " " << p;
    }
  }
  EXPECT_EQ(LpError({{0.0F}, {}}, params, 2), 0);
  EXPECT_LT(LpError({{0.0F}, {}}, params, 0.5), 1e-18);
}

TEST(LpRangeTest, IsNeverWorseThanTheWholeRange) {
  RandomStream random(3, "outliers");
  WeightedValues values;
  for (int i = 0; i < 4000; ++i) {
    const double x = random.NextNormal();
    values.values.push_back(static_cast<float>(i % 997 == 0 ? 60 * x : x));
  }
  const auto [min, max] = std::minmax_element(values.values.begin(), values.values.end());
  for (const Grid grid : {Grid::kSymmetricRestricted, Grid::kSymmetricFull, Grid::kUnsigned, Grid::kAffine,
                          Grid::kSymmetricHalf, Grid::kLog2, Grid::kLogSqrt2}) {
    for (const int num_bits : {2, 3, 4, 6, 8, 16}) {
      for (const double p : {0.5, 1.0, 2.0, 2.4, 8.0}) {
        const QuantParams best = LpOptimalParams(values, grid, num_bits, p).value();
        const QuantParams whole = ParamsFromRange(grid, num_bits, {*min}, {*max}).value();
        EXPECT_LE(LpError(values, best, p), LpError(values, whole, p)) << Name(grid) << num_bits << " " << p;
        EXPECT_EQ(best.grid, grid);
        EXPECT_EQ(best.num_bits, num_bits);
      }
    }
  }
}

// A value at 1000 sigma that happens once in 4 billion: the range to keep is 0.4 % of the whole one.
TEST(LpRangeTest, FindsARangeBelowOnePercent) {
  WeightedValues values = Normal();
  values.values.push_back(1000);
  values.weights.push_back(1e-9);
  EXPECT_NEAR(Find(values, Grid::kSymmetricRestricted, 8, 2).clip, 3.9205, 0.1);
}

TEST(LpRangeTest, ConstantAndZeroTensors) {
  for (const Grid grid :
       {Grid::kSymmetricRestricted, Grid::kSymmetricFull, Grid::kUnsigned, Grid::kAffine, Grid::kSymmetricHalf}) {
    const WeightedValues zeros = {std::vector<float>(100, 0.0F), {}};
    EXPECT_EQ(LpOptimalParams(zeros, grid, 4, 2).value().scale[0], 1.0F) << Name(grid);
    const WeightedValues constant = {std::vector<float>(100, 3.25F), {}};
    EXPECT_LT(LpError(constant, LpOptimalParams(constant, grid, 4, 2).value(), 2), 1e-12) << Name(grid);
  }
  const WeightedValues negative = {{-1, -2, -3}, {}};
  EXPECT_EQ(LpOptimalParams(negative, Grid::kUnsigned, 4, 2).value().scale[0], 1.0F);
}

TEST(LpRangeTest, ValuesWithoutWeightDoNotCount) {
  const WeightedValues values = {{-2, -1, 0.5F, 1.5F, 900}, {1, 2, 3, 1, 0}};
  const WeightedValues without = {{-2, -1, 0.5F, 1.5F}, {1, 2, 3, 1}};
  EXPECT_EQ(LpOptimalParams(values, Grid::kAffine, 3, 2).value().scale,
            LpOptimalParams(without, Grid::kAffine, 3, 2).value().scale);
}

TEST(LpRangeTest, WeightsAreMultiplicities) {
  const WeightedValues weighted = {{-2, -1, 0.5F, 1.5F}, {1, 2, 3, 1}};
  const WeightedValues repeated = {{-2, -1, -1, 0.5F, 0.5F, 0.5F, 1.5F}, {}};
  const QuantParams params = LpOptimalParams(weighted, Grid::kSymmetricFull, 3, 2.4).value();
  EXPECT_NEAR(LpError(weighted, params, 2.4), LpError(repeated, params, 2.4), 1e-12);
  EXPECT_NEAR(LpOptimalParams(repeated, Grid::kSymmetricFull, 3, 2.4).value().scale[0], params.scale[0], 1e-6);
}

TEST(LpRangeTest, RefusesWhatHasNoRange) {
  for (const float bad : {NAN, INFINITY}) {
    const Result<QuantParams> params = LpOptimalParams({{1, bad, 2}, {}}, Grid::kAffine, 4, 2);
    ASSERT_FALSE(params.ok());
    EXPECT_EQ(params.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(LpOptimalParams({{1, 2}, {}}, Grid::kAffine, 1, 2).ok());
  EXPECT_FALSE(LpOptimalParams({{1, 2}, {}}, Grid::kTwinSigned, 4, 2).ok());
}

}  // namespace
}  // namespace ptq::quant
