// direct_form.h: output reconstruction as plainly as it can be written, on samples, trying every value of every digit.
//
// The meaning of reconstruction.h, which is tested against it; for small sizes only.
#pragma once

#include <cstdint>

#include "baselines/bit_split/weight_codes.h"

namespace ptq::bit_split {

// ||y - scale * X code||^2.  x: (samples, K), y: (samples).
double DirectError(const float* x, const float* y, int64_t samples, const SplitRow& row);

// `epochs` times: the scale in closed form, then for each plane and each input in order the digit with the least
// error, the others held.  The scale is fitted once more at the end.
void ReconstructDirectly(const float* x, const float* y, int64_t samples, int epochs, SplitRow& row);

}  // namespace ptq::bit_split
