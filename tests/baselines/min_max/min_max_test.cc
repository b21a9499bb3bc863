#include "baselines/min_max/min_max.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/baselines/quantize_tiny.h"

namespace ptq::baselines {
namespace {

class MinMaxTest : public ::testing::Test {
 protected:
  QuantizeTiny tiny_;
  const std::unique_ptr<method::Method> method_ = MakeMinMax();
};

TEST_F(MinMaxTest, GridsCoverTheObservedRangeExactly) {
  const method::Plan plan = tiny_.Run(*method_).value();
  for (const auto& [operand, params] : plan.operands) {
    const auto [min, max] = std::minmax_element(tiny_.ValuesOf(operand).begin(), tiny_.ValuesOf(operand).end());
    const quant::Grid grid = operand.is_weight() ? quant::Grid::kSymmetricFull : quant::Grid::kAffine;
    EXPECT_TRUE(params == quant::ParamsFromRange(grid, 8, {*min}, {*max}).value()) << operand.name();
  }
}

TEST_F(MinMaxTest, GridsAreChosenByParameters) {
  const method::Plan plan =
      tiny_
          .Run(*method_, {},
               {{"activation_grid", std::string("symmetric_restricted")}, {"weight_grid", std::string("affine")}})
          .value();
  for (const auto& [operand, params] : plan.operands) {
    EXPECT_EQ(params.grid, operand.is_weight() ? quant::Grid::kAffine : quant::Grid::kSymmetricRestricted);
  }
}

TEST_F(MinMaxTest, PerChannelScalesFollowRows) {
  method::Scheme scheme;
  scheme.weight_granularity = quant::Granularity::kPerChannel;
  const method::Plan plan = tiny_.Run(*method_, scheme).value();
  const vit::OperandId fc2{{vit::OpKind::kFc2, 0}, vit::Side::kRight};
  const std::vector<float>& weight = tiny_.ValuesOf(fc2);  // (16, 32)
  ASSERT_EQ(plan.operands.at(fc2).scale.size(), 16U);
  for (size_t row = 0; row < 16; ++row) {
    float bound = 0;
    for (size_t k = 0; k < 32; ++k) {
      bound = std::max(bound, std::abs(weight[row * 32 + k]));
    }
    EXPECT_FLOAT_EQ(plan.operands.at(fc2).scale[row], bound / 127);
  }
}

}  // namespace
}  // namespace ptq::baselines
