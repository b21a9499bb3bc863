// tiny_config.h: a ViT that runs in microseconds, with random weights.  No LibTorch.
#pragma once

#include <cstdint>

#include "core/vit/config.h"
#include "core/vit/tensor_map.h"

namespace ptq::testing {

// Image 8, patch 4, width 16, depth 2, heads 2, MLP 32, 5 classes.
vit::VitConfig TinyConfig(bool distilled = false);

// Every required parameter, normal: weights scaled by 1/sqrt(inputs), LayerNorm weights around 1.  A pure function of
// config and seed.
vit::TensorMap RandomParameters(const vit::VitConfig& config, uint64_t seed = 1);

}  // namespace ptq::testing
