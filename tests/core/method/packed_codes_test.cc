#include "core/method/packed_codes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/random.h"

namespace ptq::method {
namespace {

using quant::Grid;
using quant::QuantParams;
using ::testing::HasSubstr;

constexpr Grid kUniformGrids[] = {Grid::kSymmetricRestricted, Grid::kSymmetricFull, Grid::kUnsigned, Grid::kAffine,
                                  Grid::kSymmetricHalf};

QuantParams PerTensor(Grid grid, int bits) { return {grid, bits, quant::Granularity::kPerTensor, -1, {0.5F}, {0}}; }

QuantParams PerRow(Grid grid, std::vector<int32_t> channel_bits) {
  const size_t rows = channel_bits.size();
  QuantParams params = {
      grid, 4, quant::Granularity::kPerChannel, 0, std::vector<float>(rows, 0.5F), std::vector<int32_t>(rows, 0)};
  params.channel_bits = std::move(channel_bits);
  return params;
}

std::vector<std::byte> Bytes(const std::vector<int>& values) {
  std::vector<std::byte> bytes;
  for (const int value : values) {
    bytes.push_back(static_cast<std::byte>(value));
  }
  return bytes;
}

// Codes of the rows' ranges, the ends among them.
std::vector<int32_t> RandomCodes(const QuantParams& params, int64_t rows, int64_t row_elements, RandomStream& random) {
  std::vector<int32_t> codes;
  for (int64_t row = 0; row < rows; ++row) {
    const quant::CodeRange range = quant::Codes(params, params.granularity == quant::Granularity::kPerTensor ? 0 : row);
    for (int64_t i = 0; i < row_elements; ++i) {
      const uint64_t kind = random.NextBelow(8);
      const int64_t drawn = range.qmin + static_cast<int64_t>(random.NextBelow(range.qmax - range.qmin + 1));
      codes.push_back(static_cast<int32_t>(kind == 0 ? range.qmin : kind == 1 ? range.qmax : drawn));
    }
  }
  return codes;
}

// By hand: -4 + 4 = 0 = 000, 3 + 4 = 7 = 111, -1 + 4 = 3 = 011, written from the lowest bit of the first byte on:
// 11'111'000 and then the upper bit of 011, which is 0.
TEST(PackedCodes, LayoutIsLeastSignificantBitFirst) {
  const QuantParams params = PerTensor(Grid::kSymmetricFull, 3);
  EXPECT_EQ(PackCodes({-4, 3, -1}, params, 1).value(), Bytes({0xf8, 0x00}));
  EXPECT_EQ(UnpackCodes(Bytes({0xf8, 0x00}), params, 1, 3).value(), (std::vector<int32_t>{-4, 3, -1}));
  // Two 4-bit codes to a byte, the first in its lower half; rows are not aligned to bytes.
  EXPECT_EQ(PackCodes({1, 2, 3}, PerTensor(Grid::kUnsigned, 4), 3).value(), Bytes({0x21, 0x03}));
  // 16 bits, low byte first.
  EXPECT_EQ(PackCodes({-32768, 32767}, PerTensor(Grid::kSymmetricFull, 16), 1).value(), Bytes({0, 0, 0xff, 0xff}));
}

TEST(PackedCodes, RowsOfTheirOwnWidths) {
  const QuantParams params = PerRow(Grid::kAffine, {2, 0, 1, 16});
  EXPECT_EQ(RowBits(params, 1), 0);
  EXPECT_EQ(PackedBits(params, 4, 2), 38);
  const std::vector<int32_t> codes = {3, 1, 0, 0, 1, 0, 65535, 256};
  // 2 bits: 11, 01; 1 bit: 1, 0; so far 0b010111; then sixteen ones, then 256.
  const std::vector<std::byte> packed = PackCodes(codes, params, 4).value();
  EXPECT_EQ(packed, Bytes({0xd7, 0xff, 0x3f, 0x40, 0x00}));
  EXPECT_EQ(UnpackCodes(packed, params, 4, 2).value(), codes);
  EXPECT_TRUE(PackCodes({0, 0}, PerRow(Grid::kAffine, {0, 0}), 2).value().empty());
  EXPECT_EQ(UnpackCodes({}, PerRow(Grid::kAffine, {0, 0}), 2, 1).value(), (std::vector<int32_t>{0, 0}));
}

TEST(PackedCodes, EveryWidthAndGridComesBack) {
  RandomStream random(5, "packed_codes");
  for (const Grid grid : kUniformGrids) {
    for (int bits = quant::kMinBits; bits <= quant::kMaxBits; ++bits) {
      for (int repeat = 0; repeat < 8; ++repeat) {
        const QuantParams params = PerTensor(grid, bits);
        const auto rows = static_cast<int64_t>(1 + random.NextBelow(5));
        const auto row_elements = static_cast<int64_t>(random.NextBelow(70));
        const std::vector<int32_t> codes = RandomCodes(params, rows, row_elements, random);
        const std::vector<std::byte> packed = PackCodes(codes, params, rows).value();
        EXPECT_EQ(static_cast<int64_t>(packed.size()), (rows * row_elements * bits + 7) / 8);
        EXPECT_EQ(UnpackCodes(packed, params, rows, row_elements).value(), codes) << quant::Name(grid) << " " << bits;
      }
    }
  }
}

TEST(PackedCodes, EveryMixtureOfRowWidthsComesBack) {
  RandomStream random(6, "packed_codes");
  for (int repeat = 0; repeat < 400; ++repeat) {
    const Grid grid = kUniformGrids[random.NextBelow(std::size(kUniformGrids))];
    std::vector<int32_t> widths(1 + random.NextBelow(9));
    for (int32_t& width : widths) {
      width = static_cast<int32_t>(random.NextBelow(17));
    }
    const auto rows = static_cast<int64_t>(widths.size());
    const auto row_elements = static_cast<int64_t>(random.NextBelow(20));
    const QuantParams params = PerRow(grid, widths);
    const std::vector<int32_t> codes = RandomCodes(params, rows, row_elements, random);
    const std::vector<std::byte> packed = PackCodes(codes, params, rows).value();
    EXPECT_EQ(static_cast<int64_t>(packed.size()), (PackedBits(params, rows, row_elements) + 7) / 8);
    EXPECT_EQ(UnpackCodes(packed, params, rows, row_elements).value(), codes);
  }
}

// Whatever bytes are accepted, they are the bytes that their codes give: no two files hold the same weight.
TEST(PackedCodes, AcceptedBytesAreCanonical) {
  RandomStream random(7, "packed_codes");
  int accepted = 0;
  for (int repeat = 0; repeat < 3000; ++repeat) {
    const QuantParams params = PerTensor(kUniformGrids[random.NextBelow(std::size(kUniformGrids))],
                                         quant::kMinBits + static_cast<int>(random.NextBelow(15)));
    const auto row_elements = static_cast<int64_t>(1 + random.NextBelow(6));
    std::vector<std::byte> bytes((PackedBits(params, 1, row_elements) + 7) / 8);
    for (std::byte& byte : bytes) {
      byte = static_cast<std::byte>(random.NextU64() & 0xff);
    }
    const Result<std::vector<int32_t>> codes = UnpackCodes(bytes, params, 1, row_elements);
    if (codes.ok()) {
      ++accepted;
      EXPECT_EQ(PackCodes(*codes, params, 1).value(), bytes);
    } else {
      EXPECT_EQ(codes.error().code, ErrorCode::kCorrupt);
    }
  }
  EXPECT_GT(accepted, 300);
  EXPECT_LT(accepted, 2700);
}

TEST(PackedCodes, DamageIsNamed) {
  const QuantParams full = PerTensor(Grid::kSymmetricFull, 3);
  const Result<std::vector<int32_t>> few = UnpackCodes(Bytes({0xf8}), full, 1, 3);
  ASSERT_FALSE(few.ok());
  EXPECT_EQ(few.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(few.error().message, HasSubstr("are 1 bytes, the plan's widths need 2"));
  EXPECT_FALSE(UnpackCodes(Bytes({0xf8, 0, 0}), full, 1, 3).ok());
  EXPECT_FALSE(UnpackCodes(Bytes({0}), PerRow(Grid::kAffine, {0}), 1, 5).ok());
  for (const int fill : {0x02, 0x80}) {
    const Result<std::vector<int32_t>> filled = UnpackCodes(Bytes({0xf8, fill}), full, 1, 3);
    ASSERT_FALSE(filled.ok()) << fill;
    EXPECT_THAT(filled.error().message, HasSubstr("not all zero"));
  }
  // -3..3 leaves the pattern 7 unused.
  const Result<std::vector<int32_t>> above = UnpackCodes(Bytes({0x38}), PerTensor(Grid::kSymmetricRestricted, 3), 2, 1);
  ASSERT_FALSE(above.ok());
  EXPECT_THAT(above.error().message, HasSubstr("row 1 holds the code 4, its grid ends at 3"));
  EXPECT_FALSE(UnpackCodes(Bytes({1}), PerRow(Grid::kSymmetricFull, {1}), 1, 1).ok()) << "1 bit of a signed grid is 0";
}

TEST(PackedCodes, GridsOfSimulationAreRefused) {
  for (const Grid grid : {Grid::kLog2, Grid::kLogSqrt2, Grid::kTwinSigned, Grid::kTwinSoftmax}) {
    QuantParams params = PerTensor(grid, 4);
    params.second_scale = {1};
    const Result<std::vector<std::byte>> packed = PackCodes({0}, params, 1);
    ASSERT_FALSE(packed.ok());
    EXPECT_EQ(packed.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(packed.error().message, HasSubstr(quant::Name(grid)));
    EXPECT_FALSE(UnpackCodes(Bytes({0}), params, 1, 1).ok());
  }
}

TEST(PackedCodesDeathTest, ACodeOutsideTheRangeIsABug) {
  EXPECT_DEATH((void)PackCodes({4}, PerTensor(Grid::kSymmetricFull, 3), 1), "code 4 of row 0");
}

}  // namespace
}  // namespace ptq::method
