#include "baselines/bit_split/weight_codes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/random.h"

namespace ptq::bit_split {
namespace {

std::vector<float> RandomRow(int64_t size, uint64_t seed) {
  RandomStream stream(seed, "weight_codes_test");
  std::vector<float> row(size);
  for (float& w : row) {
    w = static_cast<float>(stream.NextNormal());
  }
  return row;
}

// The least squared error of any codes, each with its own best scale.
double BestOfAllCodes(const std::vector<float>& row, int bits) {
  const int32_t q = (1 << (bits - 1)) - 1;
  std::vector<int32_t> codes(row.size(), -q);
  double best = std::numeric_limits<double>::infinity();
  while (true) {
    double product = 0;
    double square = 0;
    for (size_t n = 0; n < row.size(); ++n) {
      product += static_cast<double>(row[n]) * codes[n];
      square += static_cast<double>(codes[n]) * codes[n];
    }
    best = std::min(best, SquaredError(row.data(), square > 0 ? product / square : 0, codes));
    size_t n = 0;
    while (n < codes.size() && codes[n] == q) {
      codes[n++] = -q;
    }
    if (n == codes.size()) {
      return best;
    }
    ++codes[n];
  }
}

// Specification: fwa gives [3, -2, 1, 0] with scale 4/14, and no other codes at 3 bits are better.
TEST(WeightCodesTest, TheFixedPointOfARowWorkedByHand) {
  const std::vector<float> row = {0.9F, -0.5F, 0.3F, 0.1F};
  const RowCodes found = FixedPointCodes(row.data(), 4, 3);
  EXPECT_EQ(found.codes, (std::vector<int32_t>{3, -2, 1, 0}));
  EXPECT_NEAR(found.scale, 0.285714, 1e-6);
  EXPECT_NEAR(SquaredError(row.data(), found.scale, found.codes), 0.0171429, 1e-7);
  EXPECT_NEAR(BestOfAllCodes(row, 3), 0.0171429, 1e-7);
}

TEST(WeightCodesTest, TheFixedPointIsOne) {
  for (int bits = kMinWeightBits; bits <= 16; ++bits) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const std::vector<float> row = RandomRow(57, seed);
      const RowCodes found = FixedPointCodes(row.data(), 57, bits);
      const int32_t q = (1 << (bits - 1)) - 1;
      double product = 0;
      double square = 0;
      for (size_t n = 0; n < row.size(); ++n) {
        const double nearest = std::nearbyint(row[n] / found.scale);
        EXPECT_EQ(found.codes[n], std::clamp<double>(nearest, -q, q));
        product += static_cast<double>(row[n]) * found.codes[n];
        square += static_cast<double>(found.codes[n]) * found.codes[n];
      }
      EXPECT_NEAR(found.scale, product / square, 1e-12 * found.scale);
    }
  }
}

TEST(WeightCodesTest, StitchingUndoesSplitting) {
  for (int bits = kMinWeightBits; bits <= 16; ++bits) {
    const int32_t q = (1 << (bits - 1)) - 1;
    std::vector<int32_t> codes;
    for (int32_t code = -q; code <= q; ++code) {
      codes.push_back(code);
    }
    const std::vector<int8_t> digits = Split(codes, bits);
    EXPECT_EQ(digits.size(), codes.size() * (bits - 1));
    EXPECT_TRUE(std::all_of(digits.begin(), digits.end(), [](int8_t digit) { return digit >= -1 && digit <= 1; }));
    EXPECT_EQ(Stitch(digits, bits), codes) << bits;
  }
}

// 5 = 4 + 1; planes of 4 bits weigh 4, 2, 1.  4 - 2 + 1 = 3 is the same as 2 + 1.
TEST(WeightCodesTest, PlanesAreOrderedFromTheMostSignificant) {
  EXPECT_EQ(Split({5, -3}, 4), (std::vector<int8_t>{1, 0, 0, -1, 1, -1}));
  EXPECT_EQ(Stitch({1, -1, 1}, 4), (std::vector<int32_t>{3}));
}

TEST(WeightCodesTest, RefiningNeverRaisesTheErrorAndSometimesLowersIt) {
  int lowered = 0;
  for (int bits = kMinWeightBits; bits <= 9; ++bits) {
    for (uint64_t seed = 0; seed < 40; ++seed) {
      const std::vector<float> row = RandomRow(23, 100 + seed);
      const RowCodes found = FixedPointCodes(row.data(), 23, bits);
      const double before = SquaredError(row.data(), found.scale, found.codes);
      const SplitRow split = QuantizeRow(row.data(), 23, bits);
      const double after = SquaredError(row.data(), split.scale, Stitch(split.digits, bits));
      EXPECT_LE(after, before * (1 + 1e-12));
      EXPECT_GT(split.scale, 0);
      lowered += after < before * (1 - 1e-9) ? 1 : 0;
    }
  }
  RecordProperty("lowered", lowered);
}

// A start that is no fixed point: digits that are far from the weight.
TEST(WeightCodesTest, RefiningMendsABadStart) {
  const std::vector<float> row = RandomRow(31, 5);
  SplitRow split{6, 0.01, Split(std::vector<int32_t>(31, 7), 6)};
  RefineOnWeights(row.data(), split);
  const double energy = SquaredError(row.data(), 0, std::vector<int32_t>(31, 0));
  EXPECT_LT(SquaredError(row.data(), split.scale, Stitch(split.digits, 6)), 0.02 * energy);
}

TEST(WeightCodesTest, RowsWithoutAScaleHaveCodesOfZero) {
  for (const float value : {0.0F, -0.0F, 1e-38F}) {
    const std::vector<float> row(5, value);
    const SplitRow split = QuantizeRow(row.data(), 5, 8);
    EXPECT_EQ(split.scale, 1);
    EXPECT_EQ(Stitch(split.digits, 8), std::vector<int32_t>(5, 0));
  }
}

}  // namespace
}  // namespace ptq::bit_split
