#include "core/search/entropy_threshold.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>

namespace ptq::search {
namespace {

constexpr int64_t kBins = 2048;

double HalfNormal(double x) { return std::erf(x / std::sqrt(2.0)); }
double Exponential(double x) { return 1 - std::exp(-x); }

std::vector<int64_t> Counts(const std::function<double(double)>& cdf, double width, int64_t bins, double total = 1e7) {
  std::vector<int64_t> counts;
  for (int64_t i = 0; i < bins; ++i) {
    const double mass = cdf(width * static_cast<double>(i + 1)) - cdf(width * static_cast<double>(i));
    counts.push_back(std::llround(total * mass));
  }
  return counts;
}

int64_t Total(const std::vector<int64_t>& counts) { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); }

// KL(P || Q) as it is written, for one i and the floor variant.
double PlainDivergence(const std::vector<int64_t>& counts, int64_t i, int64_t groups, double eps) {
  std::vector<double> p(counts.begin(), counts.begin() + i), q(i, 0.0);
  for (size_t k = i; k < counts.size(); ++k) {
    p[i - 1] += static_cast<double>(counts[k]);
  }
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t begin = group * (i / groups);
    const int64_t end = group == groups - 1 ? i : begin + i / groups;
    double sum = 0, filled = 0;
    for (int64_t k = begin; k < end; ++k) {
      sum += static_cast<double>(counts[k]);
      filled += counts[k] != 0 ? 1 : 0;
    }
    for (int64_t k = begin; k < end; ++k) {
      q[k] = counts[k] != 0 ? sum / filled : 0;
    }
  }
  const auto smooth_and_normalize = [=](std::vector<double>& x) {
    double empty = 0, sum = 0;
    for (const double v : x) {
      empty += v == 0 ? 1 : 0;
    }
    for (double& v : x) {
      v = v == 0 ? eps : v - eps * empty / (static_cast<double>(x.size()) - empty);
      sum += v;
    }
    for (double& v : x) {
      v /= sum;
    }
  };
  smooth_and_normalize(p);
  smooth_and_normalize(q);
  double divergence = 0;
  for (int64_t k = 0; k < i; ++k) {
    divergence += p[k] * std::log(p[k] / q[k]);
  }
  return divergence;
}

struct Golden {
  const char* name;
  std::function<double(double)> cdf;
  double max;
  std::vector<int64_t> kept;  // bins, for L = 128, 64, 32, 16, 8
};

// Counts are round(1e7 * mass) of 2048 bins.  The bins kept by the floor variant come from an independent calculation
// in double precision of the definition in the header; times max / 2048 they are the thresholds 4.655, 4.497, 4.216,
// 3.888, 3.536; 4.597, 4.529, 4.216, 3.904, 3.533; 11.24, 9.84, 8.66, 7.38, 6.15.
const Golden kGoldens[] = {
    {"half-normal to 6 sigma", HalfNormal, 6, {1589, 1535, 1439, 1327, 1207}},
    {"half-normal to 5 sigma", HalfNormal, 5, {1883, 1855, 1727, 1599, 1447}},
    {"exponential to 15", Exponential, 15, {1535, 1343, 1183, 1007, 839}},
};

TEST(EntropyThresholdTest, GoldenThresholdsOfTheFloorVariant) {
  for (const Golden& golden : kGoldens) {
    const std::vector<int64_t> counts = Counts(golden.cdf, golden.max / kBins, kBins);
    int64_t groups = 128;
    for (const int64_t expected : golden.kept) {
      const EntropyThreshold found = FindEntropyThreshold(counts, groups, {});
      if (expected == 1589) {
        // Rounding leaves no count beyond bin 1583: from there to 1589 the divergence is the same to 1e-9 of itself,
        // and the last bits of a sum decide.
        EXPECT_EQ(std::accumulate(counts.begin() + 1583, counts.end(), int64_t{0}), 0);
        EXPECT_GE(found.kept_bins, 1583);
        EXPECT_LE(found.kept_bins, 1589);
        EXPECT_NEAR(found.divergence / PlainDivergence(counts, expected, groups, 1e-4), 1, 1e-8);
      } else {
        EXPECT_EQ(found.kept_bins, expected) << golden.name << ", L = " << groups;
      }
      groups /= 2;
    }
  }
}

TEST(EntropyThresholdTest, TheFractionalVariantIsNearTheFloorVariant) {
  for (const Golden& golden : kGoldens) {
    const std::vector<int64_t> counts = Counts(golden.cdf, golden.max / kBins, kBins);
    EntropyOptions options;
    options.merge = EntropyMerge::kFractional;
    int64_t groups = 128;
    for (const int64_t floor : golden.kept) {
      const auto found = static_cast<double>(FindEntropyThreshold(counts, groups, options).kept_bins);
      if (golden.max == 15 && groups == 128) {
        EXPECT_NEAR(found * golden.max / kBins, 10.80, 0.005);
      } else {
        EXPECT_NEAR(found / static_cast<double>(floor), 1, golden.max == 15 ? 0.0115 : 0.006)
            << golden.name << ", L = " << groups;
      }
      groups /= 2;
    }
  }
}

// With many empty bins, a few, and next to nothing else.
TEST(EntropyThresholdTest, TheDivergenceIsTheDefinition) {
  std::vector<int64_t> lonely(256, 0);
  lonely[3] = 40;
  lonely[77] = 9;
  lonely[255] = 1;
  for (const std::vector<int64_t>& counts :
       {Counts(HalfNormal, 6.0 / 256, 256, 3000), Counts(HalfNormal, 5.0 / 256, 256), lonely}) {
    for (const int64_t groups : {4, 8, 32, 100}) {
      const EntropyThreshold found = FindEntropyThreshold(counts, groups, {});
      double least = 1e30;
      int64_t best = 0;
      for (int64_t i = groups; i <= 256; ++i) {
        const bool nothing = std::accumulate(counts.begin(), counts.begin() + i, int64_t{0}) == 0;
        const double divergence = nothing ? 1e30 : PlainDivergence(counts, i, groups, 1e-4);
        if (divergence < least - 1e-12) {
          least = divergence;
          best = i;
        }
      }
      EXPECT_EQ(found.kept_bins, best) << groups;
      EXPECT_NEAR(found.divergence, least, 1e-11 + 1e-8 * least) << groups;
    }
  }
}

TEST(EntropyThresholdTest, AUniformHistogramIsNotClipped) {
  const std::vector<int64_t> counts(kBins, 1000);
  for (const EntropyMerge merge : {EntropyMerge::kFloor, EntropyMerge::kFractional}) {
    EntropyOptions options;
    options.merge = merge;
    for (const int64_t groups : {8, 16, 128, 1000}) {
      const EntropyThreshold found = FindEntropyThreshold(counts, groups, options);
      EXPECT_EQ(found.kept_bins, kBins);
      EXPECT_NEAR(found.divergence, 0, 1e-12);
    }
  }
  EXPECT_EQ(EntropyClip(counts, 1.0 / kBins, 1, 128, {}), 1.0);
}

TEST(EntropyThresholdTest, MoreLevelsKeepMore) {
  const std::vector<int64_t> counts = Counts(HalfNormal, 6.0 / kBins, kBins);
  int64_t last = 0;
  for (const int bits : {2, 3, 4, 5, 6, 7, 8}) {
    const int64_t kept =
        FindEntropyThreshold(counts, EntropyGroups(quant::Grid::kSymmetricRestricted, bits), {}).kept_bins;
    EXPECT_GT(kept, last) << bits;
    last = kept;
  }
  EXPECT_EQ(EntropyGroups(quant::Grid::kSymmetricFull, 4), 8);
  EXPECT_EQ(EntropyGroups(quant::Grid::kUnsigned, 4), 16);
}

TEST(EntropyThresholdTest, DegenerateHistogramsAreNotClipped) {
  std::vector<int64_t> counts(kBins, 0);
  EXPECT_EQ(FindEntropyThreshold(counts, 128, {}).kept_bins, kBins) << "no values";
  counts[kBins - 1] = 77;
  EXPECT_EQ(FindEntropyThreshold(counts, 128, {}).kept_bins, kBins) << "one value everywhere";
  EXPECT_EQ(FindEntropyThreshold(counts, kBins, {}).kept_bins, kBins) << "a level for every bin";
  EXPECT_EQ(FindEntropyThreshold(counts, 1 << 15, {}).kept_bins, kBins) << "more levels than bins";
  EXPECT_EQ(EntropyClip(counts, 0, 0, 128, {}), 0) << "zeros only";
}

TEST(EntropyThresholdTest, ZerosDominateUnlessTheirBinIsDropped) {
  std::vector<int64_t> counts = Counts(Exponential, 15.0 / kBins, kBins, 1e5);
  counts[0] += 100000000;
  EntropyOptions dropping;
  dropping.drop_zero_bin = true;
  const int64_t with_zeros = FindEntropyThreshold(counts, 8, {}).kept_bins;
  const int64_t without = FindEntropyThreshold(counts, 8, dropping).kept_bins;
  counts[0] = 0;
  EXPECT_EQ(without, FindEntropyThreshold(counts, 8, {}).kept_bins);
  EXPECT_NE(without, with_zeros);
}

TEST(RebinTest, CountsAreConservedForEveryMaximum) {
  const std::vector<int64_t> source = Counts(HalfNormal, 6.0 / 8192, 8192, 12345.0);
  int64_t last_filled = 8191;
  while (source[last_filled] == 0) {
    --last_filled;
  }
  for (int step = 0; step <= 40; ++step) {
    const double max = 6.0 / 8192 * (static_cast<double>(last_filled) + step / 40.0);  // inside the last filled bin
    for (const int64_t bins : {1, 7, 100, 2048, 4096}) {
      const std::vector<int64_t> rebinned = Rebin(source, 6.0 / 8192, max, bins);
      EXPECT_EQ(Total(rebinned), Total(source)) << max << " " << bins;
      for (const int64_t count : rebinned) {
        ASSERT_GE(count, 0);
      }
    }
  }
}

TEST(RebinTest, AMultipleOfTheWidthSumsWholeBins) {
  EXPECT_EQ(Rebin({1, 2, 3, 4, 5, 6}, 0.25, 1.5, 3), (std::vector<int64_t>{3, 7, 11}));
  EXPECT_EQ(Rebin({1, 2, 3, 4, 5, 6}, 0.25, 1.5, 6), (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
}

TEST(RebinTest, ABinOnABorderIsSharedInProportion) {
  // Edges at 1.5 and 3 of bins of width 1: half of the second bin's 10 falls on either side.
  EXPECT_EQ(Rebin({4, 10, 8}, 1, 3, 2), (std::vector<int64_t>{9, 13}));
  // max = 2.5: the last bin's values lie in 2..2.5; the edge at 1.25 takes a quarter of the second bin's 8.
  EXPECT_EQ(Rebin({4, 8, 6}, 1, 2.5, 2), (std::vector<int64_t>{6, 12}));
}

TEST(RebinTest, TheMaximumOnABinEdgeFallsIntoTheLastBin) {
  EXPECT_EQ(Rebin({4, 4, 1, 0}, 0.5, 1.0, 2), (std::vector<int64_t>{4, 5}));
}

// The threshold found from bins of any width is that of bins over 0..max; of so many values that rounding counts to
// integers does not matter.
TEST(RebinTest, KeepsTheThreshold) {
  for (const double top : {6.0, 7.3, 9.9, 11.9}) {  // of 8192 bins; max is 6
    const double width = top / 8192;
    const auto until_max = [](double x) { return HalfNormal(std::min(x, 6.0)); };
    const std::vector<int64_t> rebinned = Rebin(Counts(until_max, width, 8192, 1e13), width, 6.0, kBins);
    const std::vector<int64_t> direct = Counts(HalfNormal, 6.0 / kBins, kBins, 1e13);
    for (const int64_t groups : {8, 32, 128}) {
      const auto expected = static_cast<double>(FindEntropyThreshold(direct, groups, {}).kept_bins);
      const auto found = static_cast<double>(FindEntropyThreshold(rebinned, groups, {}).kept_bins);
      EXPECT_NEAR(found / expected, 1, 0.01) << top << ", L = " << groups;
    }
  }
}

TEST(EntropyClipTest, IsHalfABinBeyondAndNeverBeyondTheMaximum) {
  const std::vector<int64_t> counts = Counts(HalfNormal, 6.0 / kBins, kBins);
  const int64_t kept = FindEntropyThreshold(counts, 8, {}).kept_bins;
  EXPECT_DOUBLE_EQ(EntropyClip(counts, 6.0 / kBins, 6, 8, {}), (static_cast<double>(kept) + 0.5) * 6 / kBins);
  EXPECT_EQ(EntropyClip(counts, 6.0 / kBins, 6, 4096, {}), 6);
}

}  // namespace
}  // namespace ptq::search
