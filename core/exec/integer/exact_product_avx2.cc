#include <immintrin.h>

#include "core/exec/integer/exact_product.h"

// This source calls no inline function of the standard library: one compiled here could stand in for another's.
namespace ptq::exec::internal {
namespace {

constexpr int64_t kPanel = 16;
constexpr int kRows = 4;

__m256i Pair(const int16_t* pair) {
  int32_t both;
  __builtin_memcpy(&both, pair, sizeof both);
  return _mm256_set1_epi32(both);
}

// `Rows` rows against one panel.
template <int Rows>
void Tile(const int16_t* left, const int16_t* panel, int64_t pairs, int64_t columns, int32_t* out, int64_t out_stride) {
  __m256i low[Rows], high[Rows];
  for (int r = 0; r < Rows; ++r) {
    low[r] = high[r] = _mm256_setzero_si256();
  }
  for (int64_t p = 0; p < pairs; ++p) {
    const auto* codes = reinterpret_cast<const __m256i*>(panel + p * kPanel * 2);
    const __m256i first = _mm256_loadu_si256(codes);
    const __m256i second = _mm256_loadu_si256(codes + 1);
    for (int r = 0; r < Rows; ++r) {
      const __m256i both = Pair(left + (r * pairs + p) * 2);
      low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(both, first));
      high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(both, second));
    }
  }
  for (int r = 0; r < Rows; ++r) {
    alignas(32) int32_t row[kPanel];
    _mm256_store_si256(reinterpret_cast<__m256i*>(row), low[r]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(row + 8), high[r]);
    for (int64_t j = 0; j < kPanel && j < columns; ++j) {
      out[r * out_stride + j] = row[j];
    }
  }
}

}  // namespace

void MultiplyPairsAvx2(const int16_t* left, const int16_t* right, int64_t rows, int64_t inner, int64_t columns,
                       int32_t* out, int64_t out_stride) {
  const int64_t pairs = (inner + 1) / 2;
  for (int64_t j = 0; j < columns; j += kPanel) {
    const int16_t* panel = right + j * pairs * 2;
    int64_t i = 0;
    for (; i + kRows <= rows; i += kRows) {
      Tile<kRows>(left + i * pairs * 2, panel, pairs, columns - j, out + i * out_stride + j, out_stride);
    }
    for (; i < rows; ++i) {
      Tile<1>(left + i * pairs * 2, panel, pairs, columns - j, out + i * out_stride + j, out_stride);
    }
  }
}

}  // namespace ptq::exec::internal
