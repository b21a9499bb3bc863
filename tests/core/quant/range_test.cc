#include "core/quant/range.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/base/random.h"
#include "tests/testing/tiny_model.h"

namespace ptq::quant {
namespace {

TEST(RangeOfTest, PerTensorAndPerRow) {
  const at::Tensor x = at::tensor({1.0F, -2.0F, 3.0F, 4.0F, 5.0F, 6.0F}).view({2, 3});
  const Range whole = RangeOf(x, Granularity::kPerTensor).value();
  EXPECT_EQ(whole.min, (std::vector<float>{-2}));
  EXPECT_EQ(whole.max, (std::vector<float>{6}));
  const Range rows = RangeOf(x, Granularity::kPerChannel).value();
  EXPECT_EQ(rows.min, (std::vector<float>{-2, 4}));
  EXPECT_EQ(rows.max, (std::vector<float>{3, 6}));
  const Range columns = RangeOf(x.t(), Granularity::kPerChannel).value();
  EXPECT_EQ(columns.max, (std::vector<float>{4, 5, 6}));
}

TEST(RangeOfTest, RowsOfAConvolutionKernel) {
  const at::Tensor x = testing::RandomTensor({5, 3, 4, 4}, 1);
  const Range rows = RangeOf(x, Granularity::kPerChannel).value();
  ASSERT_EQ(rows.min.size(), 5U);
  for (int64_t c = 0; c < 5; ++c) {
    EXPECT_EQ(rows.min[c], x[c].min().item<float>());
    EXPECT_EQ(rows.max[c], x[c].max().item<float>());
  }
}

TEST(RangeOfTest, RefusesNaNAndInfinity) {
  for (const float poison : {std::nanf(""), INFINITY, -INFINITY}) {
    const at::Tensor x = at::tensor({1.0F, poison, 2.0F});
    EXPECT_EQ(RangeOf(x, Granularity::kPerTensor).error().code, ErrorCode::kInvalidArgument);
    EXPECT_FALSE(AbsoluteQuantileRange(x, 0.5, Granularity::kPerTensor).ok());
  }
}

TEST(ExactQuantileTest, TheFixtureOfTheSpecification) {
  std::vector<float> x(10001);
  std::iota(x.begin(), x.end(), 0.0F);
  std::reverse(x.begin(), x.end());
  EXPECT_EQ(ExactQuantile(x, 0.9999), 9999.0);
  EXPECT_EQ(ExactQuantile(x, 0), 0.0);
  EXPECT_EQ(ExactQuantile(x, 1), 10000.0);
  EXPECT_EQ(ExactQuantile(x, 0.5), 5000.0);
}

TEST(ExactQuantileTest, InterpolatesBetweenNeighbours) {
  std::vector<float> x = {30, 10, 20, 40};
  EXPECT_DOUBLE_EQ(ExactQuantile(x, 0.5), 25);
  EXPECT_DOUBLE_EQ(ExactQuantile(x, 0.1), 13);
  std::vector<float> one = {7};
  EXPECT_EQ(ExactQuantile(one, 0.3), 7);
}

TEST(ExactQuantileTest, AgreesWithLibTorch) {
  const at::Tensor x = testing::RandomTensor({997}, 8);
  for (const double p : {0.0, 0.01, 0.25, 0.5, 0.9, 0.999, 0.9999, 1.0}) {
    std::vector<float> values(x.data_ptr<float>(), x.data_ptr<float>() + x.numel());
    const double torch = at::quantile(x.to(at::kDouble), p).item<double>();
    EXPECT_NEAR(ExactQuantile(values, p), torch, 1e-12) << p;
  }
}

// Standard error of an empirical p-quantile: sqrt(p (1-p) / n) / density; five of them allowed.
void ExpectQuantile(std::vector<float> sample, double p, double exact, double density) {
  const double error = std::sqrt(p * (1 - p) / static_cast<double>(sample.size())) / density;
  EXPECT_NEAR(ExactQuantile(sample, p), exact, 5 * error) << p;
}

TEST(ExactQuantileTest, ClosedFormsOfNormalAndLaplace) {
  constexpr int kCount = 2000000;
  RandomStream stream(1, "closed_forms");
  std::vector<float> normal;
  std::vector<float> absolute_normal;
  std::vector<float> absolute_laplace;  // |Laplace(1)| is exponential
  for (int i = 0; i < kCount; ++i) {
    normal.push_back(static_cast<float>(stream.NextNormal()));
    absolute_normal.push_back(std::abs(normal.back()));
    absolute_laplace.push_back(static_cast<float>(-std::log(1 - stream.NextDouble())));
  }
  auto normal_density = [](double x) { return std::exp(-x * x / 2) / std::sqrt(2 * M_PI); };
  const std::tuple<double, double, double> rows[] = {
      {0.99, 2.5758, 2.3263}, {0.999, 3.2905, 3.0902}, {0.9999, 3.8906, 3.7190}};
  for (const auto& [p, two_sided, upper] : rows) {
    ExpectQuantile(absolute_normal, p, two_sided, 2 * normal_density(two_sided));
    ExpectQuantile(normal, p, upper, normal_density(upper));
    ExpectQuantile(absolute_laplace, p, -std::log(1 - p), 1 - p);
  }
}

TEST(AbsoluteQuantileRangeTest, IsSymmetricAndPerRow) {
  const at::Tensor x = at::tensor({-4.0F, 1.0F, 2.0F, 3.0F, -40.0F, 10.0F, 20.0F, 30.0F}).view({2, 4});
  const Range rows = AbsoluteQuantileRange(x, 0.5, Granularity::kPerChannel).value();
  EXPECT_EQ(rows.min, (std::vector<float>{-2.5, -25}));
  EXPECT_EQ(rows.max, (std::vector<float>{2.5, 25}));
  const Range whole = AbsoluteQuantileRange(x, 1, Granularity::kPerTensor).value();
  EXPECT_EQ(whole.min, (std::vector<float>{-40}));
  EXPECT_EQ(whole.max, (std::vector<float>{40}));
}

TEST(QuantileRangeTest, IsTwoSidedAndPerRow) {
  // Rows 0..100 and 200..300 in steps of 1: the quantile p lies at 100 p.
  const at::Tensor x = at::cat({at::arange(0, 101), at::arange(200, 301)}).to(at::kFloat).view({2, 101});
  const Range rows = QuantileRange(x, 0.95, Granularity::kPerChannel).value();
  ASSERT_EQ(rows.min.size(), 2U);
  EXPECT_NEAR(rows.min[0], 5, 1e-5);
  EXPECT_NEAR(rows.max[0], 95, 1e-5);
  EXPECT_NEAR(rows.min[1], 205, 1e-4);
  EXPECT_NEAR(rows.max[1], 295, 1e-4);
  const Range whole = QuantileRange(x, 1, Granularity::kPerTensor).value();
  EXPECT_EQ(whole.min, (std::vector<float>{0}));
  EXPECT_EQ(whole.max, (std::vector<float>{300}));
  const Range median = QuantileRange(x, 0.5, Granularity::kPerChannel).value();
  EXPECT_EQ(median.min, median.max);
  EXPECT_FALSE(QuantileRange(at::tensor({1.0F, INFINITY}), 0.9, Granularity::kPerTensor).ok());
}

TEST(WeightParamsTest, GranularitySetsTheAxis) {
  const Range rows{{-1, -2}, {1, 2}};
  const QuantParams per_channel = WeightParams(Grid::kSymmetricFull, 8, Granularity::kPerChannel, rows).value();
  EXPECT_EQ(per_channel.axis, 0);
  EXPECT_EQ(per_channel.scale.size(), 2U);
  const QuantParams per_tensor = WeightParams(Grid::kSymmetricFull, 8, Granularity::kPerTensor, {{-1}, {1}}).value();
  EXPECT_EQ(per_tensor.axis, -1);
  EXPECT_FALSE(WeightParams(Grid::kSymmetricFull, 8, Granularity::kPerTensor, rows).ok()) << "two scales for a tensor";
}

TEST(RangeDeathTest, ImpossibleQuantiles) {
  std::vector<float> empty;
  std::vector<float> one = {1};
  EXPECT_DEATH(ExactQuantile(empty, 0.5), "0 values");
  EXPECT_DEATH(ExactQuantile(one, 1.5), "p 1.5");
}

}  // namespace
}  // namespace ptq::quant
