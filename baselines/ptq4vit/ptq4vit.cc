#include "baselines/ptq4vit/ptq4vit.h"

#include <ATen/ATen.h>

#include <optional>

#include "baselines/ptq4vit/op_search.h"
#include "baselines/ptq4vit/output_gradients.h"
#include "core/method/kept_params.h"

namespace ptq::baselines {
namespace {

using nlohmann::json;
using ptq4vit::FoundOp;

Result<FoundOp> FoundFromKept(const std::string& text) {
  PTQ_ASSIGN_OR_RETURN(const json root, method::ReadKept(text));
  try {
    FoundOp found;
    PTQ_ASSIGN_OR_RETURN(found.left, method::ParamsFromKept(root.at("left")));
    PTQ_ASSIGN_OR_RETURN(found.right, method::ParamsFromKept(root.at("right")));
    return found;
  } catch (const json::exception& fault) {
    return method::CorruptKeptPart(fault.what());
  }
}

// One call of Quantize.
class Run {
 public:
  Run(const method::QuantizeInputs& inputs, const ptq4vit::SearchSettings& settings)
      : inputs_(inputs), settings_(settings) {}

  Result<method::Plan> Plan() {
    const int64_t depth = inputs_.model.config().depth;
    int64_t ops = 0;
    for (const vit::OpId& op : vit::AllOps(inputs_.model.config())) {
      ops += inputs_.scheme.Covers(op) ? 1 : 0;
    }
    inputs_.progress.Begin("search intervals", ops);
    int64_t index = 0;
    std::vector<at::Tensor> entering;  // the stage
    PTQ_RETURN_IF_ERROR(inputs_.calibration.ForEachStage(nullptr, [&](calib::Stage& stage) -> Status {
      PTQ_RETURN_IF_ERROR(SearchStage(stage, index, entering));
      entering.clear();
      vit::OpEngine engine;
      return index++ <= depth ? stage.Run(engine, &entering) : OkStatus();
    }));
    inputs_.progress.End();
    plan_.notes["metric"] = settings_.metric == ptq4vit::Metric::kCosine ? "cosine of output rows"
                                                                         : "squared gradient of the expected logit";
    return plan_;
  }

 private:
  std::string Key(const vit::OpId& op, const ptq4vit::OpBits& bits) const {
    return "search " + op.name() + " W" + std::to_string(bits.right) +
           (bits.float_left ? std::string(" float input") : "A" + std::to_string(bits.left)) + " " +
           inputs_.parameters.ToString();
  }

  std::vector<float> ImageWeights() const {
    std::vector<float> weights;
    if (settings_.random_image_weights) {
      RandomStream random = inputs_.random.Child("image weights");
      for (int64_t i = 0; i < inputs_.calibration.image_count(); ++i) {
        weights.push_back(static_cast<float>(random.NextNormal()));
      }
    }
    return weights;
  }

  Status SearchStage(calib::Stage& stage, int64_t index, const std::vector<at::Tensor>& entering) {
    std::optional<std::map<vit::OpId, at::Tensor>> of_stage;
    for (const vit::OpId& op : stage.ops()) {
      const vit::OperandId left{op, vit::Side::kLeft}, right{op, vit::Side::kRight};
      if (!inputs_.scheme.Covers(op)) {
        continue;
      }
      inputs_.progress.Detail(op.name());
      ptq4vit::OpBits bits;
      bits.float_left = !inputs_.scheme.Covers(left);
      bits.left = bits.float_left ? 8 : inputs_.scheme.BitsOf(left);
      bits.right = inputs_.scheme.BitsOf(right);
      const std::string key = Key(op, bits);
      PTQ_ASSIGN_OR_RETURN(const std::optional<std::string> kept, inputs_.checkpoint.Find(key));
      FoundOp found;
      if (kept) {
        PTQ_ASSIGN_OR_RETURN(found, FoundFromKept(*kept));
      } else {
        PTQ_ASSIGN_OR_RETURN(const calib::CapturedOp captured, calib::CaptureOp(stage, op, inputs_.model, nullptr));
        at::Tensor gradient;
        if (settings_.metric == ptq4vit::Metric::kHessian) {
          if (!gradients_) {
            PTQ_ASSIGN_OR_RETURN(
                gradients_, ptq4vit::OutputGradients::Create(inputs_.calibration, ImageWeights(), inputs_.progress));
          }
          if (!of_stage) {
            PTQ_ASSIGN_OR_RETURN(of_stage, gradients_->OfStage(index, entering));
          }
          gradient = of_stage->at(op);
        }
        const at::Tensor bias = op.has_weight() ? inputs_.model.parameter(op.bias_name()).contiguous() : at::Tensor();
        PTQ_ASSIGN_OR_RETURN(found, ptq4vit::SearchOp(captured, gradient, bias, bits, settings_,
                                                      [this] { return inputs_.progress.stop_requested(); }));
        PTQ_RETURN_IF_ERROR(inputs_.checkpoint.Keep(
            key, json{{"left", method::ToKept(found.left)}, {"right", method::ToKept(found.right)}}.dump()));
      }
      if (!bits.float_left) {
        plan_.operands[left] = found.left;
      }
      plan_.operands[right] = found.right;
      inputs_.progress.Advance(1);
    }
    return OkStatus();
  }

  const method::QuantizeInputs& inputs_;
  const ptq4vit::SearchSettings& settings_;
  std::optional<ptq4vit::OutputGradients> gradients_;
  method::Plan plan_;
};

class Ptq4Vit final : public method::Method {
 public:
  Ptq4Vit() {
    info_.id = "ptq4vit";
    info_.version = 2;
    info_.summary = "Twin uniform ranges for softmax and GELU outputs; intervals by a gradient-weighted output error.";
    info_.citation = "Yuan et al., PTQ4ViT, ECCV 2022";
    info_.published_as = "PTQ4ViT";
    info_.keeps_stage_inputs = true;
    info_.parameters = {
        {"metric",
         std::string("hessian"),
         "what a candidate is judged by: hessian, the output error weighted by the squared gradient; cosine, of rows",
         {},
         {},
         {"hessian", "cosine"}},
        {"candidates", int64_t{100}, "intervals tried per operand", 2.0, 1000.0, {}},
        {"rounds", int64_t{3}, "how often both operands of an op are searched in turn, at most", 1.0, 20.0, {}},
        {"alpha", 0.01, "the least candidate, in units of the interval that clips nothing", 0.001, 1.0, {}},
        {"beta", 1.2, "the end of the candidates, not tried itself, in the same unit", 1.0, 4.0, {}},
        {"image_weights",
         std::string("random"),
         "how much an image's gradient counts: random, normal numbers, which is what rounding makes of it in the "
         "authors' "
         "code; equal",
         {},
         {},
         {"random", "equal"},
         {{"metric", std::string("hessian")}}},
        {"twin_ranges",
         true,
         "two ranges for softmax and GELU outputs; false: one, as other activations have",
         {},
         {},
         {}},
    };
  }

  const method::MethodInfo& info() const override { return info_; }

  Status Supports(const method::Scheme& scheme, const method::Parameters&, const vit::VitConfig&) const override {
    if (scheme.weight_granularity == quant::Granularity::kPerChannel) {
      return Unsupported("PTQ4ViT gives a weight one interval (qkv three): ask for per_tensor weights");
    }
    return OkStatus();
  }

  Result<method::Plan> Quantize(const method::QuantizeInputs& inputs) const override {
    ptq4vit::SearchSettings settings;
    settings.metric =
        inputs.parameters.String("metric") == "cosine" ? ptq4vit::Metric::kCosine : ptq4vit::Metric::kHessian;
    settings.candidates = inputs.parameters.Int("candidates");
    settings.rounds = inputs.parameters.Int("rounds");
    settings.alpha = inputs.parameters.Double("alpha");
    settings.beta = inputs.parameters.Double("beta");
    settings.random_image_weights = inputs.parameters.String("image_weights") == "random";
    settings.twin_ranges = inputs.parameters.Bool("twin_ranges");
    return Run(inputs, settings).Plan();
  }

 private:
  method::MethodInfo info_;
};

}  // namespace

std::unique_ptr<method::Method> MakePtq4Vit() { return std::make_unique<Ptq4Vit>(); }

}  // namespace ptq::baselines
