// reparameterize.h: moves a LayerNorm's per-channel quantizer into the LayerNorm and the linear layer behind it.
//
// Li et al. 2023.  For a LayerNorm output x with steps s and zero points z per channel, and the layer-wise
// s~ and z~:   x' = (x + s z) s~ / s - s~ z~,   so that   x' / s~ + z~ = x / s + z.
// Both sides round to the same code wherever x / s is no tie (half-to-even looks at the parity of what it rounds, and z
// and z~ may differ in it), in exact arithmetic; float32 moves few codes more.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/quant/quant_params.h"

namespace ptq::baselines {

struct Reparameterized {
  quant::QuantParams input;  // per tensor: s~ = mean of s, z~ = mean of z, rounded, inside the codes
  at::Tensor norm_weight, norm_bias;
  at::Tensor weight, bias;  // of the linear layer
};

// channels: per channel, affine, zero points of any size.  norm_weight, norm_bias (C); weight (O, C), bias (O).
// In float the linear layer's output stays what it was; computed in double, returned in float32.
Reparameterized Reparameterize(const quant::QuantParams& channels, const at::Tensor& norm_weight,
                               const at::Tensor& norm_bias, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace ptq::baselines
