#include "core/exec/integer/exact_product.h"

#include <algorithm>

namespace ptq::exec {
namespace {

constexpr int64_t kPanel = 16;

template <typename Byte>
void Widen(const Byte* left, int64_t stride, int64_t rows, int64_t inner, int16_t* out) {
  const int64_t width = (inner + 1) / 2 * 2;
  for (int64_t i = 0; i < rows; ++i) {
    std::copy(left + i * stride, left + i * stride + inner, out + i * width);
    if (inner < width) {
      out[i * width + inner] = 0;
    }
  }
}

void MultiplyPairsScalar(const int16_t* left, const int16_t* right, int64_t rows, int64_t inner, int64_t columns,
                         int32_t* out, int64_t out_stride) {
  const int64_t pairs = (inner + 1) / 2;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      const int16_t* panel = right + (j / kPanel * pairs * kPanel + j % kPanel) * 2;
      int32_t sum = 0;
      for (int64_t p = 0; p < pairs; ++p) {
        const int16_t* pair = panel + p * kPanel * 2;
        sum += left[(i * pairs + p) * 2] * pair[0] + left[(i * pairs + p) * 2 + 1] * pair[1];
      }
      out[i * out_stride + j] = sum;
    }
  }
}

}  // namespace

size_t PairCodes::Size(int64_t inner, int64_t columns) {
  return static_cast<size_t>((inner + 1) / 2 * ((columns + kPanel - 1) / kPanel) * kPanel * 2);
}

void PackPairs(const int8_t* right, int64_t inner_stride, int64_t column_stride, int64_t inner, int64_t columns,
               int16_t* out) {
  const int64_t pairs = (inner + 1) / 2;
  std::fill(out, out + PairCodes::Size(inner, columns), int16_t{0});
  for (int64_t k = 0; k < inner; ++k) {
    for (int64_t j = 0; j < columns; ++j) {
      out[((j / kPanel * pairs + k / 2) * kPanel + j % kPanel) * 2 + k % 2] =
          right[k * inner_stride + j * column_stride];
    }
  }
}

void WidenRows(const uint8_t* left, int64_t stride, int64_t rows, int64_t inner, int16_t* out) {
  Widen(left, stride, rows, inner, out);
}

void WidenRows(const int8_t* left, int64_t stride, int64_t rows, int64_t inner, int16_t* out) {
  Widen(left, stride, rows, inner, out);
}

void MultiplyPairs(InstructionSet set, const int16_t* left, const int16_t* right, int64_t rows, int64_t inner,
                   int64_t columns, int32_t* out, int64_t out_stride) {
  if (set == InstructionSet::kScalar) {
    MultiplyPairsScalar(left, right, rows, inner, columns, out, out_stride);
  } else {
    internal::MultiplyPairsAvx2(left, right, rows, inner, columns, out, out_stride);
  }
}

}  // namespace ptq::exec
