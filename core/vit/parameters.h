// parameters.h: which tensors a model of a given geometry must have, in canonical (timm) names.
#pragma once

#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/vit/config.h"
#include "core/vit/tensor_map.h"

namespace ptq::vit {

struct ParameterShape {
  std::string name;
  std::vector<int64_t> shape;
};

// In the order of execution: cls_token, (dist_token,) pos_embed, patch_embed.proj.weight, ..., head.bias.
std::vector<ParameterShape> RequiredParameters(const VitConfig& config);

// Every required tensor is there, floating point, with its shape, and finite; nothing else is.  The error names the
// tensor, the expected and the found shape, and for an absent one the nearest name in the file.
Status CheckParameters(const VitConfig& config, const TensorMap& tensors);

}  // namespace ptq::vit
