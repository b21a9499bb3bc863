#include "baselines/lapq/network_loss.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/exec/executor.h"
#include "tests/testing/tiny_model.h"

namespace ptq::baselines::lapq {
namespace {

constexpr int64_t kImages = 12;

class NetworkLossTest : public ::testing::Test {
 protected:
  // Six blocks, so that not every stage's input is kept.
  NetworkLossTest() : model_(Deep()), images_(testing::RandomImages(model_.config(), kImages)) {
    for (const vit::OpId& op : vit::AllOps(model_.config())) {
      operands_.push_back({op, vit::Side::kLeft});
      operands_.push_back({op, vit::Side::kRight});
    }
    for (int64_t i = 0; i < kImages; ++i) {
      labels_.push_back(i % model_.config().classes);
    }
  }
  static vit::VitModel Deep() {
    vit::VitConfig config = testing::TinyConfig();
    config.depth = 6;
    return testing::RandomModel(config);
  }
  // Four bits with a step that suits values of size 1.
  static quant::QuantParams Params(double scale) {
    quant::QuantParams params;
    params.num_bits = 4;
    params.scale = {static_cast<float>(scale)};
    params.zero_point = {0};
    return params;
  }
  NetworkLoss Make(bool labelled = true) const {
    return NetworkLoss(model_, {{images_, labelled ? labels_ : std::vector<int64_t>()}});
  }
  at::Tensor Logits(const method::Plan& plan) const {
    return exec::MakeSimulatedExecutor(model_, plan).value()->Run(images_).to(at::kDouble);
  }

  vit::VitModel model_;
  at::Tensor images_;
  std::vector<vit::OperandId> operands_;
  std::vector<int64_t> labels_;
};

TEST_F(NetworkLossTest, CrossEntropyOfTheLabels) {
  NetworkLoss loss = Make();
  method::Plan plan;
  for (const vit::OperandId& operand : operands_) {
    plan.operands[operand] = Params(0.2);
    loss.Set(operand, Params(0.2));
  }
  const at::Tensor logits = Logits(plan);
  double sum = 0;
  for (int64_t i = 0; i < kImages; ++i) {
    sum += (at::logsumexp(logits[i], {0}) - logits[i][labels_[i]]).item<double>();
  }
  EXPECT_NEAR(loss.Of(0), sum / kImages, 1e-5);
}

TEST_F(NetworkLossTest, DivergenceFromTheFloatModel) {
  NetworkLoss loss = Make(false);
  EXPECT_NEAR(loss.Of(0), 0, 1e-12) << "nothing is quantized";
  method::Plan plan;
  for (const vit::OperandId& operand : operands_) {
    plan.operands[operand] = Params(0.2);
    loss.Set(operand, Params(0.2));
  }
  const at::Tensor expected = at::log_softmax(Logits({}), -1);
  const at::Tensor found = at::log_softmax(Logits(plan), -1);
  const double divergence = (expected.exp() * (expected - found)).sum().item<double>() / kImages;
  EXPECT_GT(divergence, 1e-3);
  EXPECT_NEAR(loss.Of(0), divergence, 1e-5);
}

// One operand after another, back and forth, against a network that was never asked anything else.
TEST_F(NetworkLossTest, ChangedOneOperandAtATimeEqualsAllAnewBitForBit) {
  NetworkLoss cached = Make();
  std::vector<double> scales(operands_.size(), 0.2);
  for (size_t i = 0; i < operands_.size(); ++i) {
    cached.Set(operands_[i], Params(scales[i]));
  }
  cached.Of(0);
  const size_t order[] = {40, 41, 40, 3, 28, 29, 75, 0, 12, 13, 74, 1, 50};
  for (const size_t changed : order) {
    scales[changed] *= 1.3;
    cached.Set(operands_[changed], Params(scales[changed]));
    NetworkLoss anew = Make();
    for (size_t i = 0; i < operands_.size(); ++i) {
      anew.Set(operands_[i], Params(scales[i]));
    }
    EXPECT_EQ(cached.Of(0), anew.Of(0)) << operands_[changed].name();
  }
}

TEST_F(NetworkLossTest, RunsOnlyWhatAChangeReaches) {
  NetworkLoss loss = Make();
  const int64_t stages = model_.config().depth + 2;
  loss.Of(0);
  const int64_t all = loss.stages_run();
  const int64_t batches = all / stages;
  EXPECT_EQ(all, batches * stages);
  EXPECT_GE(batches, 1);
  const auto stages_after = [&](const vit::OpId& op) {
    const int64_t before = loss.stages_run();
    loss.Set({op, vit::Side::kLeft}, Params(0.1 + 1e-4 * static_cast<double>(before)));
    loss.Of(0);
    return (loss.stages_run() - before) / batches;
  };
  EXPECT_EQ(stages_after({vit::OpKind::kHead, -1}), 2) << "from the nearest kept input";
  EXPECT_EQ(stages_after({vit::OpKind::kHead, -1}), 1) << "the second change of a stage";
  EXPECT_EQ(stages_after({vit::OpKind::kPatchEmbed, -1}), stages);
  EXPECT_EQ(stages_after({vit::OpKind::kQkv, 0}), stages - 1) << "the next stage";
  EXPECT_EQ(stages_after({vit::OpKind::kFc2, 0}), stages - 1);
  EXPECT_EQ(stages_after({vit::OpKind::kFc1, 4}), 4) << "block 4 is stage 5; stage 4's input is kept";
  EXPECT_EQ(stages_after({vit::OpKind::kFc1, 4}), 3);
  const int64_t before = loss.stages_run();
  loss.Of(0);
  EXPECT_EQ(loss.stages_run(), before) << "nothing changed";
}

TEST_F(NetworkLossTest, PartsAreScoredByThemselves) {
  const std::vector<int64_t> first(labels_.begin(), labels_.begin() + 8);
  const std::vector<int64_t> rest(labels_.begin() + 8, labels_.end());
  NetworkLoss both(model_, {{images_.narrow(0, 0, 8), first}, {images_.narrow(0, 8, 4), rest}});
  NetworkLoss alone(model_, {{images_.narrow(0, 8, 4), rest}});
  NetworkLoss whole = Make();
  for (NetworkLoss* loss : {&both, &alone, &whole}) {
    loss->Set(operands_[20], Params(0.3));
  }
  EXPECT_EQ(both.Of(1), alone.Of(0));
  EXPECT_NEAR((8 * both.Of(0) + 4 * both.Of(1)) / kImages, whole.Of(0), 1e-6);
}

TEST_F(NetworkLossTest, ThreadsDoNotChangeTheLoss) {
  const int threads = at::get_num_threads();
  double losses[2];
  for (const int t : {1, 2}) {
    at::set_num_threads(t);
    NetworkLoss loss = Make();
    loss.Set(operands_[5], Params(0.3));
    losses[t - 1] = loss.Of(0);
    EXPECT_EQ(at::get_num_threads(), t) << "left as it was";
  }
  at::set_num_threads(threads);
  EXPECT_EQ(losses[0], losses[1]);
}

}  // namespace
}  // namespace ptq::baselines::lapq
