// fake_quant.h: quantization of LibTorch tensors, bit for bit equal to reference.h.
//
// x: float32 on the CPU, any shape, no NaN.  per_channel: x.size(axis) == scale.size().  Never modifies x.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/quant/quant_params.h"

namespace ptq::quant {

// Codes, int32, same shape as x.
at::Tensor Quantize(const at::Tensor& x, const QuantParams& params);

// Values of codes, float32, same shape.
at::Tensor Dequantize(const at::Tensor& codes, const QuantParams& params);

// Dequantize(Quantize(x)) in one pass over memory.
at::Tensor FakeQuantize(const at::Tensor& x, const QuantParams& params);

// out[i] = code of x[i] less the zero point of `channel`, x[0..size) finite; the grids on which zero is a level.
// Safe to call from several threads.
void CodesLessZeroPoint(const float* x, int64_t size, const QuantParams& params, int64_t channel, int32_t* out);

}  // namespace ptq::quant
