#include "core/quant/int16_accumulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace ptq::quant {
namespace {

CodeRange Restricted(int bits) { return Codes(Grid::kSymmetricRestricted, bits); }

// floor(32767 / q^2) for q = 2^(b-1) - 1.
TEST(MaxInt16ProductsTest, OfRestrictedGrids) {
  const std::pair<int, int64_t> cases[] = {{8, 2}, {7, 8}, {6, 34}, {5, 145}, {4, 668}, {2, 32767}};
  for (const auto& [bits, most] : cases) {
    EXPECT_EQ(MaxInt16Products(Restricted(bits), Restricted(bits)), most) << bits;
  }
  EXPECT_EQ(MaxInt16Products(Restricted(8), Restricted(7)), 4);
  EXPECT_EQ(MaxInt16Products(Restricted(16), Restricted(8)), 0);
}

TEST(MaxInt16ProductsTest, TheMostNegativeCodeCostsOneProduct) {
  EXPECT_EQ(MaxInt16Products(Codes(Grid::kSymmetricFull, 7), Codes(Grid::kSymmetricFull, 7)), 7) << "8 * 4096 = 32768";
  EXPECT_EQ(MaxInt16Products(Codes(Grid::kSymmetricFull, 8), Codes(Grid::kSymmetricFull, 8)), 1);
  // -64 meets at most 63 here: 8 * 64 * 63 = 32256 fits.
  EXPECT_EQ(MaxInt16Products(Codes(Grid::kSymmetricFull, 7), Restricted(7)), 8);
  EXPECT_EQ(MaxInt16Products(Codes(Grid::kUnsigned, 7), Restricted(7)), 4);
}

// The largest depth never overflows at the worst codes, and the next one does.
TEST(MaxInt16ProductsTest, IsTheLargestDepthThatIsExact) {
  for (const Grid left_grid : {Grid::kSymmetricRestricted, Grid::kSymmetricFull, Grid::kUnsigned}) {
    for (int bits = 4; bits <= 8; ++bits) {
      const CodeRange left = Codes(left_grid, bits);
      const CodeRange right = Codes(Grid::kSymmetricFull, bits);
      const int64_t most = MaxInt16Products(left, right);
      bool next_fails = false;
      for (const int32_t l : {left.qmin, left.qmax}) {
        for (const int32_t r : {right.qmin, right.qmax}) {
          const std::vector<int32_t> lefts(most + 1, l), rights(most + 1, r);
          EXPECT_EQ(most == 0 ? 0 : DotInt16Spilled(lefts.data(), rights.data(), most, most), most * l * r);
          next_fails |= DotInt16Spilled(lefts.data(), rights.data(), most + 1, most + 1) != (most + 1) * l * r;
        }
      }
      EXPECT_TRUE(next_fails) << Name(left_grid) << " " << bits;
    }
  }
}

TEST(CheckInt16DepthTest, RejectsAGridWithMinus64ForEight) {
  EXPECT_TRUE(CheckInt16Depth(Restricted(7), Restricted(7), 8).ok());
  const CodeRange full = Codes(Grid::kSymmetricFull, 7);
  const Status refused = CheckInt16Depth(full, full, 8);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("holds 7 products of codes in -64..63"));
}

TEST(DotInt16SpilledTest, EightProductsOfSixtyThreeFitAndNineWrap) {
  const std::vector<int32_t> codes(4096, 63);
  EXPECT_EQ(DotInt16Spilled(codes.data(), codes.data(), 8, 8), 31752);
  EXPECT_EQ(DotInt16Spilled(codes.data(), codes.data(), 9, 9), 35721 - 65536);
  EXPECT_EQ(DotInt16Spilled(codes.data(), codes.data(), 9, 8), 35721);
  EXPECT_EQ(DotInt16Spilled(codes.data(), codes.data(), 4096, 8), 4096 * 63 * 63);
  EXPECT_EQ(DotInt16Spilled(codes.data(), codes.data(), 0, 8), 0);
}

// What an INT7 kernel computes is the 32-bit reference, bit for bit.
TEST(DotInt16SpilledTest, EqualsTheReferenceOnRandomCodes) {
  std::mt19937 random(7);
  std::uniform_int_distribution<int32_t> code(-63, 63);
  for (const int64_t size : {1, 7, 8, 9, 64, 197, 384, 4096}) {
    for (int round = 0; round < 20; ++round) {
      std::vector<int32_t> left(size), right(size);
      for (int64_t k = 0; k < size; ++k) {
        left[k] = code(random);
        right[k] = code(random);
      }
      const int32_t exact = DotInt32(left.data(), right.data(), size);
      for (const int64_t depth : {1, 3, 8}) {
        EXPECT_EQ(DotInt16Spilled(left.data(), right.data(), size, depth), exact);
      }
    }
  }
}

TEST(DotInt16SaturatingTest, SaturatesAndCounts) {
  const std::vector<int32_t> codes(64, 63), negative(64, -63);
  const SaturatedSum fits = DotInt16Saturating(codes.data(), codes.data(), 8, 8);
  EXPECT_EQ(fits.value, 31752);
  EXPECT_EQ(fits.overflows, 0);
  const SaturatedSum cut = DotInt16Saturating(codes.data(), codes.data(), 64, 8);
  EXPECT_EQ(cut.value, 32767);
  EXPECT_EQ(cut.overflows, 7);
  EXPECT_EQ(DotInt16Saturating(codes.data(), negative.data(), 64, 8).value, -32768);
}

// Codes near N(0, 21^2), as 7-bit codes of activations: P(|sum| > 32767) is 5.8 % at K = 1536 and 18 % at 3072, and a
// running sum leaves the range at least as often.
TEST(DotInt16SaturatingTest, IsNoChoiceForLongSums) {
  std::mt19937 random(11);
  std::normal_distribution<double> normal(0, 21);
  const auto code = [&] { return static_cast<int32_t>(std::clamp(std::nearbyint(normal(random)), -63.0, 63.0)); };
  constexpr int kSums = 2000;
  int wrong = 0;
  for (int i = 0; i < kSums; ++i) {
    std::vector<int32_t> left(3072), right(3072);
    for (size_t k = 0; k < left.size(); ++k) {
      left[k] = code();
      right[k] = code();
    }
    const SaturatedSum sum = DotInt16Saturating(left.data(), right.data(), 3072, 8);
    wrong += sum.overflows > 0 ? 1 : 0;
    EXPECT_EQ(DotInt16Spilled(left.data(), right.data(), 3072, 8), DotInt32(left.data(), right.data(), 3072));
  }
  EXPECT_GT(wrong, kSums * 0.15);
  EXPECT_LT(wrong, kSums * 0.45);
}

}  // namespace
}  // namespace ptq::quant
