#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/exec/executor.h"
#include "core/quant/fake_quant.h"
#include "core/quant/range.h"
#include "tests/testing/tiny_model.h"

namespace ptq::exec {
namespace {

using testing::BitEqual;
using ::testing::HasSubstr;

// Remembers the range of every operand of a float pass.
class RangeEngine final : public vit::OpEngine {
 public:
  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    Keep(op, input, weight);
    return OpEngine::Linear(op, input, weight, bias);
  }
  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) override {
    Keep(op, left, right);
    return OpEngine::MatMul(op, left, right);
  }
  std::map<vit::OperandId, quant::Range> ranges;

 private:
  void Keep(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) {
    ranges[{op, vit::Side::kLeft}] = quant::RangeOf(left, quant::Granularity::kPerTensor).value();
    ranges[{op, vit::Side::kRight}] = quant::RangeOf(right, quant::Granularity::kPerTensor).value();
  }
};

class SimulatedTest : public ::testing::Test {
 protected:
  SimulatedTest() : model_(testing::TinyModel(true)), images_(testing::RandomImages(model_.config(), 8)) {
    RangeEngine engine;
    float_logits_ = model_.Forward(images_, engine);
    ranges_ = engine.ranges;
  }
  at::Tensor Run(const method::Plan& plan) const { return MakeSimulatedExecutor(model_, plan).value()->Run(images_); }
  // Every operand on an affine grid over its exact range.
  method::Plan PlanOf(int bits) const {
    method::Plan plan;
    for (const auto& [operand, range] : ranges_) {
      plan.operands[operand] = quant::ParamsFromRange(quant::Grid::kAffine, bits, range.min, range.max).value();
    }
    return plan;
  }
  Error Refusal(const vit::OperandId& operand, const quant::QuantParams& params) const {
    method::Plan plan;
    plan.operands[operand] = params;
    const auto executor = MakeSimulatedExecutor(model_, plan);
    return executor.ok() ? Error{ErrorCode::kInternal, "accepted", ""} : executor.error();
  }

  vit::VitModel model_;
  at::Tensor images_, float_logits_;
  std::map<vit::OperandId, quant::Range> ranges_;
};

TEST_F(SimulatedTest, TheEmptyPlanIsTheFloatModelBitForBit) { EXPECT_TRUE(BitEqual(Run({}), float_logits_)); }

// Sixteen bits leave an error of about 2^-17 of each operand's range: over 70 dB at the logits.
TEST_F(SimulatedTest, SixteenBitsAreNearFloat) {
  EXPECT_GT(testing::SignalToNoise(float_logits_, Run(PlanOf(16))), 70);
}

TEST_F(SimulatedTest, MoreBitsGiveASmallerError) {
  double last = -INFINITY;
  for (const int bits : {2, 4, 6, 8, 10, 12, 14}) {
    const double sqnr = testing::SignalToNoise(float_logits_, Run(PlanOf(bits)));
    EXPECT_GT(sqnr, last + 3) << bits << " bits; two more give about 12 dB, 3 are asked for";
    last = sqnr;
  }
}

// Every operand alone: the executor's logits are those of a float engine whose one operand is fake-quantized.
class OneOperandEngine final : public vit::OpEngine {
 public:
  OneOperandEngine(vit::OperandId operand, quant::QuantParams params) : operand_(operand), params_(std::move(params)) {}
  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    return at::linear(Of({op, vit::Side::kLeft}, input), Of({op, vit::Side::kRight}, weight), bias);
  }
  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) override {
    return at::matmul(Of({op, vit::Side::kLeft}, left), Of({op, vit::Side::kRight}, right));
  }

 private:
  at::Tensor Of(const vit::OperandId& operand, const at::Tensor& x) const {
    return operand == operand_ ? quant::FakeQuantize(x, params_) : x;
  }
  vit::OperandId operand_;
  quant::QuantParams params_;
};

TEST_F(SimulatedTest, EachOperandIsQuantizedAndNoOther) {
  const method::Plan whole = PlanOf(4);
  EXPECT_EQ(whole.operands.size(), 30U);
  for (const auto& [operand, params] : whole.operands) {
    method::Plan plan;
    plan.operands[operand] = params;
    const at::Tensor logits = Run(plan);
    OneOperandEngine engine(operand, params);
    EXPECT_TRUE(BitEqual(logits, model_.Forward(images_, engine))) << operand.name();
    EXPECT_FALSE(BitEqual(logits, float_logits_)) << operand.name();
  }
}

TEST_F(SimulatedTest, PerChannelWeightsUseOneScalePerRow) {
  for (const vit::OpId& op : vit::AllOps(model_.config())) {
    if (!op.has_weight()) {
      continue;
    }
    const at::Tensor& weight = model_.parameter(op.weight_name());
    const auto granularity = quant::Granularity::kPerChannel;
    method::Plan plan;
    const auto params =
        quant::WeightParams(quant::Grid::kSymmetricFull, 4, granularity, quant::RangeOf(weight, granularity).value())
            .value();
    plan.operands[{op, vit::Side::kRight}] = params;
    method::Plan replacement;
    replacement.replaced_parameters[op.weight_name()] = vit::FromTorch(quant::FakeQuantize(weight, params));
    EXPECT_TRUE(BitEqual(Run(plan), Run(replacement))) << op.name();
  }
}

// The quantized stream goes on past the LayerNorm: what the last one reads changes the logits as rounding x does.
TEST_F(SimulatedTest, InputsOfLayerNormsAreQuantized) {
  method::Plan plan;
  quant::QuantParams coarse{quant::Grid::kAffine, 4, quant::Granularity::kPerTensor, -1, {0.5F}, {8}};
  for (const vit::NormId& norm : vit::AllNorms(model_.config())) {
    plan.norm_inputs = {{norm, coarse}};
    EXPECT_FALSE(BitEqual(Run(plan), float_logits_)) << norm.name();
  }
  plan.norm_inputs.clear();
  for (const vit::NormId& norm : vit::AllNorms(model_.config())) {
    plan.norm_inputs[norm] = {quant::Grid::kAffine, 16, quant::Granularity::kPerTensor, -1, {1e-3F}, {32768}};
  }
  EXPECT_GT(testing::SignalToNoise(float_logits_, Run(plan)), 40);
}

// A head by itself under its own scale is that head of the whole under the scales of all.
TEST_F(SimulatedTest, HeadsHaveScalesOfTheirOwn) {
  const vit::OperandId left{{vit::OpKind::kQk, 0}, vit::Side::kLeft};
  const int64_t heads = model_.config().heads;
  ASSERT_GT(heads, 1);
  method::Plan plan = PlanOf(8);
  const at::Tensor before = Run(plan);
  quant::QuantParams& params = plan.operands[left];
  const quant::QuantParams whole = params;
  params.granularity = quant::Granularity::kPerChannel;
  params.axis = 1;
  params.scale.assign(heads, whole.scale[0]);
  params.zero_point.assign(heads, whole.zero_point[0]);
  EXPECT_TRUE(BitEqual(Run(plan), before));
  params.scale[1] *= 16;
  EXPECT_FALSE(BitEqual(Run(plan), before));
}

TEST_F(SimulatedTest, RefusalsNameTheOperand) {
  const quant::QuantParams scalar{quant::Grid::kAffine, 8, quant::Granularity::kPerTensor, -1, {1}, {0}};
  const quant::QuantParams rows{quant::Grid::kAffine, 8, quant::Granularity::kPerChannel, 0, {1, 1, 1}, {0, 0, 0}};
  const vit::OperandId missing{{vit::OpKind::kFc1, 7}, vit::Side::kLeft};
  const vit::OperandId weight{{vit::OpKind::kFc1, 0}, vit::Side::kRight};
  const vit::OperandId activation{{vit::OpKind::kFc1, 0}, vit::Side::kLeft};
  EXPECT_EQ(Refusal(missing, scalar).where, "blocks.7.mlp.fc1.left");
  EXPECT_EQ(Refusal(weight, rows).where, "blocks.0.mlp.fc1.right");
  EXPECT_THAT(Refusal(weight, rows).message, HasSubstr("32 entries"));
  EXPECT_EQ(Refusal(activation, rows).where, "blocks.0.mlp.fc1.left");
  EXPECT_THAT(Refusal(activation, rows).message, HasSubstr("the input of a linear layer has one scale"));
}

TEST_F(SimulatedTest, ReplacedParametersAreUsedAndStillQuantized) {
  method::Plan plan;
  plan.replaced_parameters["head.bias"] = vit::MakeTensor(std::vector<float>(5, 100), {5});
  const at::Tensor shift = at::full({5}, 100) - model_.parameter("head.bias");
  EXPECT_LT((Run(plan) - float_logits_ - shift / 2).abs().max().item<float>(), 1e-4F) << "half: two heads";

  plan = {};
  plan.replaced_parameters["head.weight"] = vit::MakeTensor(std::vector<float>(80, 0.3F), {5, 16});
  const vit::OperandId weight{{vit::OpKind::kHead, -1}, vit::Side::kRight};
  plan.operands[weight] = {quant::Grid::kSymmetricFull, 4, quant::Granularity::kPerTensor, -1, {1}, {0}};
  method::Plan zero;
  zero.replaced_parameters["head.weight"] = vit::MakeTensor(std::vector<float>(80, 0), {5, 16});
  EXPECT_TRUE(BitEqual(Run(plan), Run(zero))) << "0.3 on a grid of step 1 is 0";
}

TEST_F(SimulatedTest, WrongReplacementsAreRefused) {
  method::Plan plan;
  plan.replaced_parameters["head.bias"] = vit::MakeTensor(std::vector<float>(4), {4});
  EXPECT_THAT(MakeSimulatedExecutor(model_, plan).error().message, HasSubstr("'head.bias' has shape [4]"));
}

TEST_F(SimulatedTest, TheModelIsUntouchedAndRunsRepeat) {
  const auto before = testing::Snapshot(model_);
  const at::Tensor pixels = images_.clone();
  method::Plan plan = PlanOf(4);
  plan.replaced_parameters["head.bias"] = vit::MakeTensor(std::vector<float>(5, 1), {5});
  const auto executor = MakeSimulatedExecutor(model_, plan).value();
  const at::Tensor first = executor->Run(images_);
  EXPECT_TRUE(BitEqual(executor->Run(images_), first));
  EXPECT_TRUE(testing::Unchanged(model_, before));
  EXPECT_TRUE(BitEqual(images_, pixels));
}

TEST_F(SimulatedTest, OutlivesThePlanAndTheModelItWasMadeFrom) {
  std::unique_ptr<Executor> executor;
  const at::Tensor expected = Run(PlanOf(8));
  {
    const vit::VitModel copy = testing::TinyModel(true);
    const method::Plan plan = PlanOf(8);
    executor = MakeSimulatedExecutor(copy, plan).value();
  }
  EXPECT_TRUE(BitEqual(executor->Run(images_), expected));
}

}  // namespace
}  // namespace ptq::exec
