#include "core/method/plan.h"

#include <algorithm>
#include <set>

#include "core/vit/parameters.h"

namespace ptq::method {
namespace {

Status ValidateOperand(const vit::OperandId& operand, const quant::QuantParams& params, const vit::VitConfig& config) {
  const Status valid = quant::Validate(params);
  if (!valid.ok()) {
    return InvalidArgument(valid.error().message, operand.name());
  }
  if (params.granularity == quant::Granularity::kPerTensor) {
    return OkStatus();
  }
  if (!operand.is_weight()) {
    return InvalidArgument("an activation has one scale; per-channel scales belong to weights", operand.name());
  }
  const int64_t rows = vit::ShapeOf(operand.op, config).columns;
  if (params.axis != 0 || static_cast<int64_t>(params.scale.size()) != rows) {
    return InvalidArgument("per-channel scales run along axis 0 with " + std::to_string(rows) +
                               " entries, found axis " + std::to_string(params.axis) + " with " +
                               std::to_string(params.scale.size()),
                           operand.name());
  }
  return OkStatus();
}

constexpr double kFloatBits = 32;

// The bits of a parameter in the paper's accounting: of its op where it is a weight, or the bias of a quantized weight.
double PaperBits(const Plan& plan, const std::map<std::string, vit::OperandId>& weights,
                 const std::map<std::string, vit::OperandId>& biases, const std::string& name, double default_bits) {
  const auto weight = weights.find(name);
  const auto bias = biases.find(name);
  if (weight == weights.end() && bias == biases.end()) {
    return default_bits;
  }
  const auto params = plan.operands.find(weight != weights.end() ? weight->second : bias->second);
  if (params != plan.operands.end()) {
    return params->second.num_bits;
  }
  return weight != weights.end() ? kFloatBits : default_bits;
}

}  // namespace

Status Validate(const Plan& plan, const vit::VitConfig& config) {
  std::set<vit::OpId> ops;
  for (const vit::OpId& op : vit::AllOps(config)) {
    ops.insert(op);
  }
  for (const auto& [operand, params] : plan.operands) {
    if (ops.count(operand.op) == 0) {
      return InvalidArgument("the plan quantizes an op that the model (" + vit::ToString(config) + ") does not have",
                             operand.name());
    }
    PTQ_RETURN_IF_ERROR(ValidateOperand(operand, params, config));
  }
  if (plan.allocation) {
    PTQ_RETURN_IF_ERROR(Validate(*plan.allocation));
  }
  return OkStatus();
}

ModelSize SizeUnder(const Plan& plan, const vit::VitConfig& config) {
  double paper_bits = 0;
  double true_bits = 0;
  // The paper counts every parameter at the low width: an op's bias like its weight, and what belongs to no op at the
  // target bits: the allocation's, or under uniform precision the widest weight bits of the plan.
  double default_bits = 0;
  for (const auto& [operand, params] : plan.operands) {
    if (operand.is_weight()) {
      default_bits = std::max(default_bits, static_cast<double>(params.num_bits));
    }
  }
  default_bits = plan.allocation ? plan.allocation->target_bits : default_bits;
  default_bits = default_bits == 0 ? kFloatBits : default_bits;
  std::map<std::string, vit::OperandId> weights, biases;
  for (const vit::OpId& op : vit::AllOps(config)) {
    if (op.has_weight()) {
      weights[op.weight_name()] = {op, vit::Side::kRight};
      biases[op.bias_name()] = {op, vit::Side::kRight};
    }
  }
  for (const vit::ParameterShape& parameter : vit::RequiredParameters(config)) {
    double count = 1;
    for (const int64_t size : parameter.shape) {
      count *= static_cast<double>(size);
    }
    const auto weight = weights.find(parameter.name);
    const auto params = weight == weights.end() ? plan.operands.end() : plan.operands.find(weight->second);
    const bool quantized = params != plan.operands.end();
    const double bits = quantized ? params->second.num_bits : kFloatBits;
    paper_bits += count * PaperBits(plan, weights, biases, parameter.name, default_bits);
    true_bits += count * bits;
  }
  for (const auto& [operand, params] : plan.operands) {
    const double zero_point_bits = params.grid == quant::Grid::kAffine ? 32 : 0;
    true_bits += static_cast<double>(params.scale.size()) * (kFloatBits + zero_point_bits);
  }
  return {paper_bits / 8, true_bits / 8};
}

}  // namespace ptq::method
