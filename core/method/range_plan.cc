#include "core/method/range_plan.h"

namespace ptq::method {
namespace {

Result<quant::QuantParams> WeightOperand(const QuantizeInputs& inputs, const RangeRules& rules,
                                         const vit::OperandId& operand) {
  const quant::Granularity granularity = inputs.scheme.weight_granularity;
  PTQ_ASSIGN_OR_RETURN(const quant::Range range,
                       rules.weight_range(inputs.model.parameter(operand.op.weight_name()), granularity));
  return quant::WeightParams(rules.weight_grid, inputs.scheme.BitsOf(operand), granularity, range);
}

}  // namespace

Result<Plan> PlanFromRanges(const QuantizeInputs& inputs, const RangeRules& rules) {
  const std::vector<vit::OperandId> operands = CoveredOperands(inputs.scheme, inputs.model.config());
  PTQ_ASSIGN_OR_RETURN(const auto statistics,
                       inputs.calibration.Collect(Activations(operands), rules.statistics, inputs.random));
  Plan plan;
  for (const vit::OperandId& operand : operands) {
    Result<quant::QuantParams> params = InvalidArgument("not set");
    if (operand.is_weight()) {
      params = WeightOperand(inputs, rules, operand);
    } else {
      const quant::Range range = rules.activation_range(operand, statistics.at(operand));
      params = quant::ParamsFromRange(rules.activation_grid, inputs.scheme.BitsOf(operand), range.min, range.max);
    }
    if (!params.ok()) {
      return Error{params.error().code, params.error().message, operand.name()};
    }
    plan.operands[operand] = *params;
  }
  return plan;
}

}  // namespace ptq::method
