#include "core/calib/statistics.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "core/quant/range.h"
#include "tests/testing/tiny_model.h"

namespace ptq::calib {
namespace {

int64_t Sum(const std::vector<int64_t>& counts) { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); }

Histogram Of(const std::vector<float>& values) {
  Histogram histogram;
  histogram.Add(values.data(), static_cast<int64_t>(values.size()));
  return histogram;
}

std::vector<float> Normals(int count, double spread = 1) {
  RandomStream stream(1, "normals");
  std::vector<float> values(count);
  for (float& value : values) {
    value = static_cast<float>(spread * stream.NextNormal());
  }
  return values;
}

TEST(HistogramTest, BinsHoldWhatTheHeaderSays) {
  const std::vector<float> values = Normals(20000);
  const Histogram histogram = Of(values);
  std::vector<int64_t> expected(2 * Histogram::kBinsPerSide, 0);
  for (const float x : values) {
    ++expected[static_cast<int64_t>(std::floor(x / histogram.bin_width())) + Histogram::kBinsPerSide];
  }
  EXPECT_EQ(histogram.bins(), expected);
  EXPECT_EQ(histogram.count(), 20000);
  int exponent = 0;
  EXPECT_EQ(std::frexp(histogram.bin_width(), &exponent), 0.5) << "a power of two";
  EXPECT_EQ(Sum(histogram.AbsoluteBins()), 20000);
}

TEST(HistogramTest, CountsAreConservedUnderGrowth) {
  Histogram histogram;
  int64_t added = 0;
  for (int i = -40; i <= 40; ++i) {
    const std::vector<float> values = {std::ldexp(1.5F, i), -std::ldexp(1.25F, i), 0.0F, -0.0F};
    histogram.Add(values.data(), 4);
    added += 4;
    ASSERT_EQ(histogram.count(), added);
    ASSERT_EQ(Sum(histogram.bins()), added);
    ASSERT_EQ(Sum(histogram.AbsoluteBins()), added);
  }
}

TEST(HistogramTest, TheSameBinsWhateverTheBatchCutsAndTheOrder) {
  const std::vector<float> values = Normals(10007, 3);
  const Histogram whole = Of(values);
  for (const int64_t step : {1, 7, 1000, 10006}) {
    Histogram cut;
    for (int64_t begin = 0; begin < 10007; begin += step) {
      cut.Add(values.data() + begin, std::min<int64_t>(step, 10007 - begin));
    }
    EXPECT_EQ(cut.bins(), whole.bins()) << step;
    EXPECT_EQ(cut.bin_width(), whole.bin_width()) << step;
  }
  const Histogram reversed = Of({values.rbegin(), values.rend()});
  EXPECT_EQ(reversed.bins(), whole.bins());
}

// Repeated, since lost counts of a race between threads show only now and then.
TEST(HistogramTest, ThreadsDoNotChangeTheBins) {
  const std::vector<float> values = Normals(4 << 16);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Histogram one = Of(values);
  at::set_num_threads(4);
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(Of(values).bins(), one.bins()) << "repetition " << i;
  }
  at::set_num_threads(threads);
}

TEST(HistogramTest, ZerosAloneAndExtremes) {
  EXPECT_EQ(Of({0, -0.0F, 0}).Quantile(0.5), 0);
  EXPECT_EQ(Of({0, 0}).AbsoluteQuantile(1), 0);
  const Histogram tiny = Of({1e-45F, -1e-45F, 0});
  EXPECT_EQ(Sum(tiny.bins()), 3);
  const float huge = std::numeric_limits<float>::max();
  const Histogram wide = Of({huge, -huge, 1e-45F});
  EXPECT_EQ(Sum(wide.bins()), 3);
  EXPECT_NEAR(wide.Quantile(1), huge, wide.bin_width());
  Histogram zeros_first = Of({0, 0});
  const float one = 1;
  zeros_first.Add(&one, 1);
  EXPECT_EQ(zeros_first.bins(), Of({1, 0, 0}).bins());
}

void ExpectWithinABin(const std::vector<float>& values) {
  const Histogram histogram = Of(values);
  std::vector<float> sorted = values;
  std::vector<float> absolute = values;
  for (float& x : absolute) {
    x = std::abs(x);
  }
  for (const double p : {0.0, 1e-5, 0.001, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 0.99999, 1.0}) {
    EXPECT_NEAR(histogram.Quantile(p), quant::ExactQuantile(sorted, p), histogram.bin_width()) << p;
    EXPECT_NEAR(histogram.AbsoluteQuantile(p), quant::ExactQuantile(absolute, p), histogram.bin_width()) << p;
  }
}

TEST(HistogramTest, QuantilesAreWithinABinOfTheExactOnes) {
  ExpectWithinABin(Normals(100000));
  ExpectWithinABin(Normals(97, 1000));
  ExpectWithinABin({3});
  ExpectWithinABin({-2, -2, -2, 5});
}

// Between two far values the quantile was once the edge of the lower one's bin instead of a point between them.
TEST(HistogramTest, QuantilesInterpolateAcrossEmptyBins) {
  ExpectWithinABin({0, 100});
  ExpectWithinABin({-100, 1, 1, 2, 1000});
  EXPECT_NEAR(Of({0, 100}).Quantile(0.5), 50, 1.0 / 64);
}

TEST(HistogramTest, QuantilesRise) {
  const Histogram histogram = Of(Normals(500));
  double last = -INFINITY;
  for (int i = 0; i <= 5000; ++i) {
    const double quantile = histogram.Quantile(i / 5000.0);
    ASSERT_GE(quantile, last) << i;
    last = quantile;
  }
}

// Q_p(|x|) and the upper quantile of N(0, 1); five standard errors of the empirical quantile plus one bin.
TEST(HistogramTest, ClosedFormsOfTheNormal) {
  constexpr int kCount = 2000000;
  const Histogram histogram = Of(Normals(kCount));
  auto density = [](double x) { return std::exp(-x * x / 2) / std::sqrt(2 * M_PI); };
  const std::tuple<double, double, double> rows[] = {
      {0.99, 2.5758, 2.3263}, {0.999, 3.2905, 3.0902}, {0.9999, 3.8906, 3.7190}};
  for (const auto& [p, two_sided, upper] : rows) {
    const double spread = std::sqrt(p * (1 - p) / kCount);
    EXPECT_NEAR(histogram.AbsoluteQuantile(p), two_sided,
                5 * spread / (2 * density(two_sided)) + histogram.bin_width());
    EXPECT_NEAR(histogram.Quantile(p), upper, 5 * spread / density(upper) + histogram.bin_width());
  }
}

// Q_p(|x|) = ln(1/(1-p)) for Laplace(1).
TEST(HistogramTest, ClosedFormsOfLaplace) {
  constexpr int kCount = 2000000;
  RandomStream stream(1, "laplace");
  std::vector<float> values(kCount);
  for (float& value : values) {
    const double sign = stream.NextBelow(2) == 0 ? -1 : 1;
    value = static_cast<float>(-sign * std::log(1 - stream.NextDouble()));
  }
  const Histogram histogram = Of(values);
  for (const double p : {0.99, 0.999, 0.9999}) {
    const double error = std::sqrt(p * (1 - p) / kCount) / (1 - p);
    EXPECT_NEAR(histogram.AbsoluteQuantile(p), -std::log(1 - p), 5 * error + histogram.bin_width()) << p;
  }
}

TEST(ReservoirTest, KeepsEverythingThatFitsAndIsDeterministic) {
  const std::vector<float> values = Normals(1000);
  Reservoir all(1000, RandomStream(1, "r"));
  all.Add(values.data(), 1000);
  EXPECT_EQ(all.values(), values);
  Reservoir a(100, RandomStream(1, "r"));
  Reservoir b(100, RandomStream(1, "r"));
  Reservoir other(100, RandomStream(2, "r"));
  a.Add(values.data(), 1000);
  other.Add(values.data(), 1000);
  for (int i = 0; i < 1000; i += 50) {
    b.Add(values.data() + i, 50);
  }
  EXPECT_EQ(a.values(), b.values()) << "cuts must not matter";
  EXPECT_NE(a.values(), other.values());
  EXPECT_EQ(std::set<float>(a.values().begin(), a.values().end()).size(), 100U) << "without replacement";
}

// Each of 50 values stays with probability 10/50; five standard deviations over 20000 streams.
TEST(ReservoirTest, EveryPositionIsEquallyLikely) {
  constexpr int kTrials = 20000;
  std::vector<float> values(50);
  std::iota(values.begin(), values.end(), 0.0F);
  std::vector<int> kept(50, 0);
  for (int t = 0; t < kTrials; ++t) {
    Reservoir reservoir(10, RandomStream(t, "fair"));
    reservoir.Add(values.data(), 50);
    for (const float x : reservoir.values()) {
      ++kept[static_cast<int>(x)];
    }
  }
  for (const int n : kept) {
    EXPECT_NEAR(n, kTrials * 0.2, 5 * std::sqrt(kTrials * 0.2 * 0.8));
  }
}

TEST(TensorStatisticsTest, RangeAndMomentsOfManyBatches) {
  StatisticsOptions options;
  options.per_channel = true;
  TensorStatistics statistics(options, RandomStream(1, "s"));
  const at::Tensor x = testing::RandomTensor({40, 30, 64}, 3) * 2 + 100;  // over one chunk of 65536 elements
  for (int64_t i = 0; i < 40; i += 16) {
    ASSERT_TRUE(statistics.Add(x.narrow(0, i, std::min<int64_t>(16, 40 - i))).ok());
  }
  const at::Tensor d = x.to(at::kDouble);
  EXPECT_EQ(statistics.count(), x.numel());
  EXPECT_EQ(statistics.min(), x.min().item<float>());
  EXPECT_EQ(statistics.max(), x.max().item<float>());
  EXPECT_NEAR(statistics.mean(), d.mean().item<double>(), 1e-9);
  EXPECT_NEAR(statistics.variance(), d.var(false).item<double>(), 1e-9);
  EXPECT_EQ(statistics.histogram().count(), x.numel());
  ASSERT_EQ(statistics.channel_min().size(), 64U);
  const at::Tensor rows = x.view({-1, 64});
  for (int64_t c = 0; c < 64; ++c) {
    EXPECT_EQ(statistics.channel_min()[c], rows.select(1, c).min().item<float>());
    EXPECT_EQ(statistics.channel_max()[c], rows.select(1, c).max().item<float>());
  }
}

TEST(TensorStatisticsTest, CollectsOnlyWhatWasAskedFor) {
  StatisticsOptions options;
  options.histogram = false;
  TensorStatistics statistics(options, RandomStream(1, "s"));
  ASSERT_TRUE(statistics.Add(at::ones({3, 2})).ok());
  EXPECT_EQ(statistics.histogram().count(), 0);
  EXPECT_TRUE(statistics.reservoir().empty());
  EXPECT_TRUE(statistics.channel_min().empty());
  options.reservoir = 4;
  TensorStatistics sampled(options, RandomStream(1, "s"));
  ASSERT_TRUE(sampled.Add(at::ones({3, 2})).ok());
  EXPECT_EQ(sampled.reservoir().size(), 4U);
}

TEST(TensorStatisticsTest, NothingAddedIsZero) {
  TensorStatistics statistics({}, RandomStream(1, "s"));
  ASSERT_TRUE(statistics.Add(at::empty({0, 3})).ok());
  EXPECT_EQ(statistics.count(), 0);
  EXPECT_EQ(statistics.min(), 0);
  EXPECT_EQ(statistics.variance(), 0);
}

TEST(TensorStatisticsTest, StridedInputsCount) {
  TensorStatistics statistics({}, RandomStream(1, "s"));
  ASSERT_TRUE(statistics.Add(at::tensor({1.0F, 100.0F, 2.0F, 100.0F}).slice(0, 0, 4, 2)).ok());
  EXPECT_EQ(statistics.count(), 2);
  EXPECT_EQ(statistics.max(), 2);
}

TEST(TensorStatisticsTest, NaNAndInfinityAreRefusedWhereverTheyAre) {
  for (const float poison : {std::nanf(""), INFINITY, -INFINITY}) {
    for (const int64_t at : {0, 17, 99999}) {
      TensorStatistics statistics({}, RandomStream(1, "s"));
      at::Tensor x = at::ones({100000});
      x[at] = poison;
      EXPECT_EQ(statistics.Add(x).error().code, ErrorCode::kInvalidArgument) << poison << " at " << at;
    }
  }
}

}  // namespace
}  // namespace ptq::calib
