#include "tests/testing/tiny_config.h"

#include <cmath>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/vit/parameters.h"

namespace ptq::testing {

vit::VitConfig TinyConfig(bool distilled) {
  vit::VitConfig config;
  config.image_size = 8;
  config.patch_size = 4;
  config.width = 16;
  config.depth = 2;
  config.heads = 2;
  config.mlp_hidden = 32;
  config.classes = 5;
  config.distilled = distilled;
  return config;
}

vit::TensorMap RandomParameters(const vit::VitConfig& config, uint64_t seed) {
  const RandomStream root(seed, "tiny_weights");
  vit::TensorMap tensors;
  for (const vit::ParameterShape& parameter : vit::RequiredParameters(config)) {
    RandomStream stream = root.Child(parameter.name);
    int64_t count = 1;
    for (const int64_t size : parameter.shape) {
      count *= size;
    }
    const bool is_norm_weight =
        parameter.name.find("norm") != std::string::npos && parameter.name.find(".weight") != std::string::npos;
    const bool is_matrix = parameter.shape.size() == 2 || parameter.shape.size() == 4;
    const double spread = is_matrix ? std::sqrt(static_cast<double>(parameter.shape[0]) / count) : 0.2;
    std::vector<float> values(count);
    for (float& value : values) {
      value = static_cast<float>((is_norm_weight ? 1.0 : 0.0) + spread * stream.NextNormal());
    }
    tensors[parameter.name] = vit::MakeTensor(values, parameter.shape);
  }
  return tensors;
}

}  // namespace ptq::testing
