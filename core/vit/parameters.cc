#include "core/vit/parameters.h"

#include <cmath>
#include <set>

#include "core/base/nearest_name.h"
#include "core/vit/op.h"

namespace ptq::vit {
namespace {

bool IsFloating(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF64;
}

Status CheckOne(const ParameterShape& wanted, const HostTensor& found) {
  const HostTensor expected{DType::kF32, wanted.shape, nullptr};
  if (found.shape != wanted.shape) {
    return InvalidArgument("tensor '" + wanted.name + "' has shape " + found.ShapeString() + ", the model needs " +
                           expected.ShapeString());
  }
  if (!IsFloating(found.dtype)) {
    return InvalidArgument("tensor '" + wanted.name + "' is " + Name(found.dtype) + ", not floating point");
  }
  for (const float value : ToFloats(found)) {
    if (!std::isfinite(value)) {
      return InvalidArgument("tensor '" + wanted.name + "' contains a NaN or an infinity");
    }
  }
  return OkStatus();
}

}  // namespace

std::vector<ParameterShape> RequiredParameters(const VitConfig& config) {
  const int64_t c = config.width;
  std::vector<ParameterShape> list = {{"cls_token", {1, 1, c}}};
  if (config.distilled) {
    list.push_back({"dist_token", {1, 1, c}});
  }
  list.push_back({"pos_embed", {1, config.tokens(), c}});
  list.push_back({"patch_embed.proj.weight", {c, config.channels, config.patch_size, config.patch_size}});
  list.push_back({"patch_embed.proj.bias", {c}});
  auto norm = [&](const std::string& path) {
    list.push_back({path + ".weight", {c}});
    list.push_back({path + ".bias", {c}});
  };
  auto linear = [&](OpKind kind, int64_t block) {
    const OpId op{kind, block};
    const OpShape shape = ShapeOf(op, config);
    list.push_back({op.weight_name(), {shape.columns, shape.inner}});
    list.push_back({op.bias_name(), {shape.columns}});
  };
  for (int64_t block = 0; block < config.depth; ++block) {
    const std::string path = "blocks." + std::to_string(block);
    norm(path + ".norm1");
    linear(OpKind::kQkv, block);
    linear(OpKind::kProj, block);
    norm(path + ".norm2");
    linear(OpKind::kFc1, block);
    linear(OpKind::kFc2, block);
  }
  norm("norm");
  linear(OpKind::kHead, -1);
  if (config.distilled) {
    linear(OpKind::kHeadDist, -1);
  }
  return list;
}

Status CheckParameters(const VitConfig& config, const TensorMap& tensors) {
  PTQ_RETURN_IF_ERROR(Validate(config));
  const std::vector<ParameterShape> required_list = RequiredParameters(config);
  std::set<std::string> required;
  for (const ParameterShape& wanted : required_list) {
    required.insert(wanted.name);
  }
  std::vector<std::string> foreign_names;  // what an absent tensor may be misspelt as
  for (const auto& [name, tensor] : tensors) {
    if (required.count(name) == 0) {
      foreign_names.push_back(name);
    }
  }
  for (const ParameterShape& wanted : required_list) {
    const auto it = tensors.find(wanted.name);
    if (it == tensors.end()) {
      const HostTensor expected{DType::kF32, wanted.shape, nullptr};
      const std::string nearest = NearestName(wanted.name, foreign_names);
      return NotFound("tensor '" + wanted.name + "' " + expected.ShapeString() + " is missing" +
                      (nearest.empty() ? "" : "; the nearest name in the file is '" + nearest + "'"));
    }
    PTQ_RETURN_IF_ERROR(CheckOne(wanted, it->second));
  }
  if (!foreign_names.empty()) {
    const std::string& name = foreign_names.front();
    return InvalidArgument("tensor '" + name + "' " + tensors.at(name).ShapeString() +
                           " does not belong to this geometry (" + ToString(config) + ")");
  }
  return OkStatus();
}

}  // namespace ptq::vit
