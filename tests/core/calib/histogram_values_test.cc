#include "core/calib/histogram_values.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ptq::calib {
namespace {

TensorStatistics StatisticsOf(const std::vector<float>& values) {
  TensorStatistics statistics({}, RandomStream(1, "reservoir"));
  PTQ_CHECK(statistics.Add(at::tensor(values)).ok());
  return statistics;
}

std::vector<float> NormalValues(int64_t count, double mean) {
  RandomStream random(5, "normal");
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(mean + random.NextNormal()));
  }
  return values;
}

// What a method reads from it: the mean absolute deviation, which no running moment gives.
TEST(HistogramValuesTest, MomentsAreThoseOfTheElements) {
  for (const double mean : {0.0, 0.7}) {
    const std::vector<float> elements = NormalValues(50000, mean);
    const TensorStatistics statistics = StatisticsOf(elements);
    const quant::WeightedValues values = ValuesOfHistogram(statistics);
    double exact = 0;
    for (const float x : elements) {
      exact += std::fabs(x - statistics.mean()) / static_cast<double>(elements.size());
    }
    double count = 0;
    double average = 0;
    double deviation = 0;
    for (size_t i = 0; i < values.values.size(); ++i) {
      count += values.weights[i];
      average += values.weights[i] * values.values[i];
      deviation += values.weights[i] * std::fabs(values.values[i] - statistics.mean());
    }
    EXPECT_EQ(count, 50000);
    EXPECT_NEAR(average / count, statistics.mean(), 0.1 * statistics.histogram().bin_width());
    EXPECT_NEAR(deviation / count, exact, 0.1 * statistics.histogram().bin_width());
    EXPECT_NEAR(exact, std::sqrt(2 / M_PI), 0.01) << "the closed form of the normal distribution";
  }
}

TEST(HistogramValuesTest, NoValueLiesOutsideTheObservedRange) {
  const TensorStatistics statistics = StatisticsOf({-0.3F, 1.7F, 1.7F});
  const quant::WeightedValues values = ValuesOfHistogram(statistics);
  ASSERT_EQ(values.values.size(), 4U);
  EXPECT_GE(*std::min_element(values.values.begin(), values.values.end()), -0.3F);
  EXPECT_LE(*std::max_element(values.values.begin(), values.values.end()), 1.7F);
  EXPECT_EQ(values.weights, (std::vector<double>{0.5, 0.5, 1, 1}));
  for (const float constant : {0.0F, -4.2F, 3.0F}) {
    const quant::WeightedValues same = ValuesOfHistogram(StatisticsOf({constant, constant}));
    EXPECT_EQ(same.values, (std::vector<float>{constant, constant}));
  }
}

// On bin centres a grid whose step divides the bins' distance would seem free of error and hide that finer ones are
// better; the true loss of a uniform distribution is step^2/12.
TEST(HistogramValuesTest, AGridAsFineAsTheBinsStillLosesWhatItLoses) {
  std::vector<float> elements(200000);
  for (size_t i = 0; i < elements.size(); ++i) {
    elements[i] = static_cast<float>(0.999 * static_cast<double>(i) / static_cast<double>(elements.size()));
  }
  const TensorStatistics statistics = StatisticsOf(elements);
  quant::QuantParams params = quant::ParamsFromRange(quant::Grid::kUnsigned, 16, {0}, {1}).value();
  for (const double steps_per_bin : {0.5, 1.0, 2.0, 3.7}) {
    params.scale[0] = static_cast<float>(statistics.histogram().bin_width() * steps_per_bin);
    const double expected = params.scale[0] * params.scale[0] / 12;
    EXPECT_NEAR(quant::LpError(ValuesOfHistogram(statistics), params, 2) / expected, 1, 0.05) << steps_per_bin;
  }
}

}  // namespace
}  // namespace ptq::calib
