// Reverse-mode gradients against central differences of the scalar that they belong to.
#include "baselines/ptq4vit/output_gradients.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/tiny_model.h"

namespace ptq::baselines::ptq4vit {
namespace {

// Adds `step` to one element of one op's output.
class NudgingEngine final : public vit::OpEngine {
 public:
  NudgingEngine(const vit::OpId& op, int64_t element, float step) : op_(op), element_(element), step_(step) {}
  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    return Nudged(op, OpEngine::Linear(op, input, weight, bias));
  }
  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) override {
    return Nudged(op, OpEngine::MatMul(op, left, right));
  }

 private:
  at::Tensor Nudged(const vit::OpId& op, const at::Tensor& output) const {
    if (op != op_) {
      return output;
    }
    at::Tensor copy = output.clone().contiguous();
    copy.data_ptr<float>()[element_] += step_;
    return copy;
  }
  const vit::OpId op_;
  const int64_t element_;
  const float step_;
};

class OutputGradientsTest : public ::testing::TestWithParam<bool> {
 protected:
  OutputGradientsTest()
      : model_(testing::TinyModel(GetParam())), pixels_(testing::RandomImages(model_.config(), 5)), images_(pixels_) {}

  // The gradients of every op, images in two batches.
  std::map<vit::OpId, at::Tensor> All(const std::vector<float>& image_weights = {}) {
    NullProgress progress;
    calib::Calibration calibration(model_, images_, progress, 3);
    const OutputGradients gradients = OutputGradients::Create(calibration, image_weights, progress).value();
    std::map<vit::OpId, at::Tensor> all;
    std::vector<at::Tensor> entering;
    int64_t index = 0;
    const Status walked = calibration.ForEachStage(nullptr, [&](calib::Stage& stage) -> Status {
      PTQ_ASSIGN_OR_RETURN(const auto of_stage, gradients.OfStage(index, entering));
      all.insert(of_stage.begin(), of_stage.end());
      entering.clear();
      ++index;
      vit::OpEngine engine;
      return stage.Run(engine, &entering);
    });
    PTQ_CHECK(walked.ok());
    return all;
  }

  const vit::VitModel model_;
  const at::Tensor pixels_;
  testing::MemoryImages images_;
};

TEST_P(OutputGradientsTest, MatchCentralDifferences) {
  const std::map<vit::OpId, at::Tensor> all = All();
  ASSERT_EQ(all.size(), vit::AllOps(model_.config()).size());
  const at::NoGradGuard no_grad;
  vit::OpEngine engine;
  const at::Tensor prediction = at::softmax(model_.Forward(pixels_, engine), -1).to(at::kDouble);
  constexpr float kStep = 1e-2F;
  for (const auto& [op, gradient] : all) {
    ASSERT_EQ(gradient.size(0), 5);
    const at::Tensor flat = gradient.flatten();
    const double size = flat.abs().max().item<double>();
    for (int64_t i = 0; i < flat.numel(); i += std::max<int64_t>(1, flat.numel() / 17)) {
      double scalar[2];
      for (const int side : {0, 1}) {
        NudgingEngine nudging(op, i, side == 0 ? -kStep : kStep);
        scalar[side] = (model_.Forward(pixels_, nudging).to(at::kDouble) * prediction).sum().item<double>();
      }
      EXPECT_NEAR(flat[i].item<double>(), (scalar[1] - scalar[0]) / (2 * kStep), 0.02 * size + 1e-4)
          << op.name() << " " << i;
    }
  }
}

// The scalar's gradient at the logits is the prediction; of a distilled model each head has half of it.
TEST_P(OutputGradientsTest, ThePredictionIsTheGradientAtTheLogits) {
  const std::map<vit::OpId, at::Tensor> all = All();
  const at::NoGradGuard no_grad;
  vit::OpEngine engine;
  const at::Tensor prediction = at::softmax(model_.Forward(pixels_, engine), -1);
  const at::Tensor at_head = all.at({vit::OpKind::kHead, -1}).squeeze(1);
  EXPECT_TRUE(at::allclose(at_head * (GetParam() ? 2 : 1), prediction, 1e-4, 1e-6));
}

TEST_P(OutputGradientsTest, AnImagesWeightScalesItsGradients) {
  const std::map<vit::OpId, at::Tensor> plain = All();
  const std::vector<float> weights = {1, -2, 0, 4, 0.5F};
  for (const auto& [op, gradient] : All(weights)) {
    for (int64_t image = 0; image < 5; ++image) {
      const at::Tensor expected = plain.at(op)[image] * weights[image];
      EXPECT_TRUE(at::allclose(gradient[image], expected, 1e-4, 1e-7)) << op.name() << " image " << image;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(PlainAndDistilled, OutputGradientsTest, ::testing::Bool());

}  // namespace
}  // namespace ptq::baselines::ptq4vit
