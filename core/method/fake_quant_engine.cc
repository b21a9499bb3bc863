#include "core/method/fake_quant_engine.h"

#include <ATen/ATen.h>

#include "core/quant/fake_quant.h"

namespace ptq::method {

FakeQuantEngine::FakeQuantEngine(const vit::VitModel& model, const Plan& plan) : model_(model) {
  for (const auto& [operand, params] : plan.operands) {
    Set(operand, params);
  }
  norm_inputs_ = plan.norm_inputs;
}

void FakeQuantEngine::Set(const vit::OperandId& operand, const quant::QuantParams& params) {
  if (!operand.is_weight()) {
    activations_[operand] = params;
    return;
  }
  const at::Tensor weight = model_.parameter(operand.op.weight_name());
  weights_[operand.op] = quant::FakeQuantize(weight, params).view({weight.size(0), -1});
}

void FakeQuantEngine::SetBias(const vit::OpId& op, const at::Tensor& bias) { biases_[op] = bias; }

at::Tensor FakeQuantEngine::Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                                   const at::Tensor& bias) {
  const auto quantized = weights_.find(op);
  const auto replaced = biases_.find(op);
  return OpEngine::Linear(op, Operand({op, vit::Side::kLeft}, input),
                          quantized == weights_.end() ? weight : quantized->second,
                          replaced == biases_.end() ? bias : replaced->second);
}

at::Tensor FakeQuantEngine::MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) {
  return OpEngine::MatMul(op, Operand({op, vit::Side::kLeft}, left), Operand({op, vit::Side::kRight}, right));
}

at::Tensor FakeQuantEngine::NormInput(const vit::NormId& norm, const at::Tensor& x) {
  const auto it = norm_inputs_.find(norm);
  return it == norm_inputs_.end() ? x : quant::FakeQuantize(x, it->second);
}

at::Tensor FakeQuantEngine::Operand(const vit::OperandId& operand, const at::Tensor& x) const {
  const auto it = activations_.find(operand);
  return it == activations_.end() ? x : quant::FakeQuantize(x, it->second);
}

}  // namespace ptq::method
