#include "baselines/aciq/row_bits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/random.h"

namespace ptq::baselines::aciq {
namespace {

using Bits = std::vector<int32_t>;

int64_t Sum(const Bits& bits) { return std::accumulate(bits.begin(), bits.end(), int64_t{0}); }

int64_t Bins(const Bits& bits) {
  int64_t bins = 0;
  for (const int32_t b : bits) {
    bins += int64_t{1} << b;
  }
  return bins;
}

double Loss(const std::vector<double>& spreads, const Bits& bits) {
  double loss = 0;
  for (size_t i = 0; i < bits.size(); ++i) {
    loss += spreads[i] * spreads[i] * std::ldexp(1.0 / 3, -2 * bits[i]);
  }
  return loss;
}

std::vector<double> RandomSpreads(int rows, double log_range, uint64_t seed) {
  RandomStream random(seed, "spreads");
  std::vector<double> spreads;
  for (int i = 0; i < rows; ++i) {
    spreads.push_back(std::exp(log_range * random.NextNormal()));
  }
  return spreads;
}

// Worked by hand: 32 bins in the proportion 8^(2/3) : 1 = 4 : 1.
TEST(AciqRowBitsTest, IdealBinsOfTwoRows) {
  const std::vector<double> bins = IdealBins({8, 1}, 4);
  EXPECT_NEAR(bins[0], 25.6, 1e-12);
  EXPECT_NEAR(bins[1], 6.4, 1e-12);
}

// 25.6 and 6.4 bins round to 5 and 3 bits: 4 on average, but 40 bins.  Under a quota of 32 bins both rows get 4: 5 bits
// would leave nothing for the other row.
TEST(AciqRowBitsTest, SharesByHand) {
  EXPECT_EQ(ShareBits({8, 1}, 4, Quota::kAverage), (Bits{5, 3}));
  EXPECT_EQ(ShareBits({8, 1}, 4, Quota::kBins), (Bits{4, 4}));
  EXPECT_EQ(ShareBits({1, 1}, 4, Quota::kAverage), (Bits{4, 4}));
  EXPECT_EQ(ShareBits({1, 1}, 4, Quota::kBins), (Bits{4, 4}));
  // The released code's loop cycles between means of 4.25 and 3.5 bits here and ends at 4.25.
  const Bits bits = ShareBits({27, 8, 1, 1}, 4, Quota::kAverage);
  EXPECT_EQ(Sum(bits), 16);
  EXPECT_EQ(bits, (Bits{7, 5, 2, 2}));
}

TEST(AciqRowBitsTest, TheQuotaIsNeverExceededAndUsedUp) {
  for (const int nominal : {1, 2, 3, 4, 6, 8}) {
    for (const double log_range : {0.1, 1.0, 3.0}) {
      const std::vector<double> spreads = RandomSpreads(97, log_range, static_cast<uint64_t>(nominal));
      const int64_t rows = 97;
      const Bits average = ShareBits(spreads, nominal, Quota::kAverage);
      EXPECT_LE(Sum(average), rows * nominal);
      const Bits bins = ShareBits(spreads, nominal, Quota::kBins);
      EXPECT_LE(Bins(bins), rows << nominal);
      EXPECT_LE(Sum(bins), rows * nominal) << "bins are a mean of 2^bits, so their bits cannot be more";
      const int32_t most = std::max(8, nominal + 4);
      for (const Bits& bits : {average, bins}) {
        EXPECT_GE(*std::min_element(bits.begin(), bits.end()), 0);
        EXPECT_LE(*std::max_element(bits.begin(), bits.end()), most);
      }
      if (*std::max_element(average.begin(), average.end()) < most) {
        EXPECT_EQ(Sum(average), rows * nominal);
      }
    }
  }
}

TEST(AciqRowBitsTest, ScalingAllSpreadsChangesNothing) {
  const std::vector<double> spreads = RandomSpreads(64, 1, 3);
  for (const double factor : {1e-6, 0.3, 4096.0}) {
    std::vector<double> scaled = spreads;
    for (double& spread : scaled) {
      spread *= factor;
    }
    for (const Quota quota : {Quota::kBins, Quota::kAverage}) {
      EXPECT_EQ(ShareBits(scaled, 4, quota), ShareBits(spreads, 4, quota)) << factor;
    }
  }
}

TEST(AciqRowBitsTest, NoRowHasFewerBitsThanTheFloorOfItsIdealBins) {
  const std::vector<double> spreads = RandomSpreads(200, 0.5, 4);
  const std::vector<double> ideal = IdealBins(spreads, 4);
  const Bits bits = ShareBits(spreads, 4, Quota::kBins);
  for (size_t i = 0; i < bits.size(); ++i) {
    EXPECT_GE(bits[i], static_cast<int32_t>(std::floor(std::log2(ideal[i])))) << i;
  }
}

// All shares of 4 rows with 0..8 bits.
TEST(AciqRowBitsTest, TheAverageQuotaIsSharedAsWellAsAnyoneCould) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const std::vector<double> spreads = RandomSpreads(4, 1.5, seed);
    const double found = Loss(spreads, ShareBits(spreads, 3, Quota::kAverage));
    double best = HUGE_VAL;
    for (int code = 0; code < 9 * 9 * 9 * 9; ++code) {
      const Bits bits = {code % 9, code / 9 % 9, code / 81 % 9, code / 729};
      if (Sum(bits) <= 12) {
        best = std::min(best, Loss(spreads, bits));
      }
    }
    EXPECT_NEAR(found, best, 1e-12 * best) << seed;
  }
}

TEST(AciqRowBitsTest, BothQuotasLoseLessThanEqualBits) {
  const std::vector<double> spreads = RandomSpreads(300, 1, 5);
  const double equal = Loss(spreads, Bits(300, 4));
  EXPECT_LT(Loss(spreads, ShareBits(spreads, 4, Quota::kAverage)), 0.7 * equal);
  EXPECT_LT(Loss(spreads, ShareBits(spreads, 4, Quota::kBins)), 0.9 * equal);
}

TEST(AciqRowBitsTest, RowsWithoutSpreadGetNothing) {
  EXPECT_EQ(ShareBits({1, 0, 1, 0}, 2, Quota::kAverage), (Bits{4, 0, 4, 0}));
  EXPECT_EQ(ShareBits({0, 0}, 4, Quota::kBins), (Bits{4, 4}));
}

}  // namespace
}  // namespace ptq::baselines::aciq
