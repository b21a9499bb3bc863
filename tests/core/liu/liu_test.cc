#include "core/liu/liu.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/exec/executor.h"
#include "core/liu/sensitivity.h"
#include "core/method/fake_quant_engine.h"
#include "tests/testing/tiny_model.h"

namespace ptq::liu {
namespace {

using ::testing::HasSubstr;
using Given = std::map<std::string, method::ParameterValue>;
using method::Plan;
using method::Scheme;

Scheme Uniform(int bits) { return Scheme{bits, bits}; }

Scheme MixedAround(int bits) {
  Scheme scheme{bits, bits};
  scheme.mixed = true;
  return scheme;
}

// Channel means of every linear op's output.
class MeanEngine final : public vit::OpEngine {
 public:
  explicit MeanEngine(vit::OpEngine& base) : base_(base) {}
  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    at::Tensor output = base_.Linear(op, input, weight, bias);
    means[op] = output.to(at::kDouble).reshape({-1, output.size(-1)}).mean(0);
    return output;
  }
  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) override {
    return base_.MatMul(op, left, right);
  }
  std::map<vit::OpId, at::Tensor> means;

 private:
  vit::OpEngine& base_;
};

class LiuTest : public ::testing::Test {
 protected:
  LiuTest() : method_(MakeLiu()), model_(testing::TinyModel()), pixels_(testing::RandomImages(model_.config(), 12)) {}

  Result<Plan> Run(const Scheme& scheme, const Given& given = {}) {
    PTQ_ASSIGN_OR_RETURN(const method::Parameters parameters,
                         method::Parameters::Resolve(method_->info().parameters, given, scheme.mixed));
    PTQ_RETURN_IF_ERROR(method::CheckSupport(*method_, scheme, parameters, model_.config()));
    testing::MemoryImages images(pixels_);
    NullProgress progress;
    NullCheckpoint checkpoint;
    calib::Calibration calibration(model_, images, progress, 5);
    return method_->Quantize({model_, calibration, scheme, parameters, RandomStream(1, "liu"), progress, checkpoint});
  }

  std::map<vit::OpId, at::Tensor> MeansUnder(const Plan& plan) {
    const vit::VitModel corrected = model_.WithReplaced(plan.replaced_parameters).value();
    method::FakeQuantEngine quantized(corrected, plan);
    MeanEngine engine(quantized);
    corrected.Forward(pixels_, engine);
    return engine.means;
  }

  std::unique_ptr<method::Method> method_;
  vit::VitModel model_;
  at::Tensor pixels_;
};

// Behind an already corrected prefix, every op of the quantized model has the float model's channel means.
TEST_F(LiuTest, BiasCorrectionRestoresEveryChannelMean) {
  const std::map<vit::OpId, at::Tensor> expected = MeansUnder(Plan());
  const Plan plan = Run(Uniform(4), {{"calibration_order", std::string("sequential")}}).value();
  const std::map<vit::OpId, at::Tensor> means = MeansUnder(plan);
  const Plan without =
      Run(Uniform(4), {{"calibration_order", std::string("sequential")}, {"bias_correction", false}}).value();
  EXPECT_TRUE(without.replaced_parameters.empty());
  const std::map<vit::OpId, at::Tensor> uncorrected = MeansUnder(without);
  ASSERT_EQ(means.size(), 10U);
  for (const auto& [op, mean] : means) {
    EXPECT_LT((mean - expected.at(op)).abs().max().item<double>(), 2e-6) << op.name();
    EXPECT_GT((uncorrected.at(op) - expected.at(op)).abs().max().item<double>(), 1e-4) << op.name();
  }
}

// In parallel order the first op stands behind nothing, so the same holds there; its original bias is the start.
TEST_F(LiuTest, BiasCorrectionStartsFromTheOriginalBias) {
  const Plan plan = Run(Uniform(3)).value();
  const vit::OpId embed{vit::OpKind::kPatchEmbed, -1};
  EXPECT_LT((MeansUnder(plan).at(embed) - MeansUnder(Plan()).at(embed)).abs().max().item<double>(), 2e-6);
  EXPECT_EQ(plan.replaced_parameters.size(), 10U) << "every op with a weight, no product";
}

TEST_F(LiuTest, ProjectionsHaveIntervalsOfTheirOwnUnlessFused) {
  const vit::OperandId qkv{{vit::OpKind::kQkv, 0}, vit::Side::kRight};
  const Plan separate = Run(Uniform(6)).value();
  const quant::QuantParams& params = separate.operands.at(qkv);
  ASSERT_EQ(params.scale.size(), 48U);
  EXPECT_EQ(std::set<float>(params.scale.begin(), params.scale.end()).size(), 3U);
  for (int64_t row = 0; row < 48; ++row) {
    EXPECT_EQ(params.scale[row], params.scale[row / 16 * 16]);
  }
  const Plan fused = Run(Uniform(6), {{"qkv_intervals", std::string("fused")}}).value();
  EXPECT_EQ(fused.operands.at(qkv).granularity, quant::Granularity::kPerTensor);
}

TEST_F(LiuTest, IntervalsLieInTheSearchedRange) {
  const Plan plan = Run(Uniform(8)).value();
  const at::Tensor weight = model_.parameter("blocks.1.mlp.fc1.weight");
  const float initial = weight.abs().max().item<float>() / 127;
  const float found = plan.operands.at({{vit::OpKind::kFc1, 1}, vit::Side::kRight}).scale[0];
  EXPECT_GE(found, 0.4999F * initial);
  EXPECT_LE(found, 1.2001F * initial);
}

TEST_F(LiuTest, TheRankingTermMovesTheScoresOnly) {
  const Plan with = Run(Uniform(4)).value();
  const Plan without = Run(Uniform(4), {{"ranking", false}}).value();
  int moved = 0;
  for (const auto& [operand, params] : with.operands) {
    const bool same = params == without.operands.at(operand);
    EXPECT_TRUE(same || operand.op.kind == vit::OpKind::kQk) << operand.name();
    moved += same ? 0 : 1;
  }
  EXPECT_GT(moved, 0);
}

TEST_F(LiuTest, MixedBitsFollowTheAllocation) {
  const Plan plan = Run(MixedAround(5)).value();
  ASSERT_TRUE(plan.allocation.has_value());
  const method::BitAllocation& allocation = *plan.allocation;
  EXPECT_EQ(allocation.candidate_bits, (std::vector<int>{3, 4, 5, 6, 7}));
  ASSERT_EQ(allocation.groups.size(), 4U);
  EXPECT_EQ(allocation.groups[0].name, "blocks.0.attn");
  EXPECT_EQ(allocation.groups[3].name, "blocks.1.mlp");
  for (const auto& [operand, params] : plan.operands) {
    int bits = 5;
    for (size_t g = 0; g < allocation.groups.size(); ++g) {
      if (operand.op.name().rfind(allocation.groups[g].name + ".", 0) == 0) {
        bits = allocation.choice().bits[g];
      }
    }
    EXPECT_EQ(params.num_bits, bits) << operand.name();
  }
  const double uniform = method::SizeUnder(Run(Uniform(5)).value(), model_.config()).paper_bytes;
  const double size = method::SizeUnder(plan, model_.config()).paper_bytes;
  EXPECT_DOUBLE_EQ(size, allocation.choice().size_bytes);
  EXPECT_LE(size, 1.01 * uniform);
}

// With one candidate there is nothing to choose: mixed precision is uniform precision.
TEST_F(LiuTest, OneCandidateGivesTheUniformPlan) {
  const Plan mixed = Run(MixedAround(6), {{"candidate_bits", std::string("6")}}).value();
  const Plan uniform = Run(Uniform(6)).value();
  EXPECT_TRUE(mixed.operands == uniform.operands);
}

TEST_F(LiuTest, ABudgetThatNothingMeetsIsOneSentence) {
  const Result<Plan> plan = Run(MixedAround(4), {{"candidate_bits", std::string("8,10")}});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(plan.error().message, HasSubstr("budget"));
  EXPECT_THAT(plan.error().message, HasSubstr("candidate_bits"));
}

TEST_F(LiuTest, WrongSettingsAreRefused) {
  const auto faults = [&](const Given& given, bool mixed) {
    const auto resolved = method::Parameters::Resolve(method_->info().parameters, given, mixed);
    return resolved.ok() ? std::string() : resolved.error().message;
  };
  EXPECT_EQ(faults({}, false), "");
  for (const char* list : {"8,6", "4,,6", "4,", "", "1,2", "17", "4 6", "four"}) {
    EXPECT_THAT(faults({{"candidate_bits", std::string(list)}}, true), HasSubstr("ascending bits")) << list;
  }
  EXPECT_EQ(faults({{"candidate_bits", std::string("2,9,16")}}, true), "");
  EXPECT_THAT(faults({{"allocator", std::string("pareto")}}, false), HasSubstr("mixed precision"));
  EXPECT_THAT(faults({{"ranking", false}, {"theta", 0.3}}, false), HasSubstr("ranking = true"));
  EXPECT_EQ(Run(Uniform(8), {{"ranking_ops", std::string("qk_and_qkv")}, {"qkv_intervals", std::string("fused")}})
                .error()
                .code,
            ErrorCode::kUnsupported);
}

TEST_F(LiuTest, AConstantInputIsNamed) {
  pixels_.fill_(0.5);
  const Result<Plan> plan = Run(Uniform(8));
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().where, "patch_embed.proj.left");
  EXPECT_THAT(plan.error().message, HasSubstr("0.5"));
}

TEST(GroupsTest, CountAndParametersOfThePaper) {
  vit::VitConfig config;
  config.width = 384;
  config.heads = 6;
  config.mlp_hidden = 1536;
  const Settings settings;
  const std::vector<Group> groups = Groups(config, {}, settings);
  ASSERT_EQ(groups.size(), 24U);
  for (size_t g = 0; g < groups.size(); g += 2) {
    EXPECT_EQ(groups[g].parameters, 591360);
    EXPECT_EQ(groups[g + 1].parameters, 1181568);
    EXPECT_EQ(groups[g].kind, GroupKind::kAttention);
    EXPECT_EQ(groups[g + 1].kind, GroupKind::kMlp);
  }
  Settings extra = settings;
  extra.extra_groups = true;
  EXPECT_EQ(Groups(config, {}, extra).size(), 26U);
  EXPECT_EQ(Groups(config, {}, extra).front().parameters, 384 * 768 + 384);
}

TEST(GroupsTest, AnAttentionMapDependsOnQkvAndQkAlone) {
  Settings settings;
  const std::vector<Group> groups = Groups(testing::TinyConfig(), {}, settings);
  EXPECT_EQ(groups[0].upstream.size(), 2U);
  EXPECT_EQ(groups[0].watched.kind, vit::OpKind::kQk);
  EXPECT_EQ(groups[1].upstream.size(), 2U);
  EXPECT_EQ(groups[1].watched.kind, vit::OpKind::kFc2);
  settings.sensitivity_map = SensitivityMap::kModuleOutput;
  const std::vector<Group> modules = Groups(testing::TinyConfig(), {}, settings);
  EXPECT_EQ(modules[0].upstream.size(), 4U);
  EXPECT_EQ(modules[0].watched.kind, vit::OpKind::kProj);
}

TEST(NuclearNormTest, SumOfSingularValuesAveragedOverMatrices) {
  const at::Tensor diagonal = at::diag(at::tensor({3.0F, -4.0F, 0.5F}));
  EXPECT_NEAR(NuclearNorm(diagonal.unsqueeze(0), "y").value(), 7.5, 1e-6);
  const at::Tensor rank_one = at::ones({4, 9});  // its one singular value is sqrt(4 * 9)
  EXPECT_NEAR(NuclearNorm(rank_one.expand({2, 3, 4, 9}), "y").value(), 6, 1e-6);
  EXPECT_NEAR(NuclearNorm(at::stack({at::eye(3), 2 * at::eye(3)}), "y").value(), (3 + 6) / 2.0, 1e-6);
}

TEST(NuclearNormTest, WhatIsNotFiniteIsNamed) {
  const Result<double> norm = NuclearNorm(at::full({1, 2, 2}, std::nanf("")), "blocks.0.attn");
  ASSERT_FALSE(norm.ok());
  EXPECT_EQ(norm.error().where, "blocks.0.attn");
}

TEST(SquaredNormTest, FrobeniusNormAveragedOverMatrices) {
  EXPECT_DOUBLE_EQ(SquaredNorm(at::zeros({2, 3, 4, 5})), 0);
  EXPECT_DOUBLE_EQ(SquaredNorm(at::full({2, 3, 4, 5}, 0.5F)), 20 * 0.25);
}

TEST(OmegaTest, IsTheProductAsPrintedOrFreeOfUnits) {
  Settings settings;
  EXPECT_DOUBLE_EQ(Omega(settings, 10, 3, 16), 30);
  settings.relative_sensitivity = true;
  EXPECT_DOUBLE_EQ(Omega(settings, 10, 3, 16), 10.0 / 4 * 3 / 16);
  EXPECT_DOUBLE_EQ(Omega(settings, 20, 12, 64), Omega(settings, 10, 3, 16)) << "an output twice as large";
  EXPECT_DOUBLE_EQ(Omega(settings, 0, 0, 0), 0);
}

}  // namespace
}  // namespace ptq::liu
