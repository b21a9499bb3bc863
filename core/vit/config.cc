#include "core/vit/config.h"

#include <utility>

namespace ptq::vit {

Status Validate(const VitConfig& config) {
  const std::pair<const char*, int64_t> sizes[] = {
      {"image_size", config.image_size}, {"patch_size", config.patch_size}, {"channels", config.channels},
      {"width", config.width},           {"depth", config.depth},           {"heads", config.heads},
      {"mlp_hidden", config.mlp_hidden}, {"classes", config.classes},
  };
  for (const auto& [name, value] : sizes) {
    if (value < 1 || value > (int64_t{1} << 20)) {
      return InvalidArgument(std::string(name) + " is " + std::to_string(value) + "; it must lie in 1..1048576");
    }
  }
  if (config.image_size % config.patch_size != 0) {
    return InvalidArgument("image_size " + std::to_string(config.image_size) + " is not a multiple of patch_size " +
                           std::to_string(config.patch_size));
  }
  if (config.width % config.heads != 0) {
    return InvalidArgument("width " + std::to_string(config.width) + " is not a multiple of heads " +
                           std::to_string(config.heads));
  }
  if (!(config.layer_norm_eps > 0) || config.layer_norm_eps > 1) {
    return InvalidArgument("layer_norm_eps must lie in (0, 1]");
  }
  return OkStatus();
}

int64_t ParameterCount(const VitConfig& config) {
  const int64_t c = config.width;
  const int64_t f = config.mlp_hidden;
  const int64_t block = 4 * c * c + 4 * c + 2 * c * f + f + c + 4 * c;  // qkv, proj, fc1, fc2, two LayerNorms
  const int64_t head = c * config.classes + config.classes;
  return config.patch_elements() * c + c + config.prefix_tokens() * c + config.tokens() * c + config.depth * block +
         2 * c + head * (config.distilled ? 2 : 1);
}

std::string ToString(const VitConfig& config) {
  auto field = [](const char* name, int64_t value) { return std::string(name) + " " + std::to_string(value) + ", "; };
  return field("image", config.image_size) + field("patch", config.patch_size) + field("channels", config.channels) +
         field("width", config.width) + field("depth", config.depth) + field("heads", config.heads) +
         field("mlp hidden", config.mlp_hidden) + field("classes", config.classes) +
         (config.distilled ? "distilled" : "plain");
}

}  // namespace ptq::vit
