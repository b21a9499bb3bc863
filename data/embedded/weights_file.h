// weights_file.h: the embedded models' geometry, their first weights, and their f16 files.
#pragma once

#include <map>
#include <string>

#include "core/base/error.h"
#include "core/vit/config.h"
#include "core/vit/model.h"

namespace ptq::data {

// "micro_vit" or "micro_deit", as data/models.toml declares them.  InvalidArgument for another name.
Result<vit::VitConfig> EmbeddedConfig(const std::string& name);

// Weights from a normal distribution of deviation 0.6/sqrt(inputs), tokens and positions of 0.02, biases 0,
// LayerNorm 1. (timm's 0.02 for everything suits widths of 384 and more; at 128 it learns several times more slowly.)
// One stream of `seed` per tensor.
Result<vit::VitModel> InitialModel(const vit::VitConfig& config, uint64_t seed);

// The same model with a distillation token, whose value, position and head begin as copies of the class token's.
Result<vit::VitModel> DistilledFrom(const vit::VitModel& plain);

// The parameters rounded to f16.
vit::TensorMap RoundedToHalf(const std::map<std::string, at::Tensor>& parameters);

// Writes the rounded parameters with the name and the seed as metadata.
Status WriteWeights(const std::string& path, const vit::TensorMap& tensors, const std::string& name, uint64_t seed);

Result<vit::VitModel> ReadWeights(const std::string& path, const vit::VitConfig& config);

}  // namespace ptq::data
