#include <algorithm>
#include <cstring>

#include "core/method/plan.h"

namespace ptq::method {
namespace {

constexpr char kFormat[] = "ptqbench-plan";
constexpr int kVersion = 2;
constexpr char kOperandPrefix[] = "operand.";
constexpr char kNormPrefix[] = "norm_input.";
constexpr char kNotePrefix[] = "note.";
constexpr char kReplacedPrefix[] = "replaced.";
constexpr char kAllocation[] = "allocation";

// One operand's metadata: "grid num_bits granularity axis".
std::string Describe(const quant::QuantParams& params) {
  return std::string(quant::Name(params.grid)) + " " + std::to_string(params.num_bits) + " " +
         quant::Name(params.granularity) + " " + std::to_string(params.axis);
}

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> words;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) {
      words.push_back(text.substr(at, end - at));
    }
    at = end + 1;
  }
  return words;
}

Result<int> ParseInt(const std::string& text) {
  const bool negative = !text.empty() && text[0] == '-';
  int value = 0;
  if (text.size() == (negative ? 1U : 0U) || text.size() > 6) {
    return Corrupt("'" + text + "' is not a small integer");
  }
  for (size_t i = negative ? 1 : 0; i < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9') {
      return Corrupt("'" + text + "' is not a small integer");
    }
    value = value * 10 + (text[i] - '0');
  }
  return negative ? -value : value;
}

template <typename T>
Result<std::vector<T>> Values(const vit::TensorMap& tensors, const std::string& name, vit::DType dtype) {
  const auto it = tensors.find(name);
  if (it == tensors.end() || it->second.dtype != dtype || it->second.shape.size() != 1) {
    return Corrupt("the plan has no one-dimensional " + std::string(vit::Name(dtype)) + " tensor '" + name + "'");
  }
  std::vector<T> values(it->second.elements());
  if (!values.empty()) {
    std::memcpy(values.data(), it->second.bytes->data(), values.size() * sizeof(T));
  }
  return values;
}

Result<vit::OperandId> ParseOperand(const std::string& name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) {
    return Corrupt("'" + name + "' is not an operand");
  }
  const std::string side = name.substr(dot + 1);
  if (side != "left" && side != "right") {
    return Corrupt("'" + name + "' is not an operand");
  }
  const Result<vit::OpId> op = vit::ParseOp(name.substr(0, dot));
  if (!op.ok()) {
    return Corrupt(op.error().message);
  }
  return vit::OperandId{*op, side == "left" ? vit::Side::kLeft : vit::Side::kRight};
}

// Whether params has a field that format version 1 did not know.
bool IsVersion2(const quant::QuantParams& params) {
  return quant::SimulatedOnly(params.grid) || !params.channel_bits.empty() || !params.correction.empty();
}

void EncodeOperand(const std::string& key, const quant::QuantParams& params, EncodedPlan* encoded) {
  const auto length = static_cast<int64_t>(params.scale.size());
  encoded->metadata[key] = Describe(params);
  encoded->tensors[key + ".scale"] = vit::MakeTensor(params.scale, {length});
  encoded->tensors[key + ".zero_point"] = vit::MakeTensor(params.zero_point, {length});
  if (!params.second_scale.empty()) {
    encoded->tensors[key + ".second_scale"] = vit::MakeTensor(params.second_scale, {length});
  }
  if (!params.channel_bits.empty()) {
    encoded->tensors[key + ".channel_bits"] = vit::MakeTensor(params.channel_bits, {length});
  }
  if (!params.correction.empty()) {
    encoded->tensors[key + ".correction"] = vit::MakeTensor(params.correction, {length});
  }
}

// The values of a tensor that may be absent; counts it where it is there.
template <typename T>
Result<std::vector<T>> OptionalValues(const vit::TensorMap& tensors, const std::string& name, vit::DType dtype,
                                      size_t* used) {
  if (tensors.count(name) == 0) {
    return std::vector<T>();
  }
  ++*used;
  return Values<T>(tensors, name, dtype);
}

Result<quant::QuantParams> DecodeOperand(const EncodedPlan& encoded, const std::string& key, const std::string& text,
                                         size_t* tensors_used) {
  const std::vector<std::string> words = Split(text);
  if (words.size() != 4) {
    return Corrupt("'" + text + "' does not describe a quantized operand");
  }
  quant::QuantParams params;
  PTQ_ASSIGN_OR_RETURN(params.grid, quant::ParseGrid(words[0]));
  PTQ_ASSIGN_OR_RETURN(params.num_bits, ParseInt(words[1]));
  PTQ_ASSIGN_OR_RETURN(params.granularity, quant::ParseGranularity(words[2]));
  PTQ_ASSIGN_OR_RETURN(params.axis, ParseInt(words[3]));
  PTQ_ASSIGN_OR_RETURN(params.scale, Values<float>(encoded.tensors, key + ".scale", vit::DType::kF32));
  PTQ_ASSIGN_OR_RETURN(params.zero_point, Values<int32_t>(encoded.tensors, key + ".zero_point", vit::DType::kI32));
  *tensors_used += 2;
  PTQ_ASSIGN_OR_RETURN(params.second_scale,
                       OptionalValues<float>(encoded.tensors, key + ".second_scale", vit::DType::kF32, tensors_used));
  PTQ_ASSIGN_OR_RETURN(params.channel_bits,
                       OptionalValues<int32_t>(encoded.tensors, key + ".channel_bits", vit::DType::kI32, tensors_used));
  PTQ_ASSIGN_OR_RETURN(params.correction,
                       OptionalValues<float>(encoded.tensors, key + ".correction", vit::DType::kF32, tensors_used));
  PTQ_RETURN_IF_ERROR(quant::Validate(params));
  return params;
}

bool StartsWith(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

}  // namespace

EncodedPlan Encode(const Plan& plan) {
  EncodedPlan encoded;
  const bool plain = plan.norm_inputs.empty() && plan.notes.empty() &&
                     std::none_of(plan.operands.begin(), plan.operands.end(),
                                  [](const auto& each) { return IsVersion2(each.second); });
  encoded.metadata = {{"format", kFormat},
                      {"format_version", std::to_string(plain ? 1 : kVersion)},
                      {"method", plan.method},
                      {"scheme", plan.scheme},
                      {"parameters", plan.parameters},
                      {"weights_sha256", plan.weights_sha256}};
  for (const auto& [operand, params] : plan.operands) {
    EncodeOperand(kOperandPrefix + operand.name(), params, &encoded);
  }
  for (const auto& [norm, params] : plan.norm_inputs) {
    EncodeOperand(kNormPrefix + norm.name(), params, &encoded);
  }
  for (const auto& [name, value] : plan.notes) {
    encoded.metadata[kNotePrefix + name] = value;
  }
  for (const auto& [name, tensor] : plan.replaced_parameters) {
    PTQ_CHECK(tensor.dtype == vit::DType::kF32) << name;
    encoded.tensors[kReplacedPrefix + name] = tensor;
  }
  if (plan.allocation) {
    encoded.metadata[kAllocation] = ToJson(*plan.allocation);
  }
  return encoded;
}

Result<Plan> Decode(const EncodedPlan& encoded) {
  auto text = [&](const char* key) {
    const auto it = encoded.metadata.find(key);
    return it == encoded.metadata.end() ? std::string() : it->second;
  };
  if (text("format") != kFormat) {
    return Corrupt("the file is not a ptqbench plan; make one with `ptqbench run`");
  }
  const Result<int> version = ParseInt(text("format_version"));
  if (!version.ok() || *version < 1) {
    return Corrupt("the plan's format_version '" + text("format_version") + "' is not a version");
  }
  if (*version > kVersion) {
    return Unsupported("the plan has format version " + text("format_version") + ", this program reads up to " +
                       std::to_string(kVersion) + "; use a newer ptqbench");
  }
  Plan plan;
  plan.method = text("method");
  plan.scheme = text("scheme");
  plan.parameters = text("parameters");
  plan.weights_sha256 = text("weights_sha256");
  if (encoded.metadata.count(kAllocation) != 0) {
    PTQ_ASSIGN_OR_RETURN(plan.allocation, BitAllocationFromJson(text(kAllocation)));
  }
  size_t tensors_used = 0;
  for (const auto& [key, value] : encoded.metadata) {
    if (StartsWith(key, kOperandPrefix)) {
      PTQ_ASSIGN_OR_RETURN(const vit::OperandId operand, ParseOperand(key.substr(std::strlen(kOperandPrefix))));
      const Result<quant::QuantParams> params = DecodeOperand(encoded, key, value, &tensors_used);
      if (!params.ok()) {
        return Corrupt(params.error().message, operand.name());
      }
      plan.operands[operand] = *params;
    } else if (StartsWith(key, kNormPrefix)) {
      const Result<vit::NormId> norm = vit::ParseNorm(key.substr(std::strlen(kNormPrefix)));
      if (!norm.ok()) {
        return Corrupt(norm.error().message);
      }
      const Result<quant::QuantParams> params = DecodeOperand(encoded, key, value, &tensors_used);
      if (!params.ok()) {
        return Corrupt(params.error().message, norm->name());
      }
      plan.norm_inputs[*norm] = *params;
    } else if (StartsWith(key, kNotePrefix)) {
      plan.notes[key.substr(std::strlen(kNotePrefix))] = value;
    }
  }
  for (const auto& [name, tensor] : encoded.tensors) {
    if (StartsWith(name, kReplacedPrefix)) {
      if (tensor.dtype != vit::DType::kF32) {
        return Corrupt("'" + name + "' is " + vit::Name(tensor.dtype) + ", not F32");
      }
      plan.replaced_parameters[name.substr(std::strlen(kReplacedPrefix))] = tensor;
      ++tensors_used;
    }
  }
  if (tensors_used != encoded.tensors.size()) {
    return Corrupt("the plan holds tensors that belong to no operand");
  }
  return plan;
}

}  // namespace ptq::method
