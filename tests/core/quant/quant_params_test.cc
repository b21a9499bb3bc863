#include "core/quant/quant_params.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ptq::quant {
namespace {

using ::testing::HasSubstr;

constexpr Grid kAllGrids[] = {Grid::kSymmetricRestricted, Grid::kSymmetricFull, Grid::kUnsigned, Grid::kAffine,
                              Grid::kSymmetricHalf};

QuantParams PerTensor(Grid grid, int bits, float scale, int32_t zero_point = 0) {
  return {grid, bits, Granularity::kPerTensor, -1, {scale}, {zero_point}};
}

TEST(GridTest, NamesRoundTripAndUnknownOnesSuggest) {
  for (const Grid grid : kAllGrids) {
    ASSERT_TRUE(ParseGrid(Name(grid)).ok()) << Name(grid);
    EXPECT_EQ(*ParseGrid(Name(grid)), grid);
  }
  EXPECT_EQ(ParseGrid("symetric_full").error().message,
            "no grid is called 'symetric_full'; did you mean 'symmetric_full'?");
  for (const Granularity granularity : {Granularity::kPerTensor, Granularity::kPerChannel}) {
    EXPECT_EQ(*ParseGranularity(Name(granularity)), granularity);
  }
  EXPECT_THAT(ParseGranularity("per_row").error().message, HasSubstr("use 'per_tensor' or 'per_channel'"));
}

TEST(GridTest, CodesByBits) {
  for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
    const int half = 1 << (bits - 1);
    EXPECT_EQ(Codes(Grid::kSymmetricRestricted, bits).qmin, -(half - 1));
    EXPECT_EQ(Codes(Grid::kSymmetricRestricted, bits).qmax, half - 1);
    for (const Grid grid : {Grid::kSymmetricFull, Grid::kSymmetricHalf}) {
      EXPECT_EQ(Codes(grid, bits).qmin, -half);
      EXPECT_EQ(Codes(grid, bits).qmax, half - 1);
    }
    for (const Grid grid : {Grid::kUnsigned, Grid::kAffine}) {
      EXPECT_EQ(Codes(grid, bits).qmin, 0);
      EXPECT_EQ(Codes(grid, bits).qmax, 2 * half - 1);
    }
  }
  EXPECT_EQ(Codes(Grid::kSymmetricFull, 4).qmin, -8);
  EXPECT_EQ(Codes(Grid::kSymmetricFull, 4).qmax, 7);
}

TEST(GridTest, OnlyTheHalfGridIsOffset) {
  for (const Grid grid : kAllGrids) {
    EXPECT_EQ(LevelOffset(grid), grid == Grid::kSymmetricHalf ? 0.5F : 0.0F);
  }
}

TEST(GridDeathTest, CodesOfImpossibleBits) {
  EXPECT_DEATH(Codes(Grid::kAffine, 1), "check failed");
  EXPECT_DEATH(Codes(Grid::kAffine, 17), "check failed");
}

TEST(ParamsFromRangeTest, ScalesByTheFormulaOfEachGrid) {
  for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
    SCOPED_TRACE(bits);
    const double q = std::ldexp(1.0, bits - 1) - 1;
    const double levels = std::ldexp(1.0, bits) - 1;
    auto scale = [&](Grid grid, float min, float max) { return ParamsFromRange(grid, bits, {min}, {max})->scale[0]; };
    EXPECT_FLOAT_EQ(scale(Grid::kSymmetricRestricted, -3, 2), 3 / q);
    EXPECT_FLOAT_EQ(scale(Grid::kSymmetricFull, -1, 2), 2 / q);
    EXPECT_FLOAT_EQ(scale(Grid::kUnsigned, 0, 5), 5 / levels);
    EXPECT_FLOAT_EQ(scale(Grid::kUnsigned, -1, 5), 5 / levels);
    EXPECT_FLOAT_EQ(scale(Grid::kAffine, -1, 2), 3 / levels);
    EXPECT_FLOAT_EQ(scale(Grid::kAffine, 1, 2), 2 / levels) << "widened to hold 0";
    EXPECT_FLOAT_EQ(scale(Grid::kAffine, -2, -1), 2 / levels) << "widened to hold 0";
    EXPECT_FLOAT_EQ(scale(Grid::kSymmetricHalf, -1, 3), 6 / levels);
  }
}

TEST(ParamsFromRangeTest, ZeroPointIsTheRoundedCodeOfZero) {
  EXPECT_EQ(ParamsFromRange(Grid::kAffine, 8, {-1}, {254})->zero_point[0], 1);
  EXPECT_EQ(ParamsFromRange(Grid::kAffine, 8, {0}, {1})->zero_point[0], 0);
  EXPECT_EQ(ParamsFromRange(Grid::kAffine, 8, {-1}, {0})->zero_point[0], 255);
  EXPECT_EQ(ParamsFromRange(Grid::kAffine, 8, {3}, {4})->zero_point[0], 0);
  EXPECT_EQ(ParamsFromRange(Grid::kAffine, 2, {-0.5F}, {2.5F})->zero_point[0], 0) << "0.5 rounds to even";
  EXPECT_EQ(ParamsFromRange(Grid::kAffine, 2, {-1.5F}, {1.5F})->zero_point[0], 2) << "1.5 rounds to even";
}

TEST(ParamsFromRangeTest, EmptyAndTinyRangesGiveScaleOne) {
  for (const Grid grid : kAllGrids) {
    SCOPED_TRACE(Name(grid));
    EXPECT_EQ(ParamsFromRange(grid, 8, {0}, {0})->scale[0], 1.0F);
    EXPECT_EQ(ParamsFromRange(grid, 8, {-1e-44F}, {1e-44F})->scale[0], 1.0F);
  }
  EXPECT_EQ(ParamsFromRange(Grid::kUnsigned, 8, {-3}, {-1})->scale[0], 1.0F);
}

TEST(ParamsFromRangeTest, HugeRangesStayFinite) {
  constexpr float kHuge = std::numeric_limits<float>::max();
  for (const Grid grid : kAllGrids) {
    for (const int bits : {2, 8, 16}) {
      const Result<QuantParams> params = ParamsFromRange(grid, bits, {-kHuge}, {kHuge});
      ASSERT_TRUE(params.ok()) << Name(grid) << " " << bits;
      EXPECT_TRUE(std::isfinite(params->scale[0]));
    }
  }
}

TEST(ParamsFromRangeTest, PerChannelTreatsEachChannelAlone) {
  const Result<QuantParams> params =
      ParamsFromRange(Grid::kAffine, 8, {-1, 0, -3}, {1, 2, 0}, Granularity::kPerChannel, 0);
  ASSERT_TRUE(params.ok());
  for (size_t c = 0; c < 3; ++c) {
    const std::vector<float> min = {-1, 0, -3};
    const std::vector<float> max = {1, 2, 0};
    const Result<QuantParams> alone = ParamsFromRange(Grid::kAffine, 8, {min[c]}, {max[c]});
    EXPECT_EQ(params->scale[c], alone->scale[0]);
    EXPECT_EQ(params->zero_point[c], alone->zero_point[0]);
  }
  EXPECT_EQ(params->axis, 0);
}

TEST(ParamsFromRangeTest, RefusesBadBitsAndBadRanges) {
  const float nan = std::nanf("");
  for (const int bits : {-1, 0, 1, 17}) {
    EXPECT_EQ(ParamsFromRange(Grid::kAffine, bits, {0}, {1}).error().message,
              "num_bits is " + std::to_string(bits) + "; it must lie in 2..16");
  }
  EXPECT_THAT(ParamsFromRange(Grid::kAffine, 8, {2}, {1}).error().message, HasSubstr("not a finite interval"));
  EXPECT_FALSE(ParamsFromRange(Grid::kAffine, 8, {nan}, {1}).ok());
  EXPECT_FALSE(ParamsFromRange(Grid::kAffine, 8, {0}, {nan}).ok());
  EXPECT_FALSE(ParamsFromRange(Grid::kAffine, 8, {0}, {INFINITY}).ok());
  EXPECT_FALSE(ParamsFromRange(Grid::kAffine, 8, {-INFINITY}, {0}).ok());
}

TEST(ValidateTest, AcceptsEveryGridAndRefusesEachBrokenPromise) {
  for (const Grid grid : kAllGrids) {
    EXPECT_TRUE(Validate(PerTensor(grid, 8, 0.1F)).ok()) << Name(grid);
  }
  auto message = [](const QuantParams& params) { return Validate(params).error().message; };
  EXPECT_THAT(message(PerTensor(Grid::kAffine, 1, 1)), HasSubstr("num_bits is 1"));
  EXPECT_THAT(message(PerTensor(Grid::kAffine, 17, 1)), HasSubstr("num_bits is 17"));
  for (const float scale : {0.0F, -1.0F, INFINITY, std::nanf("")}) {
    EXPECT_THAT(message(PerTensor(Grid::kAffine, 8, scale)), HasSubstr("scale 0 is not a positive finite number"));
  }
  EXPECT_THAT(message(PerTensor(Grid::kAffine, 4, 1, 16)), HasSubstr("zero point 16 is outside the affine grid"));
  EXPECT_THAT(message(PerTensor(Grid::kAffine, 4, 1, -1)), HasSubstr("zero point -1"));
  EXPECT_TRUE(Validate(PerTensor(Grid::kAffine, 4, 1, 15)).ok());
  for (const Grid grid : kAllGrids) {
    EXPECT_EQ(Validate(PerTensor(grid, 4, 1, 1)).ok(), grid == Grid::kAffine) << Name(grid);
  }
  EXPECT_THAT(message({Grid::kAffine, 8, Granularity::kPerTensor, -1, {1, 1}, {0, 0}}), HasSubstr("2 scale(s)"));
  EXPECT_THAT(message({Grid::kAffine, 8, Granularity::kPerTensor, 0, {1}, {0}}), HasSubstr("axis 0"));
  EXPECT_THAT(message({Grid::kAffine, 8, Granularity::kPerTensor, -1, {}, {}}), HasSubstr("0 scale(s)"));
  EXPECT_THAT(message({Grid::kAffine, 8, Granularity::kPerChannel, -1, {1}, {0}}), HasSubstr("axis -1"));
  EXPECT_THAT(message({Grid::kAffine, 8, Granularity::kPerChannel, 0, {}, {}}), HasSubstr("0 scale(s)"));
  EXPECT_THAT(message({Grid::kAffine, 8, Granularity::kPerChannel, 0, {1, 1}, {0}}),
              HasSubstr("2 scale(s) but 1 zero point(s)"));
  EXPECT_THAT(message({Grid::kAffine, 8, Granularity::kPerChannel, 0, {1, 0}, {0, 0}}), HasSubstr("scale 1"));
}

QuantParams Twin(Grid grid) {
  QuantParams params = PerTensor(grid, 4, 0.01F);
  params.second_scale = {0.1F};
  return params;
}

TEST(ValidateTest, TheGridsThatAreNotUniform) {
  for (const Grid grid : {Grid::kLog2, Grid::kLogSqrt2}) {
    EXPECT_TRUE(SimulatedOnly(grid));
    EXPECT_TRUE(Validate(PerTensor(grid, 4, 1)).ok());
    EXPECT_FALSE(Validate(PerTensor(grid, 4, 1, 1)).ok()) << "a zero point";
    EXPECT_FALSE(Validate({grid, 4, Granularity::kPerChannel, 0, {1, 1}, {0, 0}}).ok());
  }
  for (const Grid grid : {Grid::kTwinSigned, Grid::kTwinSoftmax}) {
    EXPECT_TRUE(SimulatedOnly(grid));
    EXPECT_TRUE(Validate(Twin(grid)).ok());
    EXPECT_FALSE(Validate(PerTensor(grid, 4, 1)).ok()) << "no second scale";
    QuantParams params = Twin(grid);
    params.second_scale = {0};
    EXPECT_FALSE(Validate(params).ok());
    EXPECT_FALSE(ParamsFromRange(grid, 4, {-1}, {1}).ok());
  }
  QuantParams uniform = PerTensor(Grid::kAffine, 4, 1);
  uniform.second_scale = {1};
  EXPECT_FALSE(Validate(uniform).ok());
  for (const Grid grid : kAllGrids) {
    EXPECT_FALSE(SimulatedOnly(grid)) << Name(grid);
  }
}

TEST(ValidateTest, BitsAndCorrectionsOfChannels) {
  const QuantParams rows{Grid::kAffine, 4, Granularity::kPerChannel, 0, {1, 1}, {0, 0}};
  const auto message = [&](const std::vector<int32_t>& bits, const std::vector<float>& correction) {
    QuantParams params = rows;
    params.channel_bits = bits;
    params.correction = correction;
    const Status valid = Validate(params);
    return valid.ok() ? "" : valid.error().message;
  };
  EXPECT_EQ(message({0, 16}, {-1, 0.5F}), "");
  EXPECT_THAT(message({4}, {}), HasSubstr("bits of 1 channel"));
  EXPECT_THAT(message({4, 17}, {}), HasSubstr("17 bits"));
  EXPECT_THAT(message({-1, 4}, {}), HasSubstr("-1 bits"));
  EXPECT_THAT(message({}, {1}), HasSubstr("as many corrections"));
  EXPECT_THAT(message({}, {1, INFINITY}), HasSubstr("not a finite number"));
  QuantParams tensor = PerTensor(Grid::kAffine, 4, 1);
  tensor.channel_bits = {4};
  EXPECT_FALSE(Validate(tensor).ok()) << "bits of a channel, per tensor";
  QuantParams narrow = rows;
  narrow.zero_point = {0, 3};
  narrow.channel_bits = {4, 1};
  EXPECT_THAT(Validate(narrow).error().message, HasSubstr("zero point 3 is outside"));
}

TEST(GridTest, CodesOfAChannelFollowItsBits) {
  QuantParams params{Grid::kAffine, 4, Granularity::kPerChannel, 0, {1, 1, 1, 1}, {0, 0, 0, 0}};
  EXPECT_EQ(Codes(params, 2).qmax, 15);
  params.channel_bits = {0, 1, 2, 8};
  const int32_t affine[] = {0, 1, 3, 255};
  for (int c = 0; c < 4; ++c) {
    EXPECT_EQ(Codes(params, c).qmin, 0);
    EXPECT_EQ(Codes(params, c).qmax, affine[c]);
  }
  params.grid = Grid::kSymmetricRestricted;
  const int32_t restricted[] = {0, 0, 1, 127};
  for (int c = 0; c < 4; ++c) {
    EXPECT_EQ(Codes(params, c).qmin, -restricted[c]);
    EXPECT_EQ(Codes(params, c).qmax, restricted[c]);
  }
}

TEST(QuantParamsTest, EqualityComparesEveryField) {
  const QuantParams params = PerTensor(Grid::kAffine, 8, 0.5F, 3);
  EXPECT_TRUE(params == params);
  QuantParams other = params;
  other.grid = Grid::kUnsigned;
  EXPECT_FALSE(params == other);
  other = params;
  other.num_bits = 7;
  EXPECT_FALSE(params == other);
  other = params;
  other.granularity = Granularity::kPerChannel;
  EXPECT_FALSE(params == other);
  other = params;
  other.axis = 0;
  EXPECT_FALSE(params == other);
  other = params;
  other.scale = {0.25F};
  EXPECT_FALSE(params == other);
  other = params;
  other.second_scale = {1};
  EXPECT_FALSE(params == other);
  other = params;
  other.channel_bits = {8};
  EXPECT_FALSE(params == other);
  other = params;
  other.correction = {0};
  EXPECT_FALSE(params == other);
  other = params;
  other.zero_point = {4};
  EXPECT_FALSE(params == other);
}

}  // namespace
}  // namespace ptq::quant
