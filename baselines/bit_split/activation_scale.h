// activation_scale.h: the scale of an activation: fixed point of rounding and least squares.  No LibTorch.
#pragma once

#include <cstdint>
#include <vector>

namespace ptq::bit_split {

// Magnitudes with their counts: the non-empty bins of a histogram.
struct Magnitudes {
  std::vector<double> values;  // >= 0
  std::vector<double> counts;  // as many
  double bound = 0;            // the largest magnitude itself
};

// Bins of width `width` from 0: the centre of bin i, at most `bound`, with its count.
Magnitudes FromBins(const std::vector<int64_t>& bins, double width, double bound);

// From bound / max_code: codes clip(rne(x / scale), 0, max_code), then scale = <x, code>/<code, code>, in turn until
// the scale is one of its last five values or 1000 steps are done.  The released rule of Wang et al. 2020, which takes
// magnitudes of signed activations (grid -max_code..max_code) and leaves zeros out of unsigned ones; zeros weigh
// nothing here.  All zeros, or nothing: 1.
double FixedPointScale(const Magnitudes& magnitudes, int32_t max_code);

}  // namespace ptq::bit_split
