// fake_quant_engine.h: multiplies in float32 with operands fake-quantized as a plan says.
//
// The arithmetic of the simulated executor, and of methods that look at an already quantized part of the model.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>

#include "core/method/plan.h"
#include "core/vit/model.h"
#include "core/vit/op_engine.h"

namespace ptq::method {

// Linear, MatMul and NormInput may be called from several threads at once; the setters may not run beside them.
class FakeQuantEngine final : public vit::OpEngine {
 public:
  // Nothing is quantized yet.  The model outlives the engine.
  explicit FakeQuantEngine(const vit::VitModel& model) : model_(model) {}
  FakeQuantEngine(const vit::VitModel& model, const Plan& plan);

  // Quantizes an operand from now on; a weight is quantized once, here.
  void Set(const vit::OperandId& operand, const quant::QuantParams& params);
  void SetNormInput(const vit::NormId& norm, const quant::QuantParams& params) { norm_inputs_[norm] = params; }
  // Adds `bias` (O) instead of the model's own bias.
  void SetBias(const vit::OpId& op, const at::Tensor& bias);

  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override;
  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) override;
  at::Tensor NormInput(const vit::NormId& norm, const at::Tensor& x) override;

 private:
  at::Tensor Operand(const vit::OperandId& operand, const at::Tensor& x) const;

  const vit::VitModel& model_;
  std::map<vit::OperandId, quant::QuantParams> activations_;
  std::map<vit::NormId, quant::QuantParams> norm_inputs_;
  std::map<vit::OpId, at::Tensor> weights_;  // fake-quantized, (O, K)
  std::map<vit::OpId, at::Tensor> biases_;
};

}  // namespace ptq::method
