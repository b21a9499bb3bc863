#include "baselines/bit_split/bit_split.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "baselines/bit_split/activation_scale.h"
#include "baselines/bit_split/op_codes.h"
#include "core/quant/fake_quant.h"
#include "tests/baselines/quantize_tiny.h"
#include "tests/testing/memory_checkpoint.h"

namespace ptq::baselines {
namespace {

using ::testing::HasSubstr;
using Given = std::map<std::string, method::ParameterValue>;

method::Scheme PerChannel(int weight_bits, int activation_bits) {
  method::Scheme scheme{weight_bits, activation_bits};
  scheme.weight_granularity = quant::Granularity::kPerChannel;
  return scheme;
}

bool SameWeight(const method::Plan& a, const method::Plan& b, const vit::OpId& op) {
  return *a.replaced_parameters.at(op.weight_name()).bytes == *b.replaced_parameters.at(op.weight_name()).bytes &&
         a.operands.at({op, vit::Side::kRight}) == b.operands.at({op, vit::Side::kRight});
}

bool SamePlan(const method::Plan& a, const method::Plan& b) {
  const method::EncodedPlan x = method::Encode(a);
  const method::EncodedPlan y = method::Encode(b);
  if (x.metadata != y.metadata || x.tensors.size() != y.tensors.size()) {
    return false;
  }
  for (const auto& [name, tensor] : x.tensors) {
    if (y.tensors.count(name) == 0 || *tensor.bytes != *y.tensors.at(name).bytes) {
      return false;
    }
  }
  return true;
}

class BitSplitTest : public ::testing::Test {
 protected:
  method::Plan Plan(const method::Scheme& scheme, const Given& given = {}) {
    return tiny_.Run(*method_, scheme, given).value();
  }

  // The model, with a checkpoint and images of the test's choice.
  Result<method::Plan> Run(const at::Tensor& images, Checkpoint& checkpoint, Progress& progress, uint64_t seed = 1,
                           const Given& given = {}) {
    const method::Scheme scheme = PerChannel(4, 8);
    const method::Parameters parameters = method::Parameters::Resolve(method_->info().parameters, given).value();
    testing::MemoryImages source(images);
    calib::Calibration calibration(tiny_.model(), source, progress, 16);
    return method_->Quantize(
        {tiny_.model(), calibration, scheme, parameters, RandomStream(seed, "tiny"), progress, checkpoint});
  }

  at::Tensor Weight(const vit::OpId& op) const {
    const at::Tensor weight = tiny_.model().parameter(op.weight_name());
    return weight.contiguous().view({weight.size(0), -1});
  }

  QuantizeTiny tiny_;
  const std::unique_ptr<method::Method> method_ = MakeBitSplit();
  const vit::OpId patch_{vit::OpKind::kPatchEmbed, -1};
  const vit::OpId qkv_{vit::OpKind::kQkv, 0};
  const vit::OpId fc2_{vit::OpKind::kFc2, 1};
  const vit::OpId head_{vit::OpKind::kHead, -1};
};

TEST_F(BitSplitTest, RefusesWhatItCannotSplit) {
  const auto fault = [&](const method::Scheme& scheme) { return tiny_.Run(*method_, scheme).error(); };
  EXPECT_EQ(fault(PerChannel(2, 8)).code, ErrorCode::kUnsupported);
  EXPECT_THAT(fault(PerChannel(2, 8)).message, HasSubstr("at least 3 bits"));
  EXPECT_EQ(fault({8, 8}).code, ErrorCode::kUnsupported);
  EXPECT_THAT(fault({8, 8}).message, HasSubstr("per_channel"));
  EXPECT_TRUE(tiny_.Run(*method_, PerChannel(3, 2)).ok());
}

// Fake quantization with the plan's scales gives the plan's weights back bit for bit, so that their codes are the ones
// that were found.
TEST_F(BitSplitTest, TheReplacedWeightsAreTheirOwnQuantization) {
  for (const int bits : {3, 6, 8, 16}) {
    const method::Plan plan = Plan(PerChannel(bits, 8));
    int weights = 0;
    for (const auto& [operand, params] : plan.operands) {
      if (operand.is_weight()) {
        const at::Tensor replaced = vit::ToTorch(plan.replaced_parameters.at(operand.op.weight_name()));
        EXPECT_EQ(replaced.sizes(), tiny_.model().parameter(operand.op.weight_name()).sizes());
        EXPECT_TRUE(testing::BitEqual(quant::FakeQuantize(replaced, params), replaced)) << operand.name();
        ++weights;
      }
    }
    EXPECT_EQ(weights, 10);
    EXPECT_EQ(plan.replaced_parameters.size(), 10U);
  }
}

TEST_F(BitSplitTest, GridsAreThoseOfThePaper) {
  const method::Plan plan = Plan(PerChannel(8, 6));
  for (const auto& [operand, params] : plan.operands) {
    const bool softmax = operand.op.kind == vit::OpKind::kPv && operand.side == vit::Side::kLeft;
    EXPECT_EQ(params.grid, softmax ? quant::Grid::kUnsigned : quant::Grid::kSymmetricRestricted) << operand.name();
    EXPECT_EQ(params.granularity,
              operand.is_weight() ? quant::Granularity::kPerChannel : quant::Granularity::kPerTensor);
  }
}

TEST_F(BitSplitTest, TheHeadIsReconstructedOnRequestOnly) {
  const method::Plan plan = Plan(PerChannel(4, 8));
  const bit_split::OpCodes alone = bit_split::CodesOfWeight(Weight(head_), 4, 1);
  const at::Tensor found = vit::ToTorch(plan.replaced_parameters.at("head.weight"));
  EXPECT_TRUE(testing::BitEqual(found, alone.Weight()));
  EXPECT_FALSE(SameWeight(plan, Plan(PerChannel(4, 8), {{"reconstruct_head", true}}), head_));
}

// The patch embedding sees the pictures themselves: its error can be computed here.
TEST_F(BitSplitTest, TheOutputErrorIsBelowThatOfCodesForTheWeightAlone) {
  const std::vector<float>& pixels = tiny_.ValuesOf({patch_, vit::Side::kLeft});
  const at::Tensor x = at::tensor(pixels).view({-1, Weight(patch_).size(1)});
  const auto error = [&](const at::Tensor& weight) {
    return at::matmul(x, (weight - Weight(patch_)).t()).square().sum().item<double>();
  };
  const method::Plan plan = Plan(PerChannel(3, 8));
  const at::Tensor found = vit::ToTorch(plan.replaced_parameters.at(patch_.weight_name())).view({-1, x.size(1)});
  EXPECT_LT(error(found), error(bit_split::CodesOfWeight(Weight(patch_), 3, 1).Weight()));
  EXPECT_LT(std::stod(plan.notes.at("output_error")), std::stod(plan.notes.at("output_error_before")));
}

TEST_F(BitSplitTest, ThePrefixIsQuantizedOrFloat) {
  method::Scheme float_patch = PerChannel(4, 8);
  float_patch.quantize_patch_embed = false;
  EXPECT_FALSE(SameWeight(Plan(PerChannel(4, 8)), Plan(float_patch), qkv_));
  const Given on_float = {{"prefix", std::string("float")}};
  const method::Plan a = Plan(PerChannel(4, 8), on_float);
  const method::Plan b = Plan(float_patch, on_float);
  EXPECT_TRUE(SameWeight(a, b, qkv_) && SameWeight(a, b, fc2_));
  EXPECT_FALSE(a.operands.at({qkv_, vit::Side::kLeft}) == b.operands.at({qkv_, vit::Side::kLeft}))
      << "activations are scaled behind the quantized weights in either case";
}

// What the last linear op of the blocks was reconstructed on, made anew from the plan: inputs of the network with the
// plan's weights and activations in float, outputs of the float network.
TEST_F(BitSplitTest, AWeightIsReconstructedBehindTheWeightsOfThePlan) {
  const method::Plan plan = Plan(PerChannel(4, 8));
  const vit::VitModel quantized = tiny_.model().WithReplaced(plan.replaced_parameters).value();
  bit_split::OpRows rows;
  for (const vit::VitModel* model : {&tiny_.model(), &quantized}) {
    NullProgress progress;
    testing::MemoryImages images(testing::RandomImages(model->config(), 20));
    calib::Calibration calibration(*model, images, progress);
    const Status walked = calibration.ForEachStage(nullptr, [&](calib::Stage& stage) -> Status {
      if (stage.ops().back() != fc2_) {
        return OkStatus();
      }
      vit::OpEngine engine;
      bit_split::OpRecorder recorder(engine);
      std::vector<int64_t> all(20 * model->config().tokens());
      std::iota(all.begin(), all.end(), 0);
      recorder.KeepRows(fc2_, all, true, true);
      PTQ_RETURN_IF_ERROR(stage.Run(recorder));
      PTQ_ASSIGN_OR_RETURN(const bit_split::OpRows seen, recorder.TakeRows(fc2_));
      (model == &quantized ? rows.input : rows.output) = model == &quantized ? seen.input : seen.output;
      return OkStatus();
    });
    ASSERT_TRUE(walked.ok());
  }
  const auto codes = bit_split::ReconstructedCodes(Weight(fc2_), rows, 4, {100, 1, nullptr});
  ASSERT_TRUE(codes.ok());
  EXPECT_TRUE(testing::BitEqual(vit::ToTorch(plan.replaced_parameters.at(fc2_.weight_name())), codes->Weight()));
}

// Weights first, then activations: no width of activations moves a weight.
TEST_F(BitSplitTest, WeightsDoNotDependOnActivationBits) {
  const method::Plan a = Plan(PerChannel(4, 8));
  const method::Plan b = Plan(PerChannel(4, 3));
  EXPECT_TRUE(SameWeight(a, b, fc2_) && SameWeight(a, b, head_));
  EXPECT_FALSE(a.operands.at({fc2_, vit::Side::kLeft}) == b.operands.at({fc2_, vit::Side::kLeft}));
}

// The pictures pass no weight: the rule can be applied to their values here.  Bins are at most 1/4096 of the range.
TEST_F(BitSplitTest, ActivationsFollowTheFixedPointRule) {
  const method::Plan plan = Plan(PerChannel(8, 4));
  bit_split::Magnitudes exact;
  for (const float x : tiny_.ValuesOf({patch_, vit::Side::kLeft})) {
    exact.values.push_back(std::abs(x));
    exact.counts.push_back(1);
    exact.bound = std::max(exact.bound, exact.values.back());
  }
  const double scale = bit_split::FixedPointScale(exact, 7);
  EXPECT_LT(scale, exact.bound / 7);
  EXPECT_NEAR(plan.operands.at({patch_, vit::Side::kLeft}).scale[0], scale, 0.01 * scale);
}

TEST_F(BitSplitTest, ThreadsDoNotChangeThePlan) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const method::Plan one = Plan(PerChannel(6, 6), {{"max_rows", int64_t{60}}});
  at::set_num_threads(2);
  const method::Plan two = Plan(PerChannel(6, 6), {{"max_rows", int64_t{60}}});
  at::set_num_threads(threads);
  EXPECT_TRUE(SamePlan(one, two));
}

TEST_F(BitSplitTest, TheSeedDrawsRowsWhereThereAreMoreThanAskedFor) {
  const at::Tensor images = testing::RandomImages(tiny_.model().config(), 20);
  NullProgress progress;
  NullCheckpoint none;
  EXPECT_TRUE(SamePlan(*Run(images, none, progress, 1), *Run(images, none, progress, 2)));
  const Given few = {{"max_rows", int64_t{30}}};
  EXPECT_FALSE(SamePlan(*Run(images, none, progress, 1, few), *Run(images, none, progress, 2, few)));
  testing::MemoryCheckpoint shared;
  EXPECT_TRUE(SamePlan(*Run(images, shared, progress, 1, few), *Run(images, none, progress, 1, few)));
  EXPECT_TRUE(SamePlan(*Run(images, shared, progress, 2, few), *Run(images, none, progress, 2, few)))
      << "a kept part of another seed";
}

TEST_F(BitSplitTest, FinishedPartsAreFoundAgain) {
  const at::Tensor images = testing::RandomImages(tiny_.model().config(), 20);
  NullProgress progress;
  NullCheckpoint none;
  const method::Plan undisturbed = *Run(images, none, progress);
  testing::MemoryCheckpoint checkpoint;
  testing::StoppingProgress stopping(4);
  const Result<method::Plan> stopped = Run(images, checkpoint, stopping);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted);
  EXPECT_GT(checkpoint.kept().size(), 0U);
  EXPECT_TRUE(SamePlan(*Run(images, checkpoint, progress), undisturbed));
  EXPECT_GT(checkpoint.found().size(), 0U);
  checkpoint.Forget();
  EXPECT_TRUE(SamePlan(*Run(images, checkpoint, progress), undisturbed));
  EXPECT_TRUE(checkpoint.missed().empty());
}

TEST_F(BitSplitTest, ADamagedPartIsRefused) {
  const at::Tensor images = testing::RandomImages(tiny_.model().config(), 20);
  NullProgress progress;
  testing::MemoryCheckpoint checkpoint;
  ASSERT_TRUE(Run(images, checkpoint, progress).ok());
  for (const auto& [key, value] : checkpoint.kept()) {
    testing::MemoryCheckpoint damaged;
    ASSERT_TRUE(damaged.Keep(key, "nonsense").ok());
    const Result<method::Plan> plan = Run(images, damaged, progress);
    ASSERT_FALSE(plan.ok()) << key;
    EXPECT_EQ(plan.error().code, ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace ptq::baselines
