// kernels.h: what lies between the products of the integer executor: one pass each, from floats or sums to codes.
//
// Every instruction set has all of them; the scalar ones are the meaning of the others.  Codes of the fast ones may
// differ from the scalar ones' by 1 where the real value before rounding lies within float rounding of a tie (the
// order of a sum, a polynomial in place of a library function), and nowhere else.  No LibTorch.
#pragma once

#include <cstdint>

#include "core/exec/integer/instruction_set.h"

namespace ptq::exec {

// From a real value to a stored code:
//   stored = clamp(rne(x * inverse_scale + offset), low, high) + zero, rne to nearest, ties to even;
// clamped before it is rounded, so that every finite x is safe.  NaN becomes low + zero.  low + zero and high + zero
// fit the byte: 0..255 where stored is unsigned, -128..127 where it is signed.
struct CodeMap {
  float inverse_scale = 1;
  float offset = 0;  // -1/2 on the grid on which zero is no level
  int32_t low = 0, high = 255;
  int32_t zero = 0;
};

struct LayerNormWeights {
  const float* gamma = nullptr;  // width entries each
  const float* beta = nullptr;
  float eps = 1e-6F;
};

struct Kernels {
  InstructionSet set;

  // out[i] = code of x[i].
  void (*quantize_unsigned)(const float* x, int64_t count, const CodeMap& map, uint8_t* out);
  void (*quantize_signed)(const float* x, int64_t count, const CodeMap& map, int8_t* out);

  // An image (channels, size, size) as rows of patches: out[p][(c * patch + i) * patch + j], p row by row; size is a
  // multiple of patch.
  void (*quantize_patches)(const float* image, int64_t channels, int64_t size, int64_t patch, const CodeMap& map,
                           uint8_t* out);

  // LayerNorm of each row, x (rows, width): (x - mean) / sqrt(variance + eps) * gamma + beta, the variance without
  // Bessel's correction; then the code, or the value itself.
  void (*layer_norm_quantize)(const float* x, int64_t rows, int64_t width, const LayerNormWeights& weights,
                              const CodeMap& map, uint8_t* out);
  void (*layer_norm)(const float* x, int64_t rows, int64_t width, const LayerNormWeights& weights, float* out);

  // Softmax of each row of factor * (scores[r][c] + column_terms[c]); column_terms may be null.  scores: rows begin
  // score_stride apart, out rows out_stride apart.  row_sums: null, or the sum of a row's stored codes.
  // factor > 0 and finite.  Bytes of an out row behind `columns` stay as they are.
  void (*softmax_quantize)(const int32_t* scores, int64_t score_stride, const float* column_terms, int64_t rows,
                           int64_t columns, float factor, const CodeMap& map, uint8_t* out, int64_t out_stride,
                           int32_t* row_sums);
  // The same of float scores, without terms.
  void (*softmax_quantize_float)(const float* scores, int64_t score_stride, int64_t rows, int64_t columns, float factor,
                                 const CodeMap& map, uint8_t* out, int64_t out_stride, int32_t* row_sums);
  // From integer or float scores to float probabilities.
  void (*softmax)(const int32_t* scores, int64_t score_stride, const float* column_terms, int64_t rows, int64_t columns,
                  float factor, float* out, int64_t out_stride);
  void (*softmax_float)(const float* scores, int64_t score_stride, int64_t rows, int64_t columns, float factor,
                        float* out, int64_t out_stride);

  // GELU with erf, x/2 (1 + erf(x / sqrt 2)), within 2e-6 of it absolutely (1e-6 relatively above 1); then the code, or
  // the value itself.  out may be x in gelu.
  void (*gelu_quantize)(const float* x, int64_t count, const CodeMap& map, uint8_t* out);
  void (*gelu)(const float* x, int64_t count, float* out);

  // y = scale * (sums[r][c] + row_terms[r] + column_terms[c]) as a code, or the value itself; either terms may be null.
  void (*requantize)(const int32_t* sums, int64_t sum_stride, int64_t rows, int64_t columns, const float* row_terms,
                     const float* column_terms, float scale, const CodeMap& map, uint8_t* out, int64_t out_stride);
  void (*dequantize)(const int32_t* sums, int64_t sum_stride, int64_t rows, int64_t columns, const float* row_terms,
                     const float* column_terms, float scale, float* out, int64_t out_stride);

  // sums[r] = sum of row r's bytes.
  void (*row_sums_unsigned)(const uint8_t* codes, int64_t stride, int64_t rows, int64_t columns, int32_t* sums);
  void (*row_sums_signed)(const int8_t* codes, int64_t stride, int64_t rows, int64_t columns, int32_t* sums);
  // sums[c] = sum of column c's bytes.
  void (*column_sums_signed)(const int8_t* codes, int64_t stride, int64_t rows, int64_t columns, int32_t* sums);

  // y[r][c] += row_values[r] * column_values[c], y (rows, columns) dense.
  void (*add_outer)(const float* row_values, const float* column_values, int64_t rows, int64_t columns, float* y);
  // y[i] += x[i].
  void (*add)(const float* x, int64_t count, float* y);
};

// CHECKs CheckAvailable(set).
const Kernels& KernelsFor(InstructionSet set);

}  // namespace ptq::exec
