#include <ATen/ATen.h>

#include "core/exec/executor.h"
#include "core/quant/fake_quant.h"

namespace ptq::exec {
namespace {

// Quantizes both operands of an op, then multiplies in float.  Weights are quantized once, at construction.
class FakeQuantEngine final : public vit::OpEngine {
 public:
  FakeQuantEngine(const vit::VitModel& model, const method::Plan& plan) : plan_(plan) {
    for (const auto& [operand, params] : plan.operands) {
      if (operand.is_weight()) {
        const at::Tensor weight = model.parameter(operand.op.weight_name());
        weights_[operand.op] = quant::FakeQuantize(weight, params).view({weight.size(0), -1});
      }
    }
  }

  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    const auto quantized = weights_.find(op);
    return OpEngine::Linear(op, Operand({op, vit::Side::kLeft}, input),
                            quantized == weights_.end() ? weight : quantized->second, bias);
  }
  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) override {
    return OpEngine::MatMul(op, Operand({op, vit::Side::kLeft}, left), Operand({op, vit::Side::kRight}, right));
  }

 private:
  at::Tensor Operand(const vit::OperandId& operand, const at::Tensor& x) const {
    const auto it = plan_.operands.find(operand);
    return it == plan_.operands.end() ? x : quant::FakeQuantize(x, it->second);
  }

  const method::Plan plan_;
  std::map<vit::OpId, at::Tensor> weights_;
};

class SimulatedExecutor final : public Executor {
 public:
  SimulatedExecutor(vit::VitModel model, const method::Plan& plan) : model_(std::move(model)), engine_(model_, plan) {}

  at::Tensor Run(const at::Tensor& images) override {
    const at::NoGradGuard no_grad;
    return model_.Forward(images, engine_);
  }

 private:
  const vit::VitModel model_;
  FakeQuantEngine engine_;
};

}  // namespace

Result<std::unique_ptr<Executor>> MakeSimulatedExecutor(const vit::VitModel& model, const method::Plan& plan) {
  PTQ_RETURN_IF_ERROR(method::Validate(plan, model.config()));
  PTQ_ASSIGN_OR_RETURN(vit::VitModel replaced, model.WithReplaced(plan.replaced_parameters));
  return std::unique_ptr<Executor>(std::make_unique<SimulatedExecutor>(std::move(replaced), plan));
}

}  // namespace ptq::exec
