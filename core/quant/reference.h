// reference.h: quantization of one number at a time, as plainly as it can be written.
//
// The meaning of every faster version: fake_quant.h and the integer kernels are tested against these functions.
#pragma once

#include <cstdint>

#include "core/quant/quant_params.h"

namespace ptq::quant {

// Nearest integer, ties to even: the one rounding of this project.
float RoundHalfEven(float x);

// clamp(rne(x/scale - offset) + zero_point, qmin, qmax); on the logarithmic and twin grids as quant_params.h says.
// x may be infinite; NaN is the caller's bug.
int32_t QuantizeScalar(float x, const QuantParams& params, int64_t channel = 0);

// fma(scale, code - zero_point + offset, correction), and the non-uniform grids' own.
float DequantizeScalar(int32_t code, const QuantParams& params, int64_t channel = 0);

// DequantizeScalar(QuantizeScalar(x)).
float FakeQuantizeScalar(float x, const QuantParams& params, int64_t channel = 0);

}  // namespace ptq::quant
