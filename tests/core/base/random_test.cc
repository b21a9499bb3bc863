#include "core/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace ptq {
namespace {

std::vector<uint64_t> Take(RandomStream stream, int count) {
  std::vector<uint64_t> bits;
  for (int i = 0; i < count; ++i) {
    bits.push_back(stream.NextU64());
  }
  return bits;
}

// The frozen bits.  Made by a second implementation in Python: key = mix(mix(seed + g) ^ fnv1a64(name)) and
// n-th number = mix(key + n * g), g = 0x9e3779b97f4a7c15, mix = the SplitMix64 finaliser, n from 1, all modulo 2^64.
TEST(RandomStreamTest, BitsAreFrozen) {
  EXPECT_EQ(Take(RandomStream(0, ""), 3),
            (std::vector<uint64_t>{0x0d7293fe83b1a2bcULL, 0x764ede80904bee69ULL, 0xd63b152c4e5372cdULL}));
  EXPECT_EQ(Take(RandomStream(1, "calibration_sample"), 3),
            (std::vector<uint64_t>{0x395e18ffef058d67ULL, 0xc889e105931a4a3eULL, 0xeb8161f6ec858e81ULL}));
  EXPECT_EQ(Take(RandomStream(UINT64_MAX, "reservoir/blocks.3.mlp.fc2.left"), 3),
            (std::vector<uint64_t>{0x7af7019215e4a9daULL, 0xb48546fbc0dd2941ULL, 0x4b4ce76c5b8b8cf1ULL}));
  EXPECT_EQ(Take(RandomStream(1, "calibration_sample"), 1000).back(), 0xb4387512fa336c3dULL);
}

TEST(RandomStreamTest, DerivedNumbersAreFrozen) {
  RandomStream below(7, "sample");
  for (const uint64_t expected : {364, 697, 169, 299, 730}) {
    EXPECT_EQ(below.NextBelow(1000), expected);
  }
  RandomStream real(7, "double");
  EXPECT_EQ(real.NextDouble(), 0.09246965631876669);
  EXPECT_EQ(real.NextDouble(), 0.7007710713677895);
  RandomStream normal(7, "normal");
  EXPECT_NEAR(normal.NextNormal(), -0.7046381904592671, 1e-15);  // log and cos may differ by an ulp between libraries
}

TEST(RandomStreamTest, SamplingIsFrozen) {
  RandomStream stream(7, "pick");
  EXPECT_EQ(SampleWithoutReplacement(stream, 1000, 8), (std::vector<int64_t>{10, 115, 116, 315, 459, 763, 792, 970}));
}

TEST(RandomStreamTest, ChildrenAreFrozenAndDoNotAdvanceTheParent) {
  RandomStream parent(1, "calibration_sample");
  const std::vector<uint64_t> expected = {0x257649af5f614380ULL, 0x20c7aa00d4af73d4ULL, 0x3ea624e78a835c1eULL};
  EXPECT_EQ(Take(parent.Child("part"), 3), expected);
  EXPECT_EQ(parent.NextU64(), 0x395e18ffef058d67ULL);
  EXPECT_EQ(Take(parent.Child("part"), 3), expected) << "a child must not depend on how far its parent is";
}

TEST(RandomStreamTest, SeedsNamesAndPathsGiveUnrelatedStreams) {
  const RandomStream root(1, "a");
  std::set<uint64_t> seen;
  int64_t numbers = 0;
  for (const RandomStream& stream :
       {RandomStream(1, "a"), RandomStream(2, "a"), RandomStream(1, "b"), RandomStream(1, "ab"), root.Child("b"),
        root.Child("c"), root.Child("b").Child("c"), root.Child("c").Child("b")}) {
    for (const uint64_t bits : Take(stream, 1000)) {
      seen.insert(bits);
      ++numbers;
    }
  }
  EXPECT_EQ(static_cast<int64_t>(seen.size()), numbers);
}

// Correlation of two independent uniform streams of n numbers has standard deviation 1/sqrt(n); 5 of them allowed.
TEST(RandomStreamTest, ParentAndChildAreUncorrelated) {
  constexpr int kCount = 100000;
  RandomStream parent(3, "parent");
  RandomStream child = parent.Child("child");
  double sum = 0;
  for (int i = 0; i < kCount; ++i) {
    sum += (parent.NextDouble() - 0.5) * (child.NextDouble() - 0.5) * 12;
  }
  EXPECT_LT(std::abs(sum / kCount), 5 / std::sqrt(kCount));
}

// Chi-square over 16 cells, 15 degrees of freedom: 50 is exceeded with probability 1e-5.
TEST(RandomStreamTest, UniformInEveryNibbleAndBelow) {
  constexpr int kCount = 64000;
  for (int shift = 0; shift < 64; shift += 4) {
    RandomStream stream(5, "nibbles");
    std::vector<double> cells(16, 0);
    for (int i = 0; i < kCount; ++i) {
      ++cells[(stream.NextU64() >> shift) & 15];
    }
    double chi2 = 0;
    for (const double n : cells) {
      chi2 += (n - kCount / 16.0) * (n - kCount / 16.0) / (kCount / 16.0);
    }
    EXPECT_LT(chi2, 50) << "bits from " << shift;
  }
  RandomStream stream(5, "below");
  std::vector<double> cells(16, 0);
  for (int i = 0; i < kCount; ++i) {
    const uint64_t n = stream.NextBelow(48);
    ASSERT_LT(n, 48U);
    ++cells[n / 3];
  }
  double chi2 = 0;
  for (const double n : cells) {
    chi2 += (n - kCount / 16.0) * (n - kCount / 16.0) / (kCount / 16.0);
  }
  EXPECT_LT(chi2, 50);
}

// A bound of 3 * 2^62 would show modulo bias: the lowest third would come up half of the time instead of a third.
TEST(RandomStreamTest, NextBelowHasNoModuloBias) {
  constexpr uint64_t kThird = uint64_t{1} << 62;
  constexpr int kCount = 30000;
  RandomStream stream(5, "bias");
  int lowest = 0;
  for (int i = 0; i < kCount; ++i) {
    lowest += stream.NextBelow(3 * kThird) < kThird ? 1 : 0;
  }
  EXPECT_NEAR(lowest, kCount / 3.0, 5 * std::sqrt(kCount * 2.0 / 9));
}

TEST(RandomStreamTest, NextBelowOneIsZero) {
  RandomStream stream(5, "one");
  EXPECT_EQ(stream.NextBelow(1), 0U);
}

// Five standard errors on mean, variance and fourth moment of 10^5 normals.
TEST(RandomStreamTest, NormalMoments) {
  constexpr int kCount = 100000;
  RandomStream stream(5, "normal");
  double m1 = 0;
  double m2 = 0;
  double m4 = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = stream.NextNormal();
    m1 += x / kCount;
    m2 += x * x / kCount;
    m4 += x * x * x * x / kCount;
  }
  EXPECT_NEAR(m1, 0, 5 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(m2, 1, 5 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(m4, 3, 5 * std::sqrt(96.0 / kCount));
}

TEST(SampleWithoutReplacementTest, DistinctAscendingAndInRange) {
  RandomStream stream(9, "pick");
  for (const int64_t count : {0, 1, 7, 99, 100}) {
    const std::vector<int64_t> picked = SampleWithoutReplacement(stream, 100, count);
    ASSERT_EQ(static_cast<int64_t>(picked.size()), count);
    EXPECT_TRUE(std::is_sorted(picked.begin(), picked.end()));
    EXPECT_EQ(std::set<int64_t>(picked.begin(), picked.end()).size(), picked.size());
    EXPECT_TRUE(picked.empty() || (picked.front() >= 0 && picked.back() < 100));
  }
}

// Each index is in a sample of 3 of 10 with probability 0.3; five standard deviations allowed.
TEST(SampleWithoutReplacementTest, EveryIndexIsEquallyLikely) {
  constexpr int kTrials = 20000;
  RandomStream stream(9, "fair");
  std::vector<int> hits(10, 0);
  for (int t = 0; t < kTrials; ++t) {
    for (const int64_t index : SampleWithoutReplacement(stream, 10, 3)) {
      ++hits[index];
    }
  }
  for (const int n : hits) {
    EXPECT_NEAR(n, 0.3 * kTrials, 5 * std::sqrt(kTrials * 0.3 * 0.7));
  }
}

TEST(RandomStreamDeathTest, ImpossibleRequestsAbort) {
  RandomStream stream(1, "x");
  EXPECT_DEATH(stream.NextBelow(0), "check failed: bound > 0");
  EXPECT_DEATH(SampleWithoutReplacement(stream, 3, 4), "4 of 3");
}

}  // namespace
}  // namespace ptq
