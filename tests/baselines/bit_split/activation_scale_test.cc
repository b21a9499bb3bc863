#include "baselines/bit_split/activation_scale.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "baselines/bit_split/weight_codes.h"
#include "core/base/random.h"

namespace ptq::bit_split {
namespace {

double SquaredError(const Magnitudes& x, double scale, int32_t max_code) {
  double error = 0;
  for (size_t i = 0; i < x.values.size(); ++i) {
    const double code = std::min<double>(std::nearbyint(x.values[i] / scale), max_code);
    error += x.counts[i] * (x.values[i] - scale * code) * (x.values[i] - scale * code);
  }
  return error;
}

// Same rule, same answer: the row of the specification for weights, 0.285714 at max_code 3.
TEST(ActivationScaleTest, IsTheRuleOfWeights) {
  const Magnitudes x{{0.9, 0.5, 0.3, 0.1}, {1, 1, 1, 1}, 0.9};
  EXPECT_NEAR(FixedPointScale(x, 3), 4.0 / 14, 1e-12);
  RandomStream stream(1, "activation_scale_test");
  std::vector<float> row;
  Magnitudes random;
  for (int i = 0; i < 300; ++i) {
    row.push_back(static_cast<float>(stream.NextNormal()));
    random.values.push_back(std::abs(row.back()));
    random.counts.push_back(1);
    random.bound = std::max(random.bound, random.values.back());
  }
  for (const int bits : {3, 4, 6, 8}) {
    EXPECT_NEAR(FixedPointScale(random, (1 << (bits - 1)) - 1), FixedPointCodes(row.data(), 300, bits).scale, 1e-12);
  }
}

TEST(ActivationScaleTest, CountsAreMultiplicities) {
  const Magnitudes counted{{0.3, 0.8, 2.0}, {3, 1, 2}, 2.0};
  const Magnitudes repeated{{0.3, 0.3, 0.3, 0.8, 2.0, 2.0}, {1, 1, 1, 1, 1, 1}, 2.0};
  EXPECT_NEAR(FixedPointScale(counted, 7), FixedPointScale(repeated, 7), 1e-15);
}

TEST(ActivationScaleTest, ZerosWeighNothing) {
  const Magnitudes without{{0.3, 0.8, 2.0}, {3, 1, 2}, 2.0};
  const Magnitudes with{{0.0, 0.3, 0.8, 2.0}, {1e6, 3, 1, 2}, 2.0};
  EXPECT_EQ(FixedPointScale(with, 7), FixedPointScale(without, 7));
}

// An outlier is clipped where that lowers the squared error, which never rises above that of the whole range.
TEST(ActivationScaleTest, NeverWorseThanTheWholeRange) {
  RandomStream stream(2, "activation_scale_test");
  Magnitudes x;
  for (int i = 0; i < 5000; ++i) {
    x.values.push_back(std::abs(stream.NextNormal()));
    x.counts.push_back(1);
  }
  x.values.push_back(10);
  x.counts.push_back(1);
  x.bound = 10;
  for (const int max_code : {1, 3, 7, 15, 31, 127, 255}) {
    const double scale = FixedPointScale(x, max_code);
    EXPECT_LE(SquaredError(x, scale, max_code), SquaredError(x, 10.0 / max_code, max_code) * (1 + 1e-12));
  }
  EXPECT_LT(FixedPointScale(x, 7), 10.0 / 7);
}

TEST(ActivationScaleTest, BinsStandForTheirCentresButNotBeyondTheBound) {
  const Magnitudes x = FromBins({4, 0, 2, 1}, 0.5, 1.6);
  EXPECT_EQ(x.values, (std::vector<double>{0.25, 1.25, 1.6}));
  EXPECT_EQ(x.counts, (std::vector<double>{4, 2, 1}));
  EXPECT_EQ(x.bound, 1.6);
}

TEST(ActivationScaleTest, NothingButZerosHasScaleOne) {
  EXPECT_EQ(FixedPointScale({}, 127), 1);
  EXPECT_EQ(FixedPointScale(FromBins({100, 0}, 0, 0), 127), 1);
}

}  // namespace
}  // namespace ptq::bit_split
