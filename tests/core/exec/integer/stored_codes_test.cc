#include "core/exec/integer/stored_codes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "core/quant/reference.h"
#include "tests/core/exec/integer/kernel_cases.h"

namespace ptq::exec {
namespace {

using quant::Grid;
using quant::QuantParams;

constexpr Grid kUniform[] = {Grid::kSymmetricRestricted, Grid::kSymmetricFull, Grid::kUnsigned, Grid::kAffine,
                             Grid::kSymmetricHalf};

struct Scheme {
  Grid grid;
  int bits;
  bool per_channel;
};

constexpr int64_t kChannels = 5;

// Scales that are no powers of two, and on the affine grid zero points at both ends and between.
QuantParams Params(const Scheme& scheme) {
  QuantParams params;
  params.grid = scheme.grid;
  params.num_bits = scheme.bits;
  params.granularity = scheme.per_channel ? quant::Granularity::kPerChannel : quant::Granularity::kPerTensor;
  params.axis = scheme.per_channel ? 0 : -1;
  const int32_t qmax = quant::Codes(scheme.grid, scheme.bits).qmax;
  const int32_t zeros[kChannels] = {qmax / 3, 0, qmax, 1, qmax - 1};
  for (int64_t c = 0; c < (scheme.per_channel ? kChannels : 1); ++c) {
    params.scale.push_back(0.0137F * static_cast<float>(c * c + 1));
    params.zero_point.push_back(scheme.grid == Grid::kAffine ? zeros[c] : 0);
  }
  EXPECT_TRUE(quant::Validate(params).ok());
  return params;
}

class StoredCodesTest : public ::testing::TestWithParam<std::tuple<Grid, int, bool>> {
 protected:
  QuantParams params() const {
    return Params({std::get<0>(GetParam()), std::get<1>(GetParam()), std::get<2>(GetParam())});
  }
};

std::string SchemeName(const ::testing::TestParamInfo<StoredCodesTest::ParamType>& info) {
  return std::string(Name(std::get<0>(info.param))) + "_" + std::to_string(std::get<1>(info.param)) +
         (std::get<2>(info.param) ? "_per_channel" : "_per_tensor");
}

// Codes `first`..qmax of a channel as bytes from `least` to `most`: the values that the reference has, and its codes of
// values of every third of a step, ties left out (the map multiplies where the reference divides).
void ExpectStored(const QuantParams& params, const std::vector<StoredActivation>& stored, int least, int most,
                  bool non_negative) {
  ASSERT_EQ(stored.size(), params.scale.size());
  for (size_t c = 0; c < stored.size(); ++c) {
    const auto channel = static_cast<int64_t>(c);
    const auto [scale, zero, map] = stored[c];
    const quant::CodeRange range = quant::Codes(params, channel);
    const int32_t zero_point = params.zero_point[c],
                  first = non_negative ? std::max(zero_point, range.qmin) : range.qmin;
    EXPECT_EQ(map.low, first - zero_point);
    EXPECT_EQ(map.high, range.qmax - zero_point);
    EXPECT_GE(map.low + map.zero, least);
    EXPECT_LE(map.high + map.zero, most);
    for (int32_t code = first; code <= range.qmax; ++code) {
      const int32_t byte = code - zero_point + map.zero;
      const float value = quant::DequantizeScalar(code, params, channel);
      ASSERT_EQ(scale * (static_cast<float>(byte) - zero), value) << "channel " << c << ", code " << code;
      for (const float steps : {-1.0F / 3, 0.0F, 1.0F / 3}) {
        const float x = value + steps * scale;
        uint8_t out = 0;
        CodeMap shifted = map;  // bytes from 0 on, whatever the sign
        shifted.zero = -map.low;
        KernelsFor(InstructionSet::kScalar).quantize_unsigned(&x, 1, shifted, &out);
        ASSERT_EQ(out + map.low + zero_point, std::max(first, quant::QuantizeScalar(x, params, channel)))
            << "channel " << c << ", " << x;
      }
    }
  }
}

TEST_P(StoredCodesTest, UnsignedBytesHaveTheReferencesValues) {
  const QuantParams p = params();
  ASSERT_TRUE(FitsBytes(p));
  const std::vector<StoredActivation> stored = StoreUnsigned(p);
  ExpectStored(p, stored, 0, 255, false);
  for (const StoredActivation& channel : stored) {
    EXPECT_EQ(channel.map.low + channel.map.zero, 0);
  }
}

TEST_P(StoredCodesTest, SignedBytesHaveTheReferencesValues) {
  const QuantParams p = params();
  const std::vector<StoredActivation> stored = StoreSigned(p);
  ExpectStored(p, stored, -128, 127, false);
  const int32_t shift = quant::Codes(p, 0).qmax > 127 ? -128 : 0;
  for (size_t c = 0; c < stored.size(); ++c) {
    EXPECT_EQ(stored[c].map.zero, p.zero_point[c] + shift);
  }
}

TEST_P(StoredCodesTest, NonNegativeBytesHaveTheReferencesValues) {
  const QuantParams p = params();
  const std::vector<StoredActivation> stored = StoreNonNegative(p);
  ExpectStored(p, stored, 0, 255, true);
  for (const StoredActivation& channel : stored) {
    EXPECT_EQ(channel.map.zero, 0);
    EXPECT_EQ(channel.zero, -quant::LevelOffset(p.grid));
  }
}

TEST_P(StoredCodesTest, WeightsHaveTheReferencesValuesAndTheirSums) {
  for (const bool corrected : {false, true}) {
    QuantParams p = params();
    for (size_t c = 0; corrected && c < p.scale.size(); ++c) {
      p.correction.push_back(0.3F - 0.171F * static_cast<float>(c));
    }
    const quant::CodeRange range = quant::Codes(p, 0);
    const int64_t inner = range.qmax - range.qmin + 1;
    std::vector<int32_t> codes(kChannels * inner);
    for (int64_t i = 0; i < kChannels * inner; ++i) {
      codes[i] = range.qmin + static_cast<int32_t>((i % inner + i / inner) % inner);  // every code in each row
    }
    const int64_t used = inner - 1;  // of the last row one less, so that sums differ
    std::vector<int32_t> cut(codes.begin(), codes.begin() + kChannels * used);
    const StoredWeight stored = StoreWeight(p, cut.data(), kChannels, used);
    ASSERT_EQ(stored.codes.size(), cut.size());
    for (const size_t size : {stored.scale.size(), stored.zero.size(), stored.correction.size(), stored.sums.size()}) {
      ASSERT_EQ(size, static_cast<size_t>(kChannels));
    }
    for (int64_t row = 0; row < kChannels; ++row) {
      int32_t sum = 0;
      for (int64_t k = row * used; k < (row + 1) * used; ++k) {
        const float level = static_cast<float>(stored.codes[k]) - stored.zero[row];
        ASSERT_EQ(std::fma(stored.scale[row], level, stored.correction[row]),
                  quant::DequantizeScalar(cut[k], p, p.scale.size() == 1 ? 0 : row))
            << row << " " << k;
        sum += stored.codes[k];
      }
      EXPECT_EQ(stored.sums[row], sum);
    }
  }
}

// Between the levels, on them, at and around ties, and far outside.
TEST_P(StoredCodesTest, FakeQuantizesAsTheReference) {
  for (const bool corrected : {false, true}) {
    QuantParams p = params();
    for (size_t c = 0; corrected && c < p.scale.size(); ++c) {
      p.correction.push_back(0.3F - 0.171F * static_cast<float>(c));
    }
    for (size_t c = 0; c < p.scale.size(); ++c) {
      std::vector<float> x = {
          3e38F,  -3e38F, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), 0.0F, -0.0F,
          1e-45F, -1e-45F};
      for (int i = -2400; i <= 2400; ++i) {
        const float at = p.scale[c] * (static_cast<float>(i) / 8);
        x.insert(x.end(), {at, std::nextafter(at, 1e9F), std::nextafter(at, -1e9F)});
      }
      std::vector<float> y = x;
      FakeQuantizeInPlace(p, static_cast<int64_t>(c), y.data(), static_cast<int64_t>(y.size()));
      for (size_t i = 0; i < x.size(); ++i) {
        ASSERT_EQ(y[i], quant::FakeQuantizeScalar(x[i], p, static_cast<int64_t>(c))) << "channel " << c << ", " << x[i];
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Schemes, StoredCodesTest,
                         ::testing::Combine(::testing::ValuesIn(kUniform), ::testing::Range(2, 9), ::testing::Bool()),
                         SchemeName);

TEST(FitsBytes, OnUniformGridsOfUpToEightBits) {
  for (const Grid grid : kUniform) {
    for (int bits = quant::kMinBits; bits <= quant::kMaxBits; ++bits) {
      EXPECT_EQ(FitsBytes(Params({grid, bits, false})), bits <= 8) << Name(grid) << " " << bits;
    }
  }
  for (const Grid grid : {Grid::kLog2, Grid::kLogSqrt2, Grid::kTwinSigned, Grid::kTwinSoftmax}) {
    QuantParams params;
    params.grid = grid;
    params.num_bits = 4;
    params.scale = {1};
    params.zero_point = {0};
    EXPECT_FALSE(FitsBytes(params)) << Name(grid);
  }
}

// Bits of each channel count in place of num_bits, to either side of eight.
TEST(FitsBytes, LooksAtTheBitsOfEveryChannel) {
  QuantParams params = Params({Grid::kUnsigned, 16, true});
  params.channel_bits = {8, 4, 2, 1, 0};
  EXPECT_TRUE(FitsBytes(params));
  params.num_bits = 8;
  params.channel_bits = {8, 4, 9, 1, 0};
  EXPECT_FALSE(FitsBytes(params));
}

// One channel above 127 shifts them all: a product has one kind of right operand.
TEST(StoredCodes, TakeChannelsOfDifferentBits) {
  for (const Grid grid : kUniform) {
    QuantParams params = Params({grid, 2, true});
    params.channel_bits = {2, 8, 3, 5, 0};
    params.zero_point.assign(kChannels, 0);
    ASSERT_TRUE(quant::Validate(params).ok());
    SCOPED_TRACE(Name(grid));
    ExpectStored(params, StoreUnsigned(params), 0, 255, false);
    ExpectStored(params, StoreSigned(params), -128, 127, false);
    ExpectStored(params, StoreNonNegative(params), 0, 255, true);
    std::vector<int32_t> codes;
    for (int64_t row = 0; row < kChannels; ++row) {
      codes.insert(codes.end(), {quant::Codes(params, row).qmin, quant::Codes(params, row).qmax});
    }
    const StoredWeight stored = StoreWeight(params, codes.data(), kChannels, 2);
    for (int64_t i = 0; i < 2 * kChannels; ++i) {
      EXPECT_EQ(stored.scale[i / 2] * (static_cast<float>(stored.codes[i]) - stored.zero[i / 2]),
                quant::DequantizeScalar(codes[i], params, i / 2));
    }
  }
}

TEST(StoredCodesDeathTest, RefuseWhatDoesNotFit) {
  const QuantParams wide = Params({Grid::kAffine, 9, false});
  const int32_t code = 0;
  EXPECT_DEATH(StoreUnsigned(wide), "FitsBytes");
  EXPECT_DEATH(StoreSigned(wide), "FitsBytes");
  EXPECT_DEATH(StoreNonNegative(wide), "FitsBytes");
  EXPECT_DEATH(StoreWeight(wide, &code, 1, 1), "FitsBytes");
  EXPECT_DEATH(StoreWeight(Params({Grid::kAffine, 8, true}), &code, 1, 1), "channels");
}

}  // namespace
}  // namespace ptq::exec
