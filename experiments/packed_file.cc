#include "experiments/packed_file.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/method/packed_codes.h"
#include "core/quant/fake_quant.h"
#include "core/vit/parameters.h"
#include "data/weights/safetensors.h"

namespace ptq::experiments {
namespace {

constexpr char kFormat[] = "ptqbench-packed";
constexpr char kVersion[] = "1";
constexpr char kPacked[] = "packed.";
constexpr char kFloat[] = "float.";
constexpr char kPlan[] = "plan.";

// The rest of `text` behind `prefix`; false where it begins otherwise.
bool CutPrefix(const std::string& text, const std::string& prefix, std::string* rest) {
  if (text.rfind(prefix, 0) != 0) {
    return false;
  }
  *rest = text.substr(prefix.size());
  return true;
}

// The quantized weights of a plan by parameter name.
std::map<std::string, quant::QuantParams> QuantizedWeights(const method::Plan& plan) {
  std::map<std::string, quant::QuantParams> weights;
  for (const auto& [operand, params] : plan.operands) {
    if (operand.is_weight()) {
      weights.emplace(operand.op.weight_name(), params);
    }
  }
  return weights;
}

std::vector<int32_t> CodesOf(const at::Tensor& weight, const quant::QuantParams& params) {
  const at::Tensor codes = quant::Quantize(weight, params).contiguous();
  return {codes.data_ptr<int32_t>(), codes.data_ptr<int32_t>() + codes.numel()};
}

// The values of codes, without the correction, which the plan adds whenever the weight is quantized again.
at::Tensor ValuesOf(std::vector<int32_t>& codes, quant::QuantParams params, const std::vector<int64_t>& shape) {
  params.correction.clear();
  return quant::Dequantize(at::from_blob(codes.data(), shape, at::kInt), params);
}

Error InFile(const Error& error, const std::string& path) { return Error{error.code, error.ToString(), path}; }

}  // namespace

int64_t PackedModel::packed_bytes() const {
  int64_t bytes = 0;
  for (const auto& [name, codes] : weights) {
    bytes += static_cast<int64_t>(codes.size());
  }
  return bytes;
}

Result<PackedModel> Pack(const std::string& name, const vit::VitModel& model, const method::Plan& plan) {
  PTQ_RETURN_IF_ERROR(method::Validate(plan, model.config()));
  PTQ_ASSIGN_OR_RETURN(const vit::VitModel replaced, model.WithReplaced(plan.replaced_parameters));
  PackedModel packed;
  packed.model = name;
  packed.plan = plan;
  packed.plan.replaced_parameters.clear();
  const auto quantized = QuantizedWeights(plan);
  for (const auto& [parameter, values] : replaced.parameters()) {
    const auto it = quantized.find(parameter);
    if (it == quantized.end()) {
      packed.parameters[parameter] = vit::FromTorch(values);
      continue;
    }
    auto codes = method::PackCodes(CodesOf(values, it->second), it->second, values.size(0));
    if (!codes.ok()) {
      return Error{codes.error().code, codes.error().message, parameter};
    }
    packed.weights[parameter] = *std::move(codes);
  }
  return packed;
}

Result<vit::VitModel> Unpack(const PackedModel& packed, const vit::VitConfig& config) {
  PTQ_RETURN_IF_ERROR(method::Validate(packed.plan, config));
  vit::TensorMap tensors = packed.parameters;
  const auto quantized = QuantizedWeights(packed.plan);
  for (const vit::ParameterShape& parameter : vit::RequiredParameters(config)) {
    const auto it = packed.weights.find(parameter.name);
    if (it == packed.weights.end()) {
      continue;
    }
    const auto params = quantized.find(parameter.name);
    if (params == quantized.end() || tensors.count(parameter.name) != 0) {
      return Corrupt("the codes of this parameter are not of a weight that the plan quantizes", parameter.name);
    }
    int64_t row_elements = 1;
    for (size_t d = 1; d < parameter.shape.size(); ++d) {
      row_elements *= parameter.shape[d];
    }
    auto codes = method::UnpackCodes(it->second, params->second, parameter.shape[0], row_elements);
    if (!codes.ok()) {
      return Error{codes.error().code, codes.error().message, parameter.name};
    }
    tensors[parameter.name] = vit::FromTorch(ValuesOf(*codes, params->second, parameter.shape));
  }
  for (const auto& [name, codes] : packed.weights) {
    if (tensors.count(name) == 0) {
      return Corrupt("the model has no weight of this name", name);
    }
  }
  return vit::VitModel::Create(config, tensors);
}

Status CheckUnpacks(const PackedModel& packed, const vit::VitModel& model, const method::Plan& plan) {
  PTQ_ASSIGN_OR_RETURN(const vit::VitModel replaced, model.WithReplaced(plan.replaced_parameters));
  PTQ_ASSIGN_OR_RETURN(const vit::VitModel unpacked, Unpack(packed, model.config()));
  for (const auto& [name, params] : QuantizedWeights(plan)) {
    if (CodesOf(replaced.parameter(name), params) != CodesOf(unpacked.parameter(name), params)) {
      return Internal("the values of the packed codes do not give the codes again; its scale is too small for float32",
                      name);
    }
  }
  return OkStatus();
}

Status WritePacked(const std::string& path, const PackedModel& packed) {
  const method::EncodedPlan plan = method::Encode(packed.plan);
  data::SafetensorsFile file;
  file.metadata = {{"format", kFormat}, {"format_version", kVersion}, {"model", packed.model}};
  for (const auto& [name, value] : plan.metadata) {
    file.metadata[kPlan + name] = value;
  }
  for (const auto& [name, tensor] : plan.tensors) {
    file.tensors[kPlan + name] = tensor;
  }
  for (const auto& [name, tensor] : packed.parameters) {
    file.tensors[kFloat + name] = tensor;
  }
  for (const auto& [name, codes] : packed.weights) {
    file.tensors[kPacked + name] = {
        vit::DType::kU8, {static_cast<int64_t>(codes.size())}, std::make_shared<const std::vector<std::byte>>(codes)};
  }
  return data::WriteSafetensors(path, file);
}

Result<PackedModel> ReadPacked(const std::string& path) {
  PTQ_ASSIGN_OR_RETURN(data::SafetensorsFile file, data::ReadSafetensors(path));
  if (file.metadata["format"] != kFormat) {
    return Corrupt("is not a packed model; make one with `ptqbench export`", path);
  }
  if (file.metadata["format_version"] != kVersion) {
    return Unsupported("has format version '" + file.metadata["format_version"] + "', this program reads " + kVersion +
                           "; use a newer ptqbench",
                       path);
  }
  PackedModel packed;
  packed.model = file.metadata["model"];
  method::EncodedPlan encoded;
  std::string rest;
  for (const auto& [name, value] : file.metadata) {
    if (CutPrefix(name, kPlan, &rest)) {
      encoded.metadata[rest] = value;
    }
  }
  for (const auto& [name, tensor] : file.tensors) {
    if (CutPrefix(name, kPlan, &rest)) {
      encoded.tensors[rest] = tensor;
    } else if (CutPrefix(name, kFloat, &rest)) {
      packed.parameters[rest] = tensor;
    } else if (CutPrefix(name, kPacked, &rest) && tensor.dtype == vit::DType::kU8 && tensor.shape.size() == 1) {
      packed.weights[rest] = *tensor.bytes;
    } else {
      return Corrupt("holds the tensor '" + name + "', which is no part of a packed model", path);
    }
  }
  Result<method::Plan> plan = method::Decode(encoded);
  if (!plan.ok()) {
    return InFile(plan.error(), path);
  }
  packed.plan = *std::move(plan);
  if (!packed.plan.replaced_parameters.empty()) {
    return Corrupt("holds a plan that replaces parameters, which are part of a packed model", path);
  }
  return packed;
}

}  // namespace ptq::experiments
