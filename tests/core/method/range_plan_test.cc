#include "core/method/range_plan.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/tiny_model.h"

namespace ptq::method {
namespace {

class RangePlanTest : public ::testing::Test {
 protected:
  RangePlanTest() : model_(testing::TinyModel()), images_(testing::RandomImages(model_.config(), 4)) {
    rules_.statistics.histogram = false;
    rules_.activation_range = [](const vit::OperandId&, const calib::TensorStatistics& seen) {
      return quant::Range{{seen.min()}, {seen.max()}};
    };
    rules_.weight_range = quant::RangeOf;
  }
  Result<Plan> Run() {
    calib::Calibration calibration(model_, images_, progress_);
    const Parameters parameters = Parameters::Resolve({}, {}).value();
    return PlanFromRanges({model_, calibration, scheme_, parameters, RandomStream(1, "t"), progress_, checkpoint_},
                          rules_);
  }
  vit::VitModel model_;
  testing::MemoryImages images_;
  NullProgress progress_;
  NullCheckpoint checkpoint_;
  Scheme scheme_;
  RangeRules rules_;
};

TEST_F(RangePlanTest, UsesTheRulesGridsAndTheSchemesBits) {
  scheme_.weight_bits = 4;
  scheme_.activation_bits = 6;
  scheme_.weight_granularity = quant::Granularity::kPerChannel;
  const Plan plan = Run().value();
  EXPECT_EQ(plan.operands.size(), CoveredOperands(scheme_, model_.config()).size());
  for (const auto& [operand, params] : plan.operands) {
    EXPECT_EQ(params.num_bits, operand.is_weight() ? 4 : 6) << operand.name();
    EXPECT_EQ(params.grid, operand.is_weight() ? quant::Grid::kSymmetricFull : quant::Grid::kAffine) << operand.name();
    EXPECT_EQ(params.granularity == quant::Granularity::kPerChannel, operand.is_weight()) << operand.name();
  }
  EXPECT_TRUE(Validate(plan, model_.config()).ok());
}

TEST_F(RangePlanTest, WeightScalesComeFromTheWeight) {
  const Plan plan = Run().value();
  const vit::OperandId weight{{vit::OpKind::kFc1, 1}, vit::Side::kRight};
  const float bound = model_.parameter(weight.op.weight_name()).abs().max().item<float>();
  EXPECT_FLOAT_EQ(plan.operands.at(weight).scale[0], bound / 127);
}

TEST_F(RangePlanTest, AFaultyRangeNamesTheOperand) {
  rules_.activation_range = [](const vit::OperandId& operand, const calib::TensorStatistics&) {
    return operand.op.kind == vit::OpKind::kQk ? quant::Range{{std::nanf("")}, {1}} : quant::Range{{0}, {1}};
  };
  EXPECT_EQ(Run().error().where, "blocks.0.attn.qk.left");
  rules_.weight_range = [](const at::Tensor&, quant::Granularity) -> Result<quant::Range> {
    return InvalidArgument("no range");
  };
  EXPECT_EQ(Run().error().ToString(), "patch_embed.proj.right: no range");
}

}  // namespace
}  // namespace ptq::method
