#include "baselines/repq_vit/repq_vit.h"

#include <ATen/ATen.h>

#include "baselines/repq_vit/percentile_search.h"
#include "baselines/repq_vit/reparameterize.h"
#include "core/method/fake_quant_engine.h"

namespace ptq::baselines {
namespace {

// Multiplies as `base` does and keeps the operands of one op over all batches.
class OperandEngine final : public vit::OpEngine {
 public:
  OperandEngine(vit::OpEngine& base, const vit::OpId& op) : base_(base), op_(op) {}

  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    if (op == op_) {
      left_.push_back(input);
    }
    return base_.Linear(op, input, weight, bias);
  }
  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) override {
    if (op == op_) {
      left_.push_back(left);
      right_.push_back(right);
    }
    return base_.MatMul(op, left, right);
  }
  at::Tensor Take(vit::Side side) {
    std::vector<at::Tensor>& batches = side == vit::Side::kLeft ? left_ : right_;
    at::Tensor all = at::cat(batches);
    batches.clear();
    return all;
  }

 private:
  vit::OpEngine& base_;
  const vit::OpId op_;
  std::vector<at::Tensor> left_, right_;
};

bool ReadsLayerNorm(const vit::OpId& op) { return op.kind == vit::OpKind::kQkv || op.kind == vit::OpKind::kFc1; }

Status CheckFinite(const at::Tensor& x, const vit::OperandId& operand) {
  if (!at::isfinite(x).all().item<bool>()) {
    return InvalidArgument("contains a NaN or an infinity", operand.name());
  }
  return OkStatus();
}

// Chooses quantizers in the order of execution, each on what the quantized ops before it put out; then folds those of
// the LayerNorms.
class Calibrator {
 public:
  Calibrator(const method::QuantizeInputs& inputs, quant::Grid softmax_grid, bool reparameterize)
      : inputs_(inputs), softmax_grid_(softmax_grid), reparameterize_(reparameterize), quantized_(inputs.model) {}

  Result<method::Plan> Run() {
    const at::NoGradGuard no_grad;
    const auto ops = static_cast<int64_t>(vit::AllOps(inputs_.model.config()).size());
    inputs_.progress.Begin("calibrate", ops * inputs_.calibration.image_count());
    PTQ_RETURN_IF_ERROR(inputs_.calibration.ForEachStage(&quantized_, [this](calib::Stage& stage) -> Status {
      for (const vit::OpId& op : stage.ops()) {
        if (inputs_.scheme.Covers(op)) {
          inputs_.progress.Detail(op.name());
          PTQ_RETURN_IF_ERROR(QuantizeOp(stage, op));
        }
        inputs_.progress.Advance(stage.image_count());
        if (inputs_.progress.stop_requested()) {
          return Interrupted("stopped during calibration");
        }
      }
      return OkStatus();
    }));
    inputs_.progress.End();
    return std::move(plan_);
  }

 private:
  Status QuantizeOp(calib::Stage& stage, const vit::OpId& op) {
    OperandEngine engine(quantized_, op);
    PTQ_RETURN_IF_ERROR(stage.RunBehindPrefix(engine));
    if (op.has_weight()) {
      PTQ_RETURN_IF_ERROR(QuantizeWeight(op, inputs_.model.parameter(op.weight_name())));
      quantized_.Set({op, vit::Side::kRight}, plan_.operands.at({op, vit::Side::kRight}));
    } else {
      PTQ_RETURN_IF_ERROR(QuantizeActivation({op, vit::Side::kRight}, engine.Take(vit::Side::kRight)));
    }
    const vit::OperandId left{op, vit::Side::kLeft};
    if (!inputs_.scheme.Covers(left)) {
      return OkStatus();
    }
    const at::Tensor x = engine.Take(vit::Side::kLeft);
    return reparameterize_ && ReadsLayerNorm(op) ? QuantizeLayerNormOutput(left, x) : QuantizeActivation(left, x);
  }

  Status QuantizeWeight(const vit::OpId& op, const at::Tensor& weight) {
    const vit::OperandId operand{op, vit::Side::kRight};
    PTQ_RETURN_IF_ERROR(CheckFinite(weight, operand));
    PTQ_ASSIGN_OR_RETURN(
        plan_.operands[operand],
        ChooseParams(weight, quant::Grid::kAffine, inputs_.scheme.BitsOf(operand), quant::Granularity::kPerChannel));
    return OkStatus();
  }

  Status QuantizeActivation(const vit::OperandId& operand, const at::Tensor& x) {
    PTQ_RETURN_IF_ERROR(CheckFinite(x, operand));
    const bool softmax = operand.op.kind == vit::OpKind::kPv && operand.side == vit::Side::kLeft;
    PTQ_ASSIGN_OR_RETURN(const quant::QuantParams params,
                         ChooseParams(x, softmax ? softmax_grid_ : quant::Grid::kAffine, inputs_.scheme.BitsOf(operand),
                                      quant::Granularity::kPerTensor));
    plan_.operands[operand] = params;
    quantized_.Set(operand, params);
    return OkStatus();
  }

  // Calibration goes on with the per-channel quantizer and the weights as they were, as in the official code.
  Status QuantizeLayerNormOutput(const vit::OperandId& operand, const at::Tensor& x) {
    PTQ_RETURN_IF_ERROR(CheckFinite(x, operand));
    const quant::QuantParams channels = ChooseChannels(x, inputs_.scheme.BitsOf(operand));
    quantized_.Set(operand, channels);
    const vit::OpId& op = operand.op;
    const vit::NormId norm{op.kind == vit::OpKind::kQkv ? vit::NormId::Kind::kNorm1 : vit::NormId::Kind::kNorm2,
                           op.block};
    const std::string norm_weight = norm.name() + ".weight";
    const std::string norm_bias = norm.name() + ".bias";
    const vit::VitModel& model = inputs_.model;
    const Reparameterized folded = Reparameterize(channels, model.parameter(norm_weight), model.parameter(norm_bias),
                                                  model.parameter(op.weight_name()), model.parameter(op.bias_name()));
    plan_.operands[operand] = folded.input;
    PTQ_RETURN_IF_ERROR(QuantizeWeight(op, folded.weight));
    plan_.replaced_parameters[norm_weight] = vit::FromTorch(folded.norm_weight);
    plan_.replaced_parameters[norm_bias] = vit::FromTorch(folded.norm_bias);
    plan_.replaced_parameters[op.weight_name()] = vit::FromTorch(folded.weight);
    plan_.replaced_parameters[op.bias_name()] = vit::FromTorch(folded.bias);
    return OkStatus();
  }

  const method::QuantizeInputs& inputs_;
  const quant::Grid softmax_grid_;
  const bool reparameterize_;
  method::FakeQuantEngine quantized_;
  method::Plan plan_;
};

class RepqVit final : public method::Method {
 public:
  RepqVit() {
    info_.id = "repq_vit";
    info_.summary =
        "Percentile ranges chosen by squared error; LayerNorm outputs calibrated per channel and folded to one scale; "
        "softmax on powers of the root of two.";
    info_.citation = "Li et al., RepQ-ViT: Scale Reparameterization for Post-Training Quantization of ViTs, ICCV 2023";
    info_.published_as = "RepQ-ViT";
    info_.parameters = {
        {"reparameterize",
         true,
         "whether LayerNorm outputs are calibrated per channel and folded; without it per tensor",
         {},
         {},
         {}},
        {"softmax_grid",
         std::string("log_sqrt2"),
         "grid of the softmax output",
         {},
         {},
         {"log_sqrt2", "log2", "affine"}},
    };
  }

  const method::MethodInfo& info() const override { return info_; }

  Status Supports(const method::Scheme& scheme, const method::Parameters&, const vit::VitConfig&) const override {
    if (scheme.weight_granularity != quant::Granularity::kPerChannel) {
      return Unsupported("repq_vit quantizes weights per output row; ask for weight_granularity = \"per_channel\"");
    }
    return OkStatus();
  }

  Result<method::Plan> Quantize(const method::QuantizeInputs& inputs) const override {
    PTQ_ASSIGN_OR_RETURN(const quant::Grid softmax_grid, quant::ParseGrid(inputs.parameters.String("softmax_grid")));
    return Calibrator(inputs, softmax_grid, inputs.parameters.Bool("reparameterize")).Run();
  }

 private:
  method::MethodInfo info_;
};

}  // namespace

std::unique_ptr<method::Method> MakeRepqVit() { return std::make_unique<RepqVit>(); }

}  // namespace ptq::baselines
