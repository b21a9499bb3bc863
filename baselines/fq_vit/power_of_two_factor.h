// power_of_two_factor.h: one scale and zero point for the residual stream, times a power of two per channel.
//
// Lin et al. 2022.  The layer's scale s covers the whole range of x in 2^b codes; channel c takes the
// scale s 2^(alpha_c - K), alpha_c in 0..K, of least squared error, and the layer's zero point.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/base/error.h"
#include "core/quant/quant_params.h"

namespace ptq::baselines {

// x: (images, N, C), float32, finite.  Per-channel affine parameters along axis 2.  largest_factor: K >= 0; a tie goes
// to the smaller scale.  Errors: those of quant::ParamsFromRange.
Result<quant::QuantParams> PowerOfTwoFactors(const at::Tensor& x, int num_bits, int largest_factor);

}  // namespace ptq::baselines
