// random_weights.h: a model's parameters drawn by seed, for timing a geometry whose weights are absent.
#pragma once

#include <cstdint>

#include "core/vit/config.h"
#include "core/vit/tensor_map.h"

namespace ptq::experiments {

// Every required parameter as ViTs are initialised: weights, tokens and position embedding from a normal of deviation
// 0.02 cut at two deviations, LayerNorms 1 and 0, other biases from the same normal, so that none is zero.  A pure
// function of its arguments, whatever the number of threads.
vit::TensorMap RandomWeights(const vit::VitConfig& config, uint64_t seed, int threads);

}  // namespace ptq::experiments
