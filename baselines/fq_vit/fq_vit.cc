#include "baselines/fq_vit/fq_vit.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "baselines/fq_vit/power_of_two_factor.h"
#include "core/quant/range.h"

namespace ptq::baselines {
namespace {

// The float model, observed: ranges of operands, and what the LayerNorms of a block read.
class ObservingEngine final : public vit::OpEngine {
 public:
  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    Observe({op, vit::Side::kLeft}, input);
    return OpEngine::Linear(op, input, weight, bias);
  }
  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) override {
    Observe({op, vit::Side::kLeft}, left);
    Observe({op, vit::Side::kRight}, right);
    return OpEngine::MatMul(op, left, right);
  }
  at::Tensor NormInput(const vit::NormId& norm, const at::Tensor& x) override {
    if (keep_norm_inputs && norm.kind != vit::NormId::Kind::kFinal) {
      norm_inputs[norm].push_back(x);
    }
    return x;
  }

  bool keep_norm_inputs = false;
  std::map<vit::NormId, std::vector<at::Tensor>> norm_inputs;
  std::map<vit::OperandId, quant::Range> ranges;
  Status status;

 private:
  void Observe(const vit::OperandId& operand, const at::Tensor& x) {
    const Result<quant::Range> seen = quant::RangeOf(x, quant::Granularity::kPerTensor);
    if (!seen.ok()) {
      status = status.ok() ? Status(InvalidArgument(seen.error().message, operand.name())) : status;
      return;
    }
    const auto [it, is_new] = ranges.emplace(operand, *seen);
    if (!is_new) {
      it->second.min[0] = std::min(it->second.min[0], seen->min[0]);
      it->second.max[0] = std::max(it->second.max[0], seen->max[0]);
    }
  }
};

class Calibrator {
 public:
  explicit Calibrator(const method::QuantizeInputs& inputs)
      : inputs_(inputs), largest_factor_(static_cast<int>(inputs.parameters.Int("ptf_factor"))) {
    engine_.keep_norm_inputs = inputs.parameters.Bool("layer_norm_inputs");
  }

  Result<method::Plan> Run() {
    const at::NoGradGuard no_grad;
    const int64_t stages = inputs_.model.config().depth + 2;
    inputs_.progress.Begin("calibrate", stages * inputs_.calibration.image_count());
    PTQ_RETURN_IF_ERROR(inputs_.calibration.ForEachStage(nullptr, [this](calib::Stage& stage) -> Status {
      PTQ_RETURN_IF_ERROR(VisitStage(stage));
      inputs_.progress.Advance(stage.image_count());
      return inputs_.progress.stop_requested() ? Status(Interrupted("stopped during calibration")) : OkStatus();
    }));
    inputs_.progress.End();
    ShareRangesOfQkv();
    for (const vit::OperandId& operand : method::CoveredOperands(inputs_.scheme, inputs_.model.config())) {
      Result<quant::QuantParams> params = operand.is_weight() ? WeightParams(operand) : ActivationParams(operand);
      if (!params.ok()) {
        return Error{params.error().code, params.error().message, operand.name()};
      }
      plan_.operands[operand] = *params;
    }
    return std::move(plan_);
  }

 private:
  Status VisitStage(calib::Stage& stage) {
    const bool last_block = stage.ops().front().block == inputs_.model.config().depth - 1;
    std::vector<at::Tensor> outputs;
    PTQ_RETURN_IF_ERROR(stage.Run(engine_, &outputs));
    PTQ_RETURN_IF_ERROR(engine_.status);
    if (engine_.keep_norm_inputs && last_block) {
      // The final LayerNorm is shown class tokens alone; its quantizer is made for all tokens, as the official one.
      engine_.norm_inputs[{}] = std::move(outputs);
    }
    for (auto& [norm, batches] : engine_.norm_inputs) {
      const at::Tensor x = at::cat(batches);
      batches.clear();
      if (!at::isfinite(x).all().item<bool>()) {
        return InvalidArgument("the input contains a NaN or an infinity", norm.name());
      }
      PTQ_ASSIGN_OR_RETURN(plan_.norm_inputs[norm],
                           PowerOfTwoFactors(x, inputs_.scheme.activation_bits, largest_factor_));
    }
    engine_.norm_inputs.clear();
    return OkStatus();
  }

  // q, k and v have one quantizer, behind the qkv projection.
  void ShareRangesOfQkv() {
    for (int64_t block = 0; block < inputs_.model.config().depth; ++block) {
      quant::Range* const parts[] = {&engine_.ranges.at({{vit::OpKind::kQk, block}, vit::Side::kLeft}),
                                     &engine_.ranges.at({{vit::OpKind::kQk, block}, vit::Side::kRight}),
                                     &engine_.ranges.at({{vit::OpKind::kPv, block}, vit::Side::kRight})};
      quant::Range joined = *parts[0];
      for (const quant::Range* part : parts) {
        joined.min[0] = std::min(joined.min[0], part->min[0]);
        joined.max[0] = std::max(joined.max[0], part->max[0]);
      }
      for (quant::Range* part : parts) {
        *part = joined;
      }
    }
  }

  Result<quant::QuantParams> ActivationParams(const vit::OperandId& operand) const {
    const int bits = inputs_.scheme.BitsOf(operand);
    const quant::Range& range = engine_.ranges.at(operand);
    const bool softmax = operand.op.kind == vit::OpKind::kPv && operand.side == vit::Side::kLeft;
    if (!softmax) {
      return quant::ParamsFromRange(quant::Grid::kAffine, bits, range.min, range.max);
    }
    return inputs_.parameters.Bool("log2_softmax")
               ? quant::ParamsFromRange(quant::Grid::kLog2, bits, {0}, {1})
               : quant::ParamsFromRange(quant::Grid::kUnsigned, bits, range.min, range.max);
  }

  // The largest |w| lies half a step beyond the largest code: scale = max|w| / ((2^b - 1) / 2).
  Result<quant::QuantParams> WeightParams(const vit::OperandId& operand) const {
    const quant::Granularity granularity = inputs_.scheme.weight_granularity;
    PTQ_ASSIGN_OR_RETURN(quant::Range range,
                         quant::RangeOf(inputs_.model.parameter(operand.op.weight_name()), granularity));
    PTQ_ASSIGN_OR_RETURN(
        quant::QuantParams params,
        quant::WeightParams(quant::Grid::kSymmetricFull, inputs_.scheme.BitsOf(operand), granularity, range));
    const double largest_code = std::exp2(params.num_bits - 1) - 1;
    for (size_t c = 0; c < params.scale.size(); ++c) {
      params.scale[c] = static_cast<float>(params.scale[c] * (largest_code / (largest_code + 0.5)));
    }
    return params;
  }

  const method::QuantizeInputs& inputs_;
  const int largest_factor_;
  ObservingEngine engine_;
  method::Plan plan_;
};

class FqVit final : public method::Method {
 public:
  FqVit() {
    info_.id = "fq_vit";
    info_.summary =
        "Min-max ranges; LayerNorm inputs quantized with a power-of-two factor per channel; softmax on powers of two.";
    info_.citation =
        "Lin et al., FQ-ViT: Post-Training Quantization for Fully Quantized Vision Transformer, IJCAI 2022";
    info_.published_as = "FQ-ViT";
    info_.parameters = {
        {"layer_norm_inputs", true, "whether LayerNorm inputs are quantized, at the activation bits", {}, {}, {}},
        {"ptf_factor",
         int64_t{3},
         "K: a channel's scale is the layer's times 2^-K..1; 0: the layer's scale for all channels",
         0.0,
         8.0,
         {},
         method::UsedWhen{"layer_norm_inputs", true}},
        {"log2_softmax",
         true,
         "whether the softmax output lies on powers of two; without it on an unsigned uniform grid",
         {},
         {},
         {}},
    };
  }

  const method::MethodInfo& info() const override { return info_; }

  Status Supports(const method::Scheme&, const method::Parameters&, const vit::VitConfig&) const override {
    return OkStatus();
  }

  Result<method::Plan> Quantize(const method::QuantizeInputs& inputs) const override {
    return Calibrator(inputs).Run();
  }

 private:
  method::MethodInfo info_;
};

}  // namespace

std::unique_ptr<method::Method> MakeFqVit() { return std::make_unique<FqVit>(); }

}  // namespace ptq::baselines
