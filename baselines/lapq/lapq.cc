#include "baselines/lapq/lapq.h"

#include <utility>

#include "baselines/lapq/calibration_run.h"

namespace ptq::baselines {
namespace {

std::vector<method::ParameterSpec> ParameterSpecs() {
  const method::UsedWhen jointly{"joint", true};
  return {
      {"loss",
       std::string("cross_entropy"),
       "what the whole network is scored by: cross_entropy with the labels of the calibration images (the paper), or "
       "kl of the quantized logits from the float ones, which needs no labels",
       {},
       {},
       {"cross_entropy", "kl"}},
      {"joint",
       true,
       "optimise all step sizes together after the layer-wise stage; false stops after the choice of p",
       {},
       {},
       {}},
      {"optimizer",
       std::string("praxis"),
       "NLopt's algorithm of the joint stage; praxis is the Powell method of Brent",
       {},
       {},
       {"praxis", "sbplx", "bobyqa", "cobyla"},
       jointly},
      {"evaluations", int64_t{400}, "loss evaluations that the joint stage may spend", 1, 1000000, {}, jointly},
      {"holdout",
       0.25,
       "fraction of the calibration images that no loss is fitted to and that decide whether a better fit is kept",
       0.0,
       0.5,
       {},
       jointly},
      {"bias_correction",
       false,
       "put the mean that an output row loses by quantization back (the official code's -bcw); per channel only",
       {},
       {},
       {}},
      {"weight_grid",
       std::string("symmetric_half"),
       "grid of weights; symmetric_half is the official code's, on which zero is no level",
       {},
       {},
       {"symmetric_half", "symmetric_full"}},
  };
}

class Lapq final : public method::Method {
 public:
  Lapq() {
    info_.id = "lapq";
    info_.summary =
        "Layer-wise L_p step sizes, p by a parabola through the loss, then all step sizes together by a Powell method.";
    info_.citation = "Nahshan et al., Loss Aware Post-training Quantization, Machine Learning 110, 2021";
    info_.published_as = "LAPQ";
    info_.parameters = ParameterSpecs();
  }

  const method::MethodInfo& info() const override { return info_; }

  Status Supports(const method::Scheme& scheme, const method::Parameters& parameters,
                  const vit::VitConfig&) const override {
    if (parameters.Bool("bias_correction") && scheme.weight_granularity != quant::Granularity::kPerChannel) {
      return Unsupported(
          "bias_correction gives every output row its own offset, which per_tensor weights have no place "
          "for; ask for per_channel weights or leave it off");
    }
    return OkStatus();
  }

  bool NeedsLabels(const method::Parameters& parameters) const override {
    return parameters.String("loss") == "cross_entropy";
  }

  Result<method::Plan> Quantize(const method::QuantizeInputs& inputs) const override {
    return lapq::CalibrationRun(inputs).Quantize();
  }

 private:
  method::MethodInfo info_;
};

}  // namespace

std::unique_ptr<method::Method> MakeLapq() { return std::make_unique<Lapq>(); }

}  // namespace ptq::baselines
