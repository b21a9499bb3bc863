#include "core/method/plan.h"

#include <algorithm>
#include <set>

#include "core/vit/parameters.h"

namespace ptq::method {
namespace {

Status ValidateNormInput(const vit::NormId& norm, const quant::QuantParams& params, const vit::VitConfig& config) {
  const Status valid = quant::Validate(params);
  if (!valid.ok()) {
    return InvalidArgument(valid.error().message, norm.name());
  }
  if (params.granularity == quant::Granularity::kPerChannel &&
      (params.axis != 2 || static_cast<int64_t>(params.scale.size()) != config.width)) {
    return InvalidArgument("per-channel scales of the residual stream run along axis 2 with " +
                               std::to_string(config.width) + " entries, found axis " + std::to_string(params.axis) +
                               " with " + std::to_string(params.scale.size()),
                           norm.name());
  }
  return OkStatus();
}

Status ValidateNotes(const std::map<std::string, std::string>& notes) {
  for (const auto& [name, value] : notes) {
    const bool named = !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos;
    if (!named || value.empty() || value.find('\n') != std::string::npos) {
      return InvalidArgument("the plan's note '" + name + "' needs a name of lower case letters and one line of text");
    }
  }
  return OkStatus();
}

// Bits of all elements of a weight: `elements` of them in equal rows.
double WeightBits(const quant::QuantParams& params, double elements) {
  if (params.channel_bits.empty()) {
    return elements * params.num_bits;
  }
  double bits = 0;
  for (const int32_t row : params.channel_bits) {
    bits += row;
  }
  return bits * elements / static_cast<double>(params.channel_bits.size());
}

Status ValidateOperand(const vit::OperandId& operand, const quant::QuantParams& params, const vit::VitConfig& config) {
  const Status valid = quant::Validate(params);
  if (!valid.ok()) {
    return InvalidArgument(valid.error().message, operand.name());
  }
  if (!params.correction.empty() && !operand.is_weight()) {
    return InvalidArgument("a correction belongs to a weight", operand.name());
  }
  if (params.granularity == quant::Granularity::kPerTensor) {
    return OkStatus();
  }
  // A head's product runs by itself, so that each head's operand can have a scale of its own.
  const bool of_heads = !operand.op.has_weight();
  if (!operand.is_weight() && !of_heads) {
    return InvalidArgument("the input of a linear layer has one scale; per-channel scales belong to weights and heads",
                           operand.name());
  }
  const int axis = of_heads ? 1 : 0;
  const int64_t channels = of_heads ? config.heads : vit::ShapeOf(operand.op, config).columns;
  if (params.axis != axis || static_cast<int64_t>(params.scale.size()) != channels) {
    return InvalidArgument("scales of " + std::string(of_heads ? "heads" : "a weight's rows") + " run along axis " +
                               std::to_string(axis) + " with " + std::to_string(channels) + " entries, found axis " +
                               std::to_string(params.axis) + " with " + std::to_string(params.scale.size()),
                           operand.name());
  }
  return OkStatus();
}

constexpr double kFloatBits = 32;
constexpr double kWidthBits = 8;  // a channel's own width

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
  const std::vector<vit::NormId> norms = vit::AllNorms(config);
  for (const auto& [norm, params] : plan.norm_inputs) {
    if (std::find(norms.begin(), norms.end(), norm) == norms.end()) {
      return InvalidArgument(
          "the plan quantizes the input of a LayerNorm that the model (" + vit::ToString(config) + ") does not have",
          norm.name());
    }
    PTQ_RETURN_IF_ERROR(ValidateNormInput(norm, params, config));
  }
  PTQ_RETURN_IF_ERROR(ValidateNotes(plan.notes));
  if (plan.allocation) {
    PTQ_RETURN_IF_ERROR(Validate(*plan.allocation));
  }
  return OkStatus();
}

std::vector<std::string> SimulatedOnlyGrids(const Plan& plan) {
  std::set<std::string> grids;
  auto add = [&](const quant::QuantParams& params) {
    if (quant::SimulatedOnly(params.grid)) {
      grids.insert(quant::Name(params.grid));
    }
  };
  for (const auto& [operand, params] : plan.operands) {
    add(params);
  }
  for (const auto& [norm, params] : plan.norm_inputs) {
    add(params);
  }
  return {grids.begin(), grids.end()};
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
    paper_bits += count * PaperBits(plan, weights, biases, parameter.name, default_bits);
    true_bits += quantized ? WeightBits(params->second, count) : count * kFloatBits;
  }
  for (const auto& [operand, params] : plan.operands) {
    const double zero_point_bits = params.grid == quant::Grid::kAffine ? 32 : 0;
    true_bits += static_cast<double>(params.scale.size()) * (kFloatBits + zero_point_bits) +
                 static_cast<double>(params.second_scale.size() + params.correction.size()) * kFloatBits +
                 static_cast<double>(params.channel_bits.size()) * kWidthBits;
  }
  return {paper_bits / 8, true_bits / 8};
}

}  // namespace ptq::method
