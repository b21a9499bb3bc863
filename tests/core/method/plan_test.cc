#include "core/method/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/tiny_config.h"

namespace ptq::method {
namespace {

using ::testing::HasSubstr;

const vit::OperandId kFc1Weight{{vit::OpKind::kFc1, 1}, vit::Side::kRight};
const vit::OperandId kFc1Input{{vit::OpKind::kFc1, 1}, vit::Side::kLeft};

quant::QuantParams PerTensor(int bits, quant::Grid grid = quant::Grid::kSymmetricFull) {
  return {grid, bits, quant::Granularity::kPerTensor, -1, {0.1F}, {0}};
}

quant::QuantParams PerChannel(int bits, int64_t channels, int axis = 0) {
  return {quant::Grid::kSymmetricFull,        bits,
          quant::Granularity::kPerChannel,    axis,
          std::vector<float>(channels, 0.1F), std::vector<int32_t>(channels, 0)};
}

Status Check(const vit::OperandId& operand, const quant::QuantParams& params) {
  Plan plan;
  plan.operands[operand] = params;
  return Validate(plan, testing::TinyConfig());
}

TEST(ValidatePlanTest, AcceptsTheEmptyPlanAndFittingOperands) {
  EXPECT_TRUE(Validate(Plan(), testing::TinyConfig()).ok());
  EXPECT_TRUE(Plan().empty());
  EXPECT_TRUE(Check(kFc1Weight, PerTensor(8)).ok());
  EXPECT_TRUE(Check(kFc1Weight, PerChannel(8, 32)).ok());
  EXPECT_TRUE(Check(kFc1Input, PerTensor(8)).ok());
}

TEST(ValidatePlanTest, RefusalsNameTheOperand) {
  struct Case {
    vit::OperandId operand;
    quant::QuantParams params;
    const char* text;
  };
  const Case cases[] = {
      {kFc1Weight, PerChannel(8, 31), "with 32 entries, found axis 0 with 31"},
      {kFc1Weight, PerChannel(8, 32, 1), "found axis 1"},
      {kFc1Weight, PerTensor(1), "num_bits is 1"},
      {kFc1Input, PerChannel(8, 16), "an activation has one scale"},
      {{{vit::OpKind::kQk, 0}, vit::Side::kRight}, PerChannel(8, 5), "an activation has one scale"},
      {{{vit::OpKind::kFc1, 2}, vit::Side::kRight}, PerTensor(8), "does not have"},
      {{{vit::OpKind::kHeadDist, -1}, vit::Side::kLeft}, PerTensor(8), "does not have"},
  };
  for (const Case& c : cases) {
    const Status status = Check(c.operand, c.params);
    ASSERT_FALSE(status.ok()) << c.text;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(status.error().where, c.operand.name());
    EXPECT_THAT(status.error().message, HasSubstr(c.text));
  }
}

Plan EveryWeight(const vit::VitConfig& config, int bits) {
  Plan plan;
  for (const vit::OpId& op : vit::AllOps(config)) {
    plan.operands[{op, vit::Side::kLeft}] = PerTensor(8);
    plan.operands[{op, vit::Side::kRight}] = op.has_weight() ? PerTensor(bits) : PerTensor(8);
  }
  return plan;
}

// The paper prints 64.5 and 86.0 for 86 million parameters; its accounting on the exact 86,567,656 gives these.
TEST(SizeUnderTest, PaperAccountingIsBitsTimesTheExactCount) {
  vit::VitConfig base;
  base.width = 768;
  base.heads = 12;
  base.mlp_hidden = 3072;
  EXPECT_DOUBLE_EQ(SizeUnder(EveryWeight(base, 6), base).paper_bytes, 86567656 * 6.0 / 8);
  EXPECT_DOUBLE_EQ(SizeUnder(EveryWeight(base, 8), base).paper_bytes, 86567656.0);
  EXPECT_NEAR(SizeUnder(EveryWeight(base, 6), base).paper_bytes / 1e6, 64.5, 0.5);
  EXPECT_NEAR(SizeUnder(EveryWeight(base, 8), base).paper_bytes / 1e6, 86.0, 0.6);
  EXPECT_DOUBLE_EQ(SizeUnder(Plan(), base).paper_bytes, 86567656 * 4.0);
  EXPECT_DOUBLE_EQ(SizeUnder(Plan(), base).true_bytes, 86567656 * 4.0);
}

// Weights of the tiny model: patch 16*48 = 768; per block 768 + 256 + 512 + 512 = 2048; head 80; in all 4944.
// Others: cls 16, pos 80, patch bias 16, per block 4*16 + 48 + 16 + 32 + 16 = 176, norm 32, head bias 5; in all 501.
TEST(SizeUnderTest, TrueSizeOfTheTinyModelByHand) {
  const vit::VitConfig config = testing::TinyConfig();
  ASSERT_EQ(vit::ParameterCount(config), 4944 + 501);
  Plan plan = EveryWeight(config, 4);
  // 14 ops, 28 operands with one float32 scale each.
  EXPECT_DOUBLE_EQ(SizeUnder(plan, config).true_bytes, 4944 * 0.5 + 501 * 4 + 28 * 4);
  EXPECT_DOUBLE_EQ(SizeUnder(plan, config).paper_bytes, 5445 * 0.5);
  plan.operands[kFc1Input] = PerTensor(8, quant::Grid::kAffine);  // and a zero point of 4 bytes
  EXPECT_DOUBLE_EQ(SizeUnder(plan, config).true_bytes, 4944 * 0.5 + 501 * 4 + 28 * 4 + 4);
  plan.operands[kFc1Weight] = PerChannel(4, 32);  // 31 more scales
  EXPECT_DOUBLE_EQ(SizeUnder(plan, config).true_bytes, 4944 * 0.5 + 501 * 4 + 28 * 4 + 4 + 31 * 4);
}

TEST(SizeUnderTest, AFloatWeightCountsFullAndMixedBitsCountEach) {
  const vit::VitConfig config = testing::TinyConfig();
  Plan plan = EveryWeight(config, 8);
  plan.operands.erase({{vit::OpKind::kHead, -1}, vit::Side::kRight});
  EXPECT_DOUBLE_EQ(SizeUnder(plan, config).paper_bytes, 5445 + 80 * 3);
  EXPECT_DOUBLE_EQ(SizeUnder(plan, config).true_bytes, 4944 - 80 + (501 + 80) * 4 + 27 * 4);
  plan.operands[kFc1Weight] = PerTensor(4);
  EXPECT_DOUBLE_EQ(SizeUnder(plan, config).paper_bytes, 5445 + 80 * 3 - 512 / 2);
}

}  // namespace
}  // namespace ptq::method
