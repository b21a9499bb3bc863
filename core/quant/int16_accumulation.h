// int16_accumulation.h: sums of code products in 16 bits, spilled into 32 bits before they overflow (Wu et al. 2020,
// EasyQuant, Section 4: 7-bit codes, 8 products at a time).
//
// The plain arithmetic, for tests and for what a plan may promise a kernel; no LibTorch.
#pragma once

#include <cstdint>

#include "core/base/error.h"
#include "core/quant/quant_params.h"

namespace ptq::quant {

// How many products of any codes in these ranges a 16-bit sum holds: 8 of two operands in -63..63, 7 where -64 may
// occur, 0 where a single product may overflow.
int64_t MaxInt16Products(CodeRange left, CodeRange right);

// Ok where `depth` products fit 16 bits.  Unsupported, naming the largest legal depth, where they do not.
Status CheckInt16Depth(CodeRange left, CodeRange right, int64_t depth);

// sum over k of left[k] * right[k], `depth` products at a time in a 16-bit accumulator that wraps as hardware does,
// each chunk then added to 32 bits.  Exact where MaxInt16Products(..) >= depth and the sum fits 32 bits.  depth > 0.
int32_t DotInt16Spilled(const int32_t* left, const int32_t* right, int64_t size, int64_t depth);

struct SaturatedSum {
  int16_t value = 0;
  int64_t overflows = 0;  // additions that were cut off
};

// The variant that never spills (eq-ncnn's simulator): chunks as above are added to a running 16-bit sum that
// saturates. No choice for long sums; here to count how often it fails.
SaturatedSum DotInt16Saturating(const int32_t* left, const int32_t* right, int64_t size, int64_t depth);

// The reference: every product in 32 bits.
int32_t DotInt32(const int32_t* left, const int32_t* right, int64_t size);

}  // namespace ptq::quant
