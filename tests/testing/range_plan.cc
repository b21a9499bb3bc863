#include "tests/testing/range_plan.h"

#include <ATen/ATen.h>

#include "core/quant/range.h"

namespace ptq::testing {
namespace {

// Remembers the range of every activation of a float pass.
class RangeEngine final : public vit::OpEngine {
 public:
  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    Keep({op, vit::Side::kLeft}, input);
    return OpEngine::Linear(op, input, weight, bias);
  }
  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) override {
    Keep({op, vit::Side::kLeft}, left);
    Keep({op, vit::Side::kRight}, right);
    return OpEngine::MatMul(op, left, right);
  }
  std::map<vit::OperandId, quant::Range> ranges;

 private:
  void Keep(const vit::OperandId& operand, const at::Tensor& x) {
    ranges[operand] = quant::RangeOf(x, quant::Granularity::kPerTensor).value();
  }
};

}  // namespace

method::Plan RangePlan(const vit::VitModel& model, const at::Tensor& images, const RangePlanSettings& settings) {
  const at::NoGradGuard no_grad;
  RangeEngine engine;
  model.Forward(images, engine);
  method::Plan plan;
  for (const auto& [operand, range] : engine.ranges) {
    plan.operands[operand] =
        quant::ParamsFromRange(settings.activations, settings.activation_bits, range.min, range.max).value();
  }
  for (const vit::OpId& op : vit::AllOps(model.config())) {
    if (op.has_weight()) {
      const at::Tensor weight = model.parameter(op.weight_name()).contiguous();
      const auto granularity = settings.rows ? quant::Granularity::kPerChannel : quant::Granularity::kPerTensor;
      const quant::Range range = quant::RangeOf(weight, granularity).value();
      plan.operands[{op, vit::Side::kRight}] = quant::ParamsFromRange(settings.weights, settings.weight_bits, range.min,
                                                                      range.max, granularity, settings.rows ? 0 : -1)
                                                   .value();
    }
  }
  return plan;
}

}  // namespace ptq::testing
