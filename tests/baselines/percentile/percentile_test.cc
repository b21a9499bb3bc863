#include "baselines/percentile/percentile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/quant/range.h"
#include "tests/baselines/quantize_tiny.h"

namespace ptq::baselines {
namespace {

class PercentileTest : public ::testing::Test {
 protected:
  // The largest |x| of an operand.
  float Bound(const vit::OperandId& operand) const {
    float bound = 0;
    for (const float x : tiny_.ValuesOf(operand)) {
      bound = std::max(bound, std::abs(x));
    }
    return bound;
  }
  // The histogram's bin width for this operand: the power of two above the bound over 8192.
  double BinWidth(const vit::OperandId& operand) const {
    int exponent = 0;
    std::frexp(Bound(operand), &exponent);
    return std::ldexp(1.0, exponent - 13);
  }
  QuantizeTiny tiny_;
  const std::unique_ptr<method::Method> method_ = MakePercentile();
};

TEST_F(PercentileTest, SymmetricGridsKeepTheQuantileOfTheAbsoluteValue) {
  for (const double kept : {0.5, 0.9, 0.99, 0.9999}) {
    const method::Plan plan = tiny_.Run(*method_, {}, {{"percentile", kept}}).value();
    for (const auto& [operand, params] : plan.operands) {
      std::vector<float> absolute = tiny_.ValuesOf(operand);
      for (float& x : absolute) {
        x = std::abs(x);
      }
      const double exact = operand.is_weight() ? Bound(operand) : quant::ExactQuantile(absolute, kept);
      const double slack = operand.is_weight() ? 1e-6 : BinWidth(operand);
      EXPECT_EQ(params.grid, quant::Grid::kSymmetricFull);
      EXPECT_NEAR(params.scale[0] * 127, exact, slack * 1.0001) << operand.name() << " " << kept;
    }
  }
}

TEST_F(PercentileTest, OneKeepsTheWholeRangeAndNothingBeyond) {
  const method::Plan plan = tiny_.Run(*method_, {}, {{"percentile", 1.0}}).value();
  for (const auto& [operand, params] : plan.operands) {
    EXPECT_LE(params.scale[0] * 127, Bound(operand) * 1.000001F) << operand.name();
    EXPECT_GE(params.scale[0] * 127, Bound(operand) - BinWidth(operand)) << operand.name();
  }
}

TEST_F(PercentileTest, TheAffineGridClipsBothSidesButNotABoundedOne) {
  constexpr double kKept = 0.98;
  const method::Plan plan =
      tiny_.Run(*method_, {}, {{"percentile", kKept}, {"activation_grid", std::string("affine")}}).value();
  for (const auto& [operand, params] : plan.operands) {
    if (operand.is_weight()) {
      continue;
    }
    std::vector<float> values = tiny_.ValuesOf(operand);
    const bool bounded = operand.side == vit::Side::kLeft &&
                         (operand.op.kind == vit::OpKind::kPv || operand.op.kind == vit::OpKind::kFc2);
    const double high = quant::ExactQuantile(values, kKept);
    const double low =
        bounded ? *std::min_element(values.begin(), values.end()) : quant::ExactQuantile(values, 1 - kKept);
    const double width = std::max(high, 0.0) - std::min(low, 0.0);
    EXPECT_NEAR(params.scale[0] * 255, width, 2.0001 * BinWidth(operand)) << operand.name();
  }
}

TEST_F(PercentileTest, WeightsHaveAPercentileOfTheirOwn) {
  const vit::OperandId fc1{{vit::OpKind::kFc1, 0}, vit::Side::kRight};
  const method::Plan plan = tiny_.Run(*method_, {}, {{"weight_percentile", 0.9}}).value();
  std::vector<float> absolute = tiny_.ValuesOf(fc1);
  for (float& x : absolute) {
    x = std::abs(x);
  }
  EXPECT_FLOAT_EQ(plan.operands.at(fc1).scale[0], quant::ExactQuantile(absolute, 0.9) / 127);
}

// One channel is the affine grid over the two-sided quantile of `values`.
void ExpectAffineOver(const quant::QuantParams& params, size_t channel, std::vector<float> values, double kept) {
  const auto low = static_cast<float>(quant::ExactQuantile(values, 1 - kept));
  const auto high = static_cast<float>(quant::ExactQuantile(values, kept));
  const quant::QuantParams expected =
      quant::ParamsFromRange(quant::Grid::kAffine, params.num_bits, {low}, {high}).value();
  EXPECT_EQ(params.scale[channel], expected.scale[0]) << channel;
  EXPECT_EQ(params.zero_point[channel], expected.zero_point[0]) << channel;
}

TEST_F(PercentileTest, WeightsOnTheAffineGridAreClippedOnBothSidesPerTensorAndPerRow) {
  const vit::OperandId fc2{{vit::OpKind::kFc2, 0}, vit::Side::kRight};  // (16, 32)
  const std::vector<float>& weight = tiny_.ValuesOf(fc2);
  method::Scheme scheme;
  for (const double kept : {0.9, 0.99, 1.0}) {
    const std::map<std::string, method::ParameterValue> given = {{"weight_grid", std::string("affine")},
                                                                 {"weight_percentile", kept}};
    scheme.weight_granularity = quant::Granularity::kPerTensor;
    const method::Plan whole = tiny_.Run(*method_, scheme, given).value();
    EXPECT_EQ(whole.operands.at(fc2).grid, quant::Grid::kAffine);
    ExpectAffineOver(whole.operands.at(fc2), 0, weight, kept);
    scheme.weight_granularity = quant::Granularity::kPerChannel;
    const method::Plan rows = tiny_.Run(*method_, scheme, given).value();
    ASSERT_EQ(rows.operands.at(fc2).scale.size(), 16U);
    for (size_t row = 0; row < 16; ++row) {
      ExpectAffineOver(rows.operands.at(fc2), row, {weight.begin() + row * 32, weight.begin() + (row + 1) * 32}, kept);
    }
  }
}

TEST_F(PercentileTest, APercentileBelowAHalfIsRefused) {
  EXPECT_FALSE(tiny_.Run(*method_, {}, {{"percentile", 0.49}}).ok());
  EXPECT_FALSE(tiny_.Run(*method_, {}, {{"percentile", 1.01}}).ok());
}

}  // namespace
}  // namespace ptq::baselines
