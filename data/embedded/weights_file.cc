#include "data/embedded/weights_file.h"

#include <ATen/ATen.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/vit/parameters.h"
#include "data/embedded/generator.h"
#include "data/weights/safetensors.h"

namespace ptq::data {

Result<vit::VitConfig> EmbeddedConfig(const std::string& name) {
  if (name != "micro_vit" && name != "micro_deit") {
    return InvalidArgument("there is no embedded model '" + name + "'; there are micro_vit and micro_deit");
  }
  vit::VitConfig config;
  config.image_size = kEmbeddedSize;
  config.patch_size = 4;
  config.width = 128;
  config.depth = 6;
  config.heads = 4;
  config.mlp_hidden = 512;
  config.classes = kEmbeddedClasses;
  config.distilled = name == "micro_deit";
  return config;
}

Result<vit::VitModel> InitialModel(const vit::VitConfig& config, uint64_t seed) {
  vit::TensorMap tensors;
  for (const vit::ParameterShape& parameter : vit::RequiredParameters(config)) {
    const std::string& name = parameter.name;
    int64_t elements = 1;
    for (const int64_t size : parameter.shape) {
      elements *= size;
    }
    std::vector<float> values(elements, 0.0F);
    const bool is_norm_weight = name.find("norm") != std::string::npos && parameter.shape.size() == 1 &&
                                name.substr(name.size() - 7) == ".weight";
    if (is_norm_weight) {
      values.assign(elements, 1.0F);
    } else if (parameter.shape.size() > 1) {
      RandomStream random(seed, "embedded/initial/" + name);
      const bool is_weight = name.substr(name.size() - 7) == ".weight";
      const double inputs = static_cast<double>(elements) / static_cast<double>(parameter.shape[0]);
      const double deviation = is_weight ? 0.6 / std::sqrt(inputs) : 0.02;
      for (float& value : values) {
        value = static_cast<float>(deviation * random.NextNormal());
      }
    }
    tensors[name] = vit::MakeTensor(values, parameter.shape);
  }
  return vit::VitModel::Create(config, tensors);
}

Result<vit::VitModel> DistilledFrom(const vit::VitModel& plain) {
  vit::VitConfig config = plain.config();
  config.distilled = true;
  vit::TensorMap tensors;
  for (const auto& [name, parameter] : plain.parameters()) {
    tensors[name] = vit::FromTorch(parameter);
  }
  const at::Tensor positions = plain.parameter("pos_embed");
  tensors["pos_embed"] = vit::FromTorch(at::cat({positions.slice(1, 0, 1), positions}, 1));
  tensors["dist_token"] = tensors["cls_token"];
  tensors["head_dist.weight"] = tensors["head.weight"];
  tensors["head_dist.bias"] = tensors["head.bias"];
  return vit::VitModel::Create(config, tensors);
}

vit::TensorMap RoundedToHalf(const std::map<std::string, at::Tensor>& parameters) {
  vit::TensorMap tensors;
  for (const auto& [name, parameter] : parameters) {
    const at::Tensor half = parameter.detach().cpu().to(at::kHalf).contiguous();
    auto bytes = std::make_shared<std::vector<std::byte>>(half.nbytes());
    std::memcpy(bytes->data(), half.data_ptr(), bytes->size());
    tensors[name] = {vit::DType::kF16, half.sizes().vec(), std::move(bytes)};
  }
  return tensors;
}

Status WriteWeights(const std::string& path, const vit::TensorMap& tensors, const std::string& name, uint64_t seed) {
  SafetensorsFile file;
  file.tensors = tensors;
  file.metadata = {{"format", "pt"}, {"model", name}, {"seed", std::to_string(seed)}};
  return WriteSafetensors(path, file);
}

Result<vit::VitModel> ReadWeights(const std::string& path, const vit::VitConfig& config) {
  PTQ_ASSIGN_OR_RETURN(const SafetensorsFile file, ReadSafetensors(path));
  return vit::VitModel::Create(config, file.tensors);
}

}  // namespace ptq::data
