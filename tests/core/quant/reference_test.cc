#include "core/quant/reference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>

#include "core/base/random.h"

namespace ptq::quant {
namespace {

TEST(RoundHalfEvenTest, TiesGoToEven) {
  const std::pair<float, float> cases[] = {{0.5F, 0},   {1.5F, 2},   {2.5F, 2},        {3.5F, 4},        {-0.5F, 0},
                                           {-1.5F, -2}, {-2.5F, -2}, {0.49999997F, 0}, {0.50000006F, 1}, {2.0F, 2}};
  for (const auto& [x, rounded] : cases) {
    EXPECT_EQ(RoundHalfEven(x), rounded) << x;
  }
}

TEST(QuantizeScalarTest, FourBitFullGridByHand) {
  const QuantParams params{Grid::kSymmetricFull, 4, Granularity::kPerTensor, -1, {0.5F}, {0}};
  const std::pair<float, int> cases[] = {{0, 0},      {0.25F, 0},   {0.75F, 2},    {-0.75F, -2},   {3.5F, 7},
                                         {3.9F, 7},   {-4, -8},     {-4.3F, -8},   {1e30F, 7},     {-1e30F, -8},
                                         {1e-40F, 0}, {-1e-40F, 0}, {INFINITY, 7}, {-INFINITY, -8}};
  for (const auto& [x, code] : cases) {
    EXPECT_EQ(QuantizeScalar(x, params), code) << x;
  }
  EXPECT_EQ(DequantizeScalar(-8, params), -4.0F);
}

TEST(QuantizeScalarTest, AffineZeroPointShiftsCodes) {
  const QuantParams params{Grid::kAffine, 4, Granularity::kPerTensor, -1, {0.5F}, {3}};
  EXPECT_EQ(QuantizeScalar(0, params), 3);
  EXPECT_EQ(QuantizeScalar(-1.5F, params), 0);
  EXPECT_EQ(QuantizeScalar(-9, params), 0);
  EXPECT_EQ(QuantizeScalar(6, params), 15);
  EXPECT_EQ(QuantizeScalar(0.75F, params), 5) << "the tie 1.5 rounds to 2 before the zero point is added";
  EXPECT_EQ(DequantizeScalar(5, params), 1.0F);
}

TEST(QuantizeScalarTest, HalfGridHasLevelsAtOddHalves) {
  const QuantParams params{Grid::kSymmetricHalf, 2, Granularity::kPerTensor, -1, {2}, {0}};
  EXPECT_EQ(FakeQuantizeScalar(0.1F, params), 1.0F);
  EXPECT_EQ(FakeQuantizeScalar(-0.1F, params), -1.0F);
  EXPECT_EQ(FakeQuantizeScalar(2.9F, params), 3.0F);
  EXPECT_EQ(FakeQuantizeScalar(100, params), 3.0F);
  EXPECT_EQ(FakeQuantizeScalar(-100, params), -3.0F);
}

TEST(QuantizeScalarTest, ChannelsUseTheirOwnScale) {
  const QuantParams params{Grid::kAffine, 8, Granularity::kPerChannel, 0, {1, 0.5F}, {10, 20}};
  EXPECT_EQ(QuantizeScalar(3, params, 0), 13);
  EXPECT_EQ(QuantizeScalar(3, params, 1), 26);
  EXPECT_EQ(DequantizeScalar(26, params, 1), 3.0F);
}

// Levels 1, 1/2, 1/4, 1/8 of the scale, and zero: two bits and one level more.
TEST(QuantizeScalarTest, Log2ByHand) {
  const QuantParams params{Grid::kLog2, 2, Granularity::kPerTensor, -1, {0.8F}, {0}};
  const std::pair<float, int> cases[] = {{0.8F, 0},  {5, 0},     {0.4F, 1},  {0.3F, 1}, {0.2F, 2}, {0.1F, 3},
                                         {0.08F, 3}, {0.07F, 4}, {1e-9F, 4}, {0, 4},    {-1, 4},   {INFINITY, 0}};
  for (const auto& [x, code] : cases) {
    EXPECT_EQ(QuantizeScalar(x, params), code) << x;
  }
  const float values[] = {0.8F, 0.4F, 0.2F, 0.1F, 0};
  for (int code = 0; code <= 4; ++code) {
    EXPECT_FLOAT_EQ(DequantizeScalar(code, params), values[code]);
  }
}

// RepQ-ViT writes a level as delta * 2^-ceil(q/2), times sqrt(2) for odd q: delta * 2^(-q/2).
TEST(QuantizeScalarTest, LogSqrt2IsHalfOctaves) {
  const QuantParams params{Grid::kLogSqrt2, 4, Granularity::kPerTensor, -1, {0.9F}, {0}};
  for (int code = 0; code < 16; ++code) {
    const auto level = static_cast<float>(0.9 * std::exp2(-code / 2.0));
    EXPECT_FLOAT_EQ(DequantizeScalar(code, params), level);
    EXPECT_EQ(QuantizeScalar(level, params), code);
  }
  EXPECT_EQ(DequantizeScalar(16, params), 0);
  EXPECT_EQ(FakeQuantizeScalar(static_cast<float>(0.9 * std::exp2(-7.8)), params), 0);
}

// Four bits, q = 7: -8..0 steps of 0.02 and 0..7 steps of 0.5.
TEST(QuantizeScalarTest, TwinSignedHasAScaleForEachSign) {
  const QuantParams params{Grid::kTwinSigned, 4, Granularity::kPerTensor, -1, {0.5F}, {0}, {0.02F}};
  const std::pair<float, int> cases[] = {{0, 0},       {-0.0F, 0},    {0.74F, 1},   {0.76F, 2},  {9, 7},
                                         {-0.03F, -2}, {-0.011F, -1}, {-0.16F, -8}, {-0.5F, -8}, {INFINITY, 7}};
  for (const auto& [x, code] : cases) {
    EXPECT_EQ(QuantizeScalar(x, params), code) << x;
  }
  EXPECT_FLOAT_EQ(DequantizeScalar(-8, params), -0.16F);
  EXPECT_FLOAT_EQ(DequantizeScalar(7, params), 3.5F);
}

// Three bits, q = 3, split 0.125: low steps of 0.125/3, high steps of 1/3, both added as the official code does.
TEST(QuantizeScalarTest, TwinSoftmaxAddsItsTwoRanges) {
  const float low = 0.125F / 3;
  const float high = 1.0F / 3;
  const QuantParams params{Grid::kTwinSoftmax, 3, Granularity::kPerTensor, -1, {low}, {0}, {high}};
  const std::tuple<float, int, float> cases[] = {
      {0.0F, 0, 0.0F},        {0.02F, 0, 0.0F},         {0.05F, 1, low},           {0.1F, 2, 2 * low},
      {0.125F, 3, 3 * low},   {0.16F, 3, 3 * low},      {0.2F, 4, 3 * low + high}, {0.6F, 5, 3 * low + 2 * high},
      {1.0F, 6, 3 * low + 1}, {3.0F, 6, 3 * low + 1.0F}};
  for (const auto& [x, code, value] : cases) {
    EXPECT_EQ(QuantizeScalar(x, params), code) << x;
    EXPECT_FLOAT_EQ(DequantizeScalar(code, params), value) << x;
  }
}

// A wide low range, 3/7 of the high one: below the split every x already counts two steps of the high range, as in the
// official sum clamp(x, split, 1) + clamp(x, 0, split).
TEST(QuantizeScalarTest, TwinSoftmaxWithASplitOfSeveralSteps) {
  const float split = 0.25F;
  const QuantParams params{Grid::kTwinSoftmax, 4, Granularity::kPerTensor, -1, {split / 7}, {0}, {1.0F / 7}};
  for (int i = 0; i <= 1000; ++i) {
    const float x = (static_cast<float>(i) + 0.3F) / 1001;  // no tie
    const double steps = std::nearbyint(std::max(x, split) * 7) / 7.0;
    const double low = std::nearbyint(std::min(x, split) / (split / 7)) * (split / 7);
    EXPECT_NEAR(FakeQuantizeScalar(x, params), steps + low, 1e-6) << x;
  }
}

TEST(QuantizeScalarTest, AChannelMayHaveItsOwnBitsAndCorrection) {
  const QuantParams params{Grid::kAffine, 4, Granularity::kPerChannel, 0, {0.5F, 0.5F, 0.5F}, {0, 2, 0}, {}, {0, 2, 4},
                           {0.25F, -1, 0}};
  EXPECT_EQ(FakeQuantizeScalar(7, params, 0), 0.25F) << "no bits: the correction alone";
  EXPECT_EQ(QuantizeScalar(7, params, 1), 3);
  EXPECT_EQ(FakeQuantizeScalar(7, params, 1), -0.5F);
  EXPECT_EQ(FakeQuantizeScalar(7, params, 2), 7.0F);
}

// Every grid and width on 4000 uniform values of its range.
class GridSweep : public ::testing::TestWithParam<std::tuple<Grid, int>> {
 protected:
  Grid grid() const { return std::get<0>(GetParam()); }
  int bits() const { return std::get<1>(GetParam()); }

  void SetUp() override {
    min_ = grid() == Grid::kUnsigned ? 0.0F : -1.0F;
    params_ = ParamsFromRange(grid(), bits(), {min_}, {1}).value();
    RandomStream stream(11, "sweep");
    for (int i = 0; i < 4000; ++i) {
      values_.push_back(static_cast<float>(min_ + (1 - min_) * stream.NextDouble()));
    }
    values_.insert(values_.end(), {min_, 0.0F, 1.0F});
    std::sort(values_.begin(), values_.end());
  }

  float min_ = 0;
  QuantParams params_;
  std::vector<float> values_;  // ascending
};

TEST_P(GridSweep, FakeQuantizationIsIdempotent) {
  for (const float x : values_) {
    const float once = FakeQuantizeScalar(x, params_);
    ASSERT_EQ(FakeQuantizeScalar(once, params_), once) << x;
  }
}

TEST_P(GridSweep, EveryCodeSurvivesTheRoundTrip) {
  const CodeRange codes = Codes(grid(), bits());
  for (int32_t code = codes.qmin; code <= codes.qmax; ++code) {
    ASSERT_EQ(QuantizeScalar(DequantizeScalar(code, params_), params_), code);
  }
}

// x/scale carries a relative rounding error of 2^-24 at up to 2^bits levels, hence the slack.
TEST_P(GridSweep, ErrorIsAtMostHalfAStepInsideTheRange) {
  const double bound = params_.scale[0] * (0.5 + std::ldexp(1.0, bits() - 22));
  for (const float x : values_) {
    ASSERT_LE(std::abs(static_cast<double>(FakeQuantizeScalar(x, params_)) - x), bound) << x;
  }
}

TEST_P(GridSweep, ZeroIsExactExceptOnTheHalfGrid) {
  const float zero = FakeQuantizeScalar(0, params_);
  if (grid() == Grid::kSymmetricHalf) {
    EXPECT_EQ(std::abs(zero), params_.scale[0] / 2);
  } else {
    EXPECT_EQ(zero, 0.0F);
    EXPECT_EQ(FakeQuantizeScalar(-0.0F, params_), 0.0F);
  }
}

TEST_P(GridSweep, CodesStayInsideTheGridWhateverTheInput) {
  const CodeRange codes = Codes(grid(), bits());
  std::vector<float> inputs = values_;
  inputs.insert(inputs.end(), {2, -2, 1e30F, -1e30F, 3.4e38F, -3.4e38F, INFINITY, -INFINITY, 1e-45F, -1e-45F});
  for (const float x : inputs) {
    const int32_t code = QuantizeScalar(x, params_);
    ASSERT_GE(code, codes.qmin) << x;
    ASSERT_LE(code, codes.qmax) << x;
  }
  EXPECT_EQ(QuantizeScalar(INFINITY, params_), codes.qmax);
  EXPECT_EQ(QuantizeScalar(-INFINITY, params_), codes.qmin);
}

TEST_P(GridSweep, Monotone) {
  for (size_t i = 1; i < values_.size(); ++i) {
    ASSERT_LE(QuantizeScalar(values_[i - 1], params_), QuantizeScalar(values_[i], params_));
    ASSERT_LE(FakeQuantizeScalar(values_[i - 1], params_), FakeQuantizeScalar(values_[i], params_));
  }
}

TEST_P(GridSweep, TheEndsOfTheRangeReachTheEndsOfTheGrid) {
  const CodeRange codes = Codes(grid(), bits());
  // The full grid's scale leaves the code -2^(b-1) to values below -a; on the affine grid both ends of -1..1 lie half a
  // step from a level, so that the rounded scale decides the tie.
  const int affine = grid() == Grid::kAffine ? 1 : 0;
  const int full = grid() == Grid::kSymmetricFull ? 1 : 0;
  EXPECT_GE(QuantizeScalar(1, params_), codes.qmax - affine);
  EXPECT_LE(QuantizeScalar(min_, params_), codes.qmin + affine + full);
}

// Uniform values of mean square 1/3 with an error uniform in +-step/2: SQNR = 20 log10(2/step), 6.02 dB per bit.
// The noise power over 4000 values has a relative standard deviation of 1.4 %, 0.06 dB; 0.4 dB allowed.
TEST_P(GridSweep, SignalToNoiseOfUniformData) {
  double signal = 0;
  double noise = 0;
  for (const float x : values_) {
    const double error = static_cast<double>(FakeQuantizeScalar(x, params_)) - x;
    signal += static_cast<double>(x) * x;
    noise += error * error;
  }
  const double sqnr = 10 * std::log10(signal / noise);
  EXPECT_NEAR(sqnr, 20 * std::log10(2 / params_.scale[0]), 0.4);
  const bool one_sided = grid() == Grid::kUnsigned;
  if (bits() >= 6) {  // below, the two end cells and the lost code of the symmetric grids show
    EXPECT_NEAR(sqnr, 6.02 * (one_sided ? bits() + 1 : bits()), 0.8);
  }
}

TEST_P(GridSweep, AnEmptyRangeGivesCodesOfZeroAndNoNaN) {
  const QuantParams empty = ParamsFromRange(grid(), bits(), {0}, {0}).value();
  EXPECT_EQ(QuantizeScalar(0, empty), 0);
  EXPECT_TRUE(std::isfinite(FakeQuantizeScalar(0, empty)));
}

std::string SweepName(const ::testing::TestParamInfo<std::tuple<Grid, int>>& info) {
  return std::string(Name(std::get<0>(info.param))) + "_" + std::to_string(std::get<1>(info.param));
}

INSTANTIATE_TEST_SUITE_P(EveryGridAndWidth, GridSweep,
                         ::testing::Combine(::testing::Values(Grid::kSymmetricRestricted, Grid::kSymmetricFull,
                                                              Grid::kUnsigned, Grid::kAffine, Grid::kSymmetricHalf),
                                            ::testing::Range(kMinBits, kMaxBits + 1)),
                         SweepName);

}  // namespace
}  // namespace ptq::quant
