// lp_range.h: the clipping range that loses least: argmin over a of E|x - Q_a(x)|^p (Choukroun et al. 2019 with p = 2;
// Nahshan et al. 2021, LAPQ, with p from 2 to 4).  No LibTorch.
#pragma once

#include <vector>

#include "core/base/error.h"
#include "core/quant/quant_params.h"

namespace ptq::quant {

// Values with multiplicities: a tensor's elements, or a histogram's bin centres and counts.
struct WeightedValues {
  std::vector<float> values;
  std::vector<double> weights;  // as many, >= 0; empty: 1 each
};

// The mean of |x - Q(x)|^p under per-tensor parameters, summed in double, to nine digits.  Not empty; 0 < p <= 8.
double LpError(const WeightedValues& values, const QuantParams& params, double p);

// The per-tensor parameters on `grid` whose range is t * [min, max] of the values that have weight, 0 < t <= 1, with
// the least LpError: a scan of t in steps of 1 % (below 1 % in steps of a fifth, to 0.001), then golden section around
// the best.  Never worse than the whole range.  Deterministic; ties go to the wider range.  An all-zero tensor gives
// scale 1. Errors: those of ParamsFromRange; InvalidArgument for a value that is not finite.
Result<QuantParams> LpOptimalParams(const WeightedValues& values, Grid grid, int num_bits, double p);

}  // namespace ptq::quant
