// exact_product.h: products of bytes in 32 bits without VNNI, the project's own.
//
// Codes are widened to 16 bits, where the sum of two products of a byte with a signed byte always fits 32 bits.
#pragma once

#include <cstdint>
#include <vector>

#include "core/exec/integer/instruction_set.h"

namespace ptq::exec {

// The right operand: codes of pairs (2p, 2p + 1) of the inner dimension side by side, columns in panels of 16:
// [column / 16][pair][column % 16][2].
struct PairCodes {
  int64_t inner = 0, columns = 0;
  std::vector<int16_t> data;

  int64_t pairs() const { return (inner + 1) / 2; }
  int64_t panels() const { return (columns + 15) / 16; }
  static size_t Size(int64_t inner, int64_t columns);  // entries of data
};

// Element (k, j) lies at right[k * inner_stride + j * column_stride].
void PackPairs(const int8_t* right, int64_t inner_stride, int64_t column_stride, int64_t inner, int64_t columns,
               int16_t* out);

// Rows of bytes widened to 16 bits, padded with a zero to whole pairs.
void WidenRows(const uint8_t* left, int64_t stride, int64_t rows, int64_t inner, int16_t* out);
void WidenRows(const int8_t* left, int64_t stride, int64_t rows, int64_t inner, int16_t* out);

// out[i][j] = sum_k left[i][k] right[k][j]; left as from WidenRows, right as from PackPairs; out rows begin out_stride
// apart.  kScalar is the meaning; kAvx512Vnni takes the AVX2 one.
void MultiplyPairs(InstructionSet set, const int16_t* left, const int16_t* right, int64_t rows, int64_t inner,
                   int64_t columns, int32_t* out, int64_t out_stride);

namespace internal {
void MultiplyPairsAvx2(const int16_t* left, const int16_t* right, int64_t rows, int64_t inner, int64_t columns,
                       int32_t* out, int64_t out_stride);
}  // namespace internal

}  // namespace ptq::exec
