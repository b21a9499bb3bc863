#include "core/exec/integer/integer_executor.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/range_plan.h"
#include "tests/testing/tiny_model.h"

namespace ptq::exec {
namespace {

using quant::Grid;
using quant::QuantParams;
using testing::BitEqual;
using ::testing::HasSubstr;
using testing::RangePlan;
using vit::OpKind;
using vit::Side;

vit::VitConfig Config(bool distilled) {
  vit::VitConfig config = testing::TinyConfig(distilled);
  return config;
}

std::vector<InstructionSet> Available() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet set : {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512Vnni}) {
    if (CheckAvailable(set).ok()) {
      sets.push_back(set);
    }
  }
  return sets;
}

double Rms(const at::Tensor& x) { return x.to(at::kDouble).pow(2).mean().sqrt().item<double>(); }

class IntegerExecutorTest : public ::testing::Test {
 protected:
  explicit IntegerExecutorTest(bool distilled = true)
      : model_(testing::RandomModel(Config(distilled))), images_(testing::RandomImages(model_.config(), 6)) {}

  at::Tensor Simulated(const method::Plan& plan) const {
    return MakeSimulatedExecutor(model_, plan).value()->Run(images_);
  }
  std::unique_ptr<IntegerExecutor> Integer(const method::Plan& plan, InstructionSet set, int threads = 1) const {
    auto executor = MakeIntegerExecutor(model_, plan, {set, threads});
    PTQ_CHECK(executor.ok()) << executor.error().message;
    return std::move(executor).value();
  }
  // Float rounding alone tells both apart: images whose codes all fall the same way agree to float32, and in few does a
  // code lie so near a tie that it falls to the other side, which changes less than quantization does.
  void ExpectAgrees(const method::Plan& plan, const std::string& what, double coverage = 1) const {
    const at::Tensor simulated = Simulated(plan);
    const at::Tensor exact = Simulated({});
    const double noise = Rms(simulated - exact);
    EXPECT_GT(noise, 0) << what;
    for (const InstructionSet set : Available()) {
      const auto executor = Integer(plan, set);
      EXPECT_NEAR(executor->int8_coverage(), coverage, 1e-9) << what;
      const at::Tensor logits = executor->Run(images_);
      int64_t moved = 0;
      for (int64_t i = 0; i < images_.size(0); ++i) {
        moved += Rms(logits[i] - simulated[i]) > 2e-6 * Rms(exact) ? 1 : 0;
      }
      EXPECT_LE(moved, images_.size(0) / 3) << what << " on " << Name(set);
      EXPECT_LE(Rms(logits - simulated), 0.5 * noise) << what << " on " << Name(set);
    }
  }
  method::Plan Plan(Grid activations, Grid weights, int bits, bool rows) const {
    return RangePlan(model_, images_, {activations, weights, bits, bits, rows});
  }

  const vit::VitModel model_;
  const at::Tensor images_;
};

TEST_F(IntegerExecutorTest, AgreesWithTheSimulationOnEveryGrid) {
  for (const Grid activations :
       {Grid::kAffine, Grid::kSymmetricFull, Grid::kSymmetricRestricted, Grid::kSymmetricHalf}) {
    for (const Grid weights : {Grid::kSymmetricFull, Grid::kSymmetricRestricted, Grid::kAffine, Grid::kSymmetricHalf}) {
      for (const int bits : {8, 5}) {
        for (const bool rows : {false, true}) {
          ExpectAgrees(Plan(activations, weights, bits, rows), std::string(quant::Name(activations)) + " x " +
                                                                   quant::Name(weights) + " " + std::to_string(bits) +
                                                                   (rows ? " rows" : ""));
        }
      }
    }
  }
}

TEST_F(IntegerExecutorTest, UnsignedProbabilitiesAndGelu) {
  method::Plan plan = Plan(Grid::kSymmetricFull, Grid::kSymmetricFull, 8, true);
  for (int64_t b = 0; b < model_.config().depth; ++b) {
    QuantParams& p = plan.operands.at({{OpKind::kPv, b}, Side::kLeft});
    p.grid = Grid::kUnsigned;
    p.scale[0] /= 2;
  }
  ExpectAgrees(plan, "unsigned probabilities");
}

TEST_F(IntegerExecutorTest, ScalesOfHeads) {
  method::Plan plan = Plan(Grid::kAffine, Grid::kSymmetricFull, 8, true);
  const int64_t heads = model_.config().heads;
  for (auto& [operand, params] : plan.operands) {
    if (!operand.op.has_weight()) {
      params.granularity = quant::Granularity::kPerChannel;
      params.axis = 1;
      const float scale = params.scale[0];
      params.scale.clear();
      for (int64_t head = 0; head < heads; ++head) {
        params.scale.push_back(scale * (1 + 0.25F * static_cast<float>(head)));
      }
      params.zero_point.assign(heads, params.zero_point[0]);
    }
  }
  ExpectAgrees(plan, "scales of heads");
}

TEST_F(IntegerExecutorTest, BitsAndCorrectionsOfChannels) {
  method::Plan plan = Plan(Grid::kAffine, Grid::kSymmetricFull, 4, true);
  for (auto& [operand, params] : plan.operands) {
    if (operand.is_weight()) {
      for (size_t row = 0; row < params.scale.size(); ++row) {
        params.channel_bits.push_back(row % 3 == 0 ? 2 : 5);
        params.correction.push_back(0.01F * static_cast<float>(row % 5));
      }
    }
  }
  ExpectAgrees(plan, "bits and corrections of channels");
}

// Ops above 8 bits, ops without a plan and half-planned ones run in float, and the coverage says so.
TEST_F(IntegerExecutorTest, OpsThatDoNotFitBytesRunInFloat) {
  const method::Plan all = Plan(Grid::kAffine, Grid::kSymmetricFull, 8, true);
  for (const OpKind kind : {OpKind::kQkv, OpKind::kQk, OpKind::kPv, OpKind::kProj, OpKind::kFc1, OpKind::kFc2,
                            OpKind::kPatchEmbed, OpKind::kHead}) {
    for (const std::string how : {"12 bits", "no plan", "half a plan"}) {
      method::Plan plan = all;
      int64_t total = 0, integer = 0;
      for (const vit::OpId& op : vit::AllOps(model_.config())) {
        const int64_t macs = vit::ShapeOf(op, model_.config()).multiply_accumulates();
        total += macs;
        integer += op.kind == kind ? 0 : macs;
        if (op.kind != kind) {
          continue;
        }
        if (how == "12 bits") {
          QuantParams& left = plan.operands.at({op, Side::kLeft});
          left.num_bits = 12;
          left.scale[0] /= 16;
          left.zero_point[0] *= 16;
        } else {
          plan.operands.erase({op, Side::kLeft});
          if (how == "no plan") {
            plan.operands.erase({op, Side::kRight});
          }
        }
      }
      ExpectAgrees(plan, vit::OpId{kind, 0}.name() + " " + how,
                   static_cast<double>(integer) / static_cast<double>(total));
    }
  }
}

TEST_F(IntegerExecutorTest, AnEmptyPlanIsTheFloatModel) {
  const at::Tensor exact = Simulated({});
  for (const InstructionSet set : Available()) {
    const auto executor = Integer({}, set);
    EXPECT_EQ(executor->int8_coverage(), 0);
    EXPECT_TRUE(at::allclose(executor->Run(images_), exact, 1e-4, 1e-5)) << Name(set);
  }
}

TEST_F(IntegerExecutorTest, LayerNormInputsAreQuantized) {
  method::Plan plan = Plan(Grid::kAffine, Grid::kSymmetricFull, 8, true);
  for (const vit::NormId& norm : vit::AllNorms(model_.config())) {
    QuantParams params{Grid::kSymmetricFull, 4, quant::Granularity::kPerTensor, -1, {0.4F}, {0}};
    if (norm.kind == vit::NormId::Kind::kNorm2) {
      params.granularity = quant::Granularity::kPerChannel;
      params.axis = 2;
      params.scale.assign(model_.config().width, 0.4F);
      params.zero_point.assign(model_.config().width, 0);
      params.scale[1] = 0.8F;
    }
    plan.norm_inputs[norm] = params;
  }
  ExpectAgrees(plan, "LayerNorm inputs");
}

TEST_F(IntegerExecutorTest, ReplacedParametersAreUsed) {
  method::Plan plan = Plan(Grid::kAffine, Grid::kSymmetricFull, 8, true);
  const at::Tensor before = Integer(plan, BestInstructionSet())->Run(images_);
  plan.replaced_parameters["head.bias"] =
      vit::FromTorch(model_.parameter("head.bias") + 4 * at::ones({model_.config().classes}));
  const at::Tensor after = Integer(plan, BestInstructionSet())->Run(images_);
  // Half of what the class token's head says.
  EXPECT_TRUE(at::allclose(after - before, at::full_like(after, 2), 0, 1e-4));
}

// An image's logits depend on neither its batch nor the threads nor who else is running.
TEST_F(IntegerExecutorTest, BatchesAndThreadsChangeNothing) {
  const method::Plan plan = Plan(Grid::kAffine, Grid::kSymmetricFull, 8, true);
  for (const InstructionSet set : Available()) {
    const auto one = Integer(plan, set);
    const auto two = Integer(plan, set, 2);
    const auto three = Integer(plan, set, 3);
    const at::Tensor all = one->Run(images_);
    EXPECT_TRUE(BitEqual(one->Run(images_), all)) << "a second call, " << Name(set);
    for (int64_t i = 0; i < images_.size(0); ++i) {
      const at::Tensor image = images_.narrow(0, i, 1);
      EXPECT_TRUE(BitEqual(one->Run(image), all.narrow(0, i, 1)));
      EXPECT_TRUE(BitEqual(two->Run(image), all.narrow(0, i, 1))) << "one image on two threads, " << Name(set);
    }
    EXPECT_TRUE(BitEqual(two->Run(images_), all));
    EXPECT_TRUE(BitEqual(three->Run(images_.narrow(0, 0, 4)), all.narrow(0, 0, 4)));
    EXPECT_TRUE(BitEqual(three->Run(images_.narrow(0, 0, 2)), all.narrow(0, 0, 2)));
  }
}

TEST_F(IntegerExecutorTest, EveryOpIsExplained) {
  const auto executor = Integer(Plan(Grid::kAffine, Grid::kSymmetricFull, 8, true), BestInstructionSet());
  const std::vector<vit::OpId> ops = vit::AllOps(model_.config());
  ASSERT_EQ(executor->ops().size(), ops.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    EXPECT_EQ(executor->ops()[i].op, ops[i]);
    EXPECT_TRUE(executor->ops()[i].integer);
    EXPECT_THAT(executor->ops()[i].kernel, HasSubstr("8s8"));
  }
  executor->SetProfiling(true);
  executor->Run(images_);
  double seconds = 0;
  for (const auto& [work, spent] : executor->TakeProfile()) {
    EXPECT_FALSE(work.empty());
    seconds += spent;
  }
  EXPECT_GT(seconds, 0);
  for (const auto& [work, spent] : executor->TakeProfile()) {
    EXPECT_EQ(spent, 0) << work;
  }
}

TEST_F(IntegerExecutorTest, RefusalsNameTheOperandAndTheGrid) {
  method::Plan plan = Plan(Grid::kAffine, Grid::kSymmetricFull, 8, true);
  QuantParams& p = plan.operands.at({{OpKind::kPv, 1}, Side::kLeft});
  p.grid = Grid::kLogSqrt2;
  p.zero_point = {0};
  const auto executor = MakeIntegerExecutor(model_, plan, {});
  ASSERT_FALSE(executor.ok());
  EXPECT_EQ(executor.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(executor.error().message, HasSubstr("blocks.1.attn.pv.left"));
  EXPECT_THAT(executor.error().message, HasSubstr("log_sqrt2"));
  plan.operands.erase({{OpKind::kPv, 1}, Side::kLeft});
  plan.operands[{{OpKind::kPv, 77}, Side::kLeft}] = QuantParams{};
  EXPECT_EQ(MakeIntegerExecutor(model_, plan, {}).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace ptq::exec
