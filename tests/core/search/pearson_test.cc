#include "core/search/pearson.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/base/random.h"

namespace ptq::search {
namespace {

std::vector<float> Normal(int64_t count, const char* name, float mean = 0) {
  RandomStream random(1, name);
  std::vector<float> x(count);
  for (float& value : x) {
    value = mean + static_cast<float>(random.NextNormal());
  }
  return x;
}

// The correlation by sums over the error, as a search computes it.
double BySums(const std::vector<float>& o, const std::vector<float>& o_hat) {
  const auto count = static_cast<int64_t>(o.size());
  ErrorSums sums;
  for (int64_t i = 0; i < count; ++i) {
    const double e = static_cast<double>(o_hat[i]) - o[i];
    sums.e += e;
    sums.ee += e * e;
    sums.et += e * o[i];
  }
  return Pearson(MomentsOf(o.data(), 1, count, count), sums);
}

double Both(const std::vector<float>& o, const std::vector<float>& o_hat) {
  const double plain = PearsonPlain(o.data(), o_hat.data(), static_cast<int64_t>(o.size()));
  EXPECT_NEAR(BySums(o, o_hat), plain, 1e-12);
  return plain;
}

TEST(PearsonTest, IsOneForPositiveAffineCopiesAndMinusOneForNegativeOnes) {
  const std::vector<float> o = Normal(500, "o", 3);
  for (const float a : {0.25F, 1.0F, 4.0F}) {
    std::vector<float> copy = o, mirrored = o;
    for (size_t i = 0; i < o.size(); ++i) {
      copy[i] = a * o[i] + 2;
      mirrored[i] = -a * o[i] + 2;
    }
    EXPECT_NEAR(Both(o, copy), 1.0, 1e-12);
    EXPECT_NEAR(Both(o, mirrored), -1.0, 1e-12);
  }
}

TEST(PearsonTest, KnownValue) {
  // Times the count: covariance 1.75, variances 5 and 2.1875.
  EXPECT_NEAR(Both({1, 2, 3, 4}, {1, 3, 2, 2.5F}), 1.75 / std::sqrt(5.0 * 2.1875), 1e-9);
}

TEST(PearsonTest, WithoutVarianceOneIfEqualUpToAShiftElseZero) {
  const std::vector<float> flat(40, 2.5F), other(40, -7.0F);
  const std::vector<float> o = Normal(40, "o");
  EXPECT_EQ(Both(flat, flat), 1.0);
  EXPECT_EQ(Both(flat, other), 1.0);
  EXPECT_EQ(Both(flat, o), 0.0);
  EXPECT_EQ(Both(o, flat), 0.0);
  EXPECT_EQ(Both({1}, {3}), 1.0);
}

TEST(PearsonTest, TellsNearlyPerfectOutputsApart) {
  const std::vector<float> o = Normal(4000, "o");
  const std::vector<float> noise = Normal(4000, "noise");
  auto with_noise = [&](float size) {
    std::vector<float> o_hat = o;
    for (size_t i = 0; i < o.size(); ++i) {
      o_hat[i] += size * noise[i];
    }
    return BySums(o, o_hat);
  };
  EXPECT_GT(with_noise(1e-4F), with_noise(1.2e-4F));
  EXPECT_NEAR(1 - with_noise(1e-3F), 0.5e-6, 0.05e-6);
}

TEST(PearsonTest, JoinedMomentsAreThoseOfTheWhole) {
  const std::vector<float> x = Normal(300, "x", 10);
  const TargetMoments whole = MomentsOf(x.data(), 1, 300, 300);
  const TargetMoments joined = Join(MomentsOf(x.data(), 1, 100, 0), MomentsOf(x.data() + 100, 2, 100, 100));
  EXPECT_EQ(joined.count, whole.count);
  EXPECT_NEAR(joined.sum, whole.sum, 1e-9);
  EXPECT_NEAR(joined.deviation, whole.deviation, 1e-9);
  EXPECT_EQ(Join(TargetMoments(), whole).deviation, whole.deviation);
}

}  // namespace
}  // namespace ptq::search
