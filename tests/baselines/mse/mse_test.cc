#include "baselines/mse/mse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/quant/lp_range.h"
#include "tests/baselines/quantize_tiny.h"

namespace ptq::baselines {
namespace {

class MseTest : public ::testing::Test {
 protected:
  quant::WeightedValues Values(const vit::OperandId& operand) const { return {tiny_.ValuesOf(operand), {}}; }
  // What min-max would choose.
  quant::QuantParams WholeRange(const vit::OperandId& operand, const quant::QuantParams& params) const {
    const std::vector<float>& values = tiny_.ValuesOf(operand);
    const auto [min, max] = std::minmax_element(values.begin(), values.end());
    return quant::ParamsFromRange(params.grid, params.num_bits, {*min}, {*max}).value();
  }
  QuantizeTiny tiny_;
  const std::unique_ptr<method::Method> method_ = MakeMse();
};

// Activations are scored on a histogram and not on the elements: to 1 % of the loss.
TEST_F(MseTest, NoRangeLosesLessThanTheChosenOne) {
  for (const double p : {1.0, 2.0, 2.4}) {
    const method::Plan plan = tiny_.Run(*method_, {4, 4}, {{"p", p}}).value();
    for (const auto& [operand, params] : plan.operands) {
      const quant::WeightedValues values = Values(operand);
      const double loss = quant::LpError(values, params, p);
      const quant::QuantParams best = quant::LpOptimalParams(values, params.grid, params.num_bits, p).value();
      EXPECT_LE(loss, 1.01 * quant::LpError(values, best, p)) << operand.name() << " " << p;
      EXPECT_LE(loss, 1.01 * quant::LpError(values, WholeRange(operand, params), p)) << operand.name() << " " << p;
    }
  }
}

TEST_F(MseTest, FourBitsClipSomething) {
  const method::Plan plan = tiny_.Run(*method_, {4, 4}).value();
  int clipped = 0;
  for (const auto& [operand, params] : plan.operands) {
    clipped += params.scale[0] < 0.95F * WholeRange(operand, params).scale[0] ? 1 : 0;
  }
  EXPECT_GT(clipped, static_cast<int>(plan.operands.size()) / 2);
}

TEST_F(MseTest, SixteenBitsKeepNearlyTheWholeRange) {
  const method::Plan plan = tiny_.Run(*method_, {16, 16}).value();
  for (const auto& [operand, params] : plan.operands) {
    EXPECT_GT(params.scale[0], 0.95F * WholeRange(operand, params).scale[0]) << operand.name();
  }
}

TEST_F(MseTest, WeightsAreSearchedExactlyAndByRow) {
  const vit::OperandId fc2{{vit::OpKind::kFc2, 0}, vit::Side::kRight};  // (16, 32)
  const std::vector<float>& weight = tiny_.ValuesOf(fc2);
  method::Scheme scheme{3, 8};
  const method::Plan whole = tiny_.Run(*method_, scheme, {{"weight_grid", std::string("affine")}}).value();
  EXPECT_TRUE(whole.operands.at(fc2) == quant::LpOptimalParams(Values(fc2), quant::Grid::kAffine, 3, 2).value());

  scheme.weight_granularity = quant::Granularity::kPerChannel;
  const quant::QuantParams params = tiny_.Run(*method_, scheme).value().operands.at(fc2);
  ASSERT_EQ(params.scale.size(), 16U);
  EXPECT_EQ(params.axis, 0);
  for (size_t row = 0; row < 16; ++row) {
    const quant::WeightedValues values{{weight.begin() + row * 32, weight.begin() + (row + 1) * 32}, {}};
    const quant::QuantParams best = quant::LpOptimalParams(values, quant::Grid::kSymmetricFull, 3, 2).value();
    EXPECT_EQ(params.scale[row], best.scale[0]) << row;
  }
}

TEST_F(MseTest, GridsAreChosenByParameters) {
  const method::Plan plan = tiny_
                                .Run(*method_, {},
                                     {{"activation_grid", std::string("symmetric_restricted")},
                                      {"weight_grid", std::string("symmetric_restricted")}})
                                .value();
  for (const auto& [operand, params] : plan.operands) {
    EXPECT_EQ(params.grid, quant::Grid::kSymmetricRestricted) << operand.name();
  }
}

}  // namespace
}  // namespace ptq::baselines
