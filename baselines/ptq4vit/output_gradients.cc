#include "baselines/ptq4vit/output_gradients.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>

namespace ptq::baselines::ptq4vit {
namespace {

// Multiplies in float and keeps the products, which require gradients: no parameter of the model does.
class TracingEngine final : public vit::OpEngine {
 public:
  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    return Keep(op, OpEngine::Linear(op, input, weight, bias));
  }
  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) override {
    return Keep(op, OpEngine::MatMul(op, left, right));
  }

  std::vector<vit::OpId> ops;
  std::vector<at::Tensor> outputs;

 private:
  at::Tensor Keep(const vit::OpId& op, at::Tensor output) {
    if (!output.requires_grad()) {
      output.requires_grad_(true);
    }
    ops.push_back(op);
    outputs.push_back(output);
    return output;
  }
};

at::Tensor RunStage(const vit::VitModel& model, int64_t stage, const at::Tensor& x, vit::OpEngine& engine) {
  if (stage == 0) {
    return model.Embed(x, engine);
  }
  return stage <= model.config().depth ? model.Block(stage - 1, x, engine) : model.Head(x, engine);
}

// The gradient at x of a stage's outputs times `at_output`.
at::Tensor GradientAtInput(const vit::VitModel& model, int64_t stage, const at::Tensor& x,
                           const at::Tensor& at_output) {
  const at::AutoGradMode with_grad(true);
  vit::OpEngine engine;
  const at::Tensor leaf = x.detach().requires_grad_(true);
  const at::Tensor output = RunStage(model, stage, leaf, engine);
  return torch::autograd::grad({output}, {leaf}, {at_output})[0];
}

}  // namespace

Result<OutputGradients> OutputGradients::Create(calib::Calibration& calibration,
                                                const std::vector<float>& image_weights, const Progress& progress) {
  const at::NoGradGuard no_grad;
  const vit::VitModel& model = calibration.model();
  const int64_t head = model.config().depth + 1;
  OutputGradients gradients(calibration);
  gradients.at_output_.resize(head + 1);
  const at::Tensor factors = at::tensor(image_weights, at::kFloat).unsqueeze(1);
  int64_t done = 0;
  PTQ_RETURN_IF_ERROR(calibration.ForEachImageBatch([&](const at::Tensor& images) -> Status {
    vit::OpEngine engine;
    std::vector<at::Tensor> inputs = {images};  // of each stage
    for (int64_t stage = 0; stage < head; ++stage) {
      inputs.push_back(RunStage(model, stage, inputs.back(), engine));
    }
    at::Tensor gradient = at::softmax(RunStage(model, head, inputs.back(), engine), -1);
    if (!image_weights.empty()) {
      gradient.mul_(factors.narrow(0, done, images.size(0)));
      done += images.size(0);
    }
    for (int64_t stage = head; stage > 0; --stage) {
      if (progress.stop_requested()) {
        return Interrupted("stopped while gradients were computed");
      }
      gradients.at_output_[stage].push_back(gradient);
      gradient = GradientAtInput(model, stage, inputs[stage], gradient);
    }
    gradients.at_output_[0].push_back(gradient);
    return OkStatus();
  }));
  return gradients;
}

Result<std::map<vit::OpId, at::Tensor>> OutputGradients::OfStage(int64_t stage,
                                                                 const std::vector<at::Tensor>& inputs) const {
  const vit::VitModel& model = calibration_->model();
  std::map<vit::OpId, std::vector<at::Tensor>> batches;
  size_t batch = 0;
  const auto trace = [&](const at::Tensor& x) {
    const at::AutoGradMode with_grad(true);
    TracingEngine engine;
    const at::Tensor output = RunStage(model, stage, x.detach(), engine);
    const std::vector<at::Tensor> found = torch::autograd::grad({output}, engine.outputs, {at_output_[stage][batch++]});
    for (size_t i = 0; i < found.size(); ++i) {
      // The heads read one token of each image.
      batches[engine.ops[i]].push_back(found[i].dim() == 2 ? found[i].unsqueeze(1) : found[i]);
    }
    return OkStatus();
  };
  if (stage == 0) {
    PTQ_RETURN_IF_ERROR(calibration_->ForEachImageBatch(trace));
  }
  for (const at::Tensor& x : inputs) {
    PTQ_RETURN_IF_ERROR(trace(x));
  }
  std::map<vit::OpId, at::Tensor> gradients;
  for (auto& [op, parts] : batches) {
    gradients[op] = at::cat(parts, 0).contiguous();
    parts.clear();
  }
  return gradients;
}

}  // namespace ptq::baselines::ptq4vit
