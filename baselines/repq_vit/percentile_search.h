// percentile_search.h: how RepQ-ViT chooses every quantizer: of three percentile ranges the one that loses least.
//
// The ranges are [Q(1 - p), Q(p)] for p = 0.999, 0.9999, 0.99999, quantiles exact with linear interpolation; the loss
// is the mean squared error over all values; a tie goes to the narrower range.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "core/base/error.h"
#include "core/quant/quant_params.h"

namespace ptq::baselines {

constexpr std::array<double, 3> kPercentiles = {0.999, 0.9999, 0.99999};

struct Tails {
  std::array<float, kPercentiles.size()> low, high;  // Q(1 - p), Q(p)
};
// Reorders `values`; not empty.
Tails TailsOf(std::vector<float>& values);

// x: float32, finite, at least one element.  Ranges are widened to hold 0, as kAffine has it; on the logarithmic grids
// scale = Q(p).  per_channel: a choice for each slice along axis 0.  An all-zero slice gets scale 1.
// Errors: those of quant::ParamsFromRange.
Result<quant::QuantParams> ChooseParams(const at::Tensor& x, quant::Grid grid, int num_bits,
                                        quant::Granularity granularity);

// x: (..., C).  A choice for each channel, along the last axis, on the affine grid as the official code has it: ranges
// are not widened, zero_point = rne(-low / scale) may lie outside the codes, and so for the simulation only.
// A channel of one value v (its LayerNorm weight is 0), or one whose range is below 2^-20 of its distance from 0,
// takes the range from 0 to v; where v is 0, the step 1e-3.
quant::QuantParams ChooseChannels(const at::Tensor& x, int num_bits);

}  // namespace ptq::baselines
