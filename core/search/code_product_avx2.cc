// The kernels for AVX2: both containers as int16, since the instruction for bytes saturates.  Only functions marked
// TARGET may hold such instructions.
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "core/search/code_product_kernels.h"

#define TARGET __attribute__((target("avx2,fma")))
#define INLINE_TARGET static inline __attribute__((always_inline, target("avx2,fma")))

namespace ptq::search::internal {
namespace {

constexpr int kHalf = 8;  // floats of a register; a vector of 16 columns is two

// The same as in code_product_vnni.cc, on one half of a vector.
INLINE_TARGET void CompareHalf(const PanelJob& job, int64_t row, int half, __m256i mask, __m256i acc) {
  const int64_t column = half * kHalf;
  float* const lanes = job.lanes + row * kSums * kLanes + column;
  const __m256 t = _mm256_maskload_ps(job.target + row * job.target_stride + column, mask);
  const __m256 scale = _mm256_load_ps(job.scale + column);
  const __m256 product = _mm256_cvtepi32_ps(acc);
  if (job.o_hat != nullptr) {
    _mm256_maskstore_ps(job.o_hat + row * job.o_hat_stride + column, mask, _mm256_mul_ps(scale, product));
  }
  const __m256 e = _mm256_sub_ps(_mm256_fmsub_ps(scale, product, t), _mm256_load_ps(job.offset + column));
  _mm256_store_ps(lanes, _mm256_add_ps(_mm256_load_ps(lanes), e));
  _mm256_store_ps(lanes + kLanes, _mm256_fmadd_ps(e, e, _mm256_load_ps(lanes + kLanes)));
  _mm256_store_ps(lanes + 2 * kLanes, _mm256_fmadd_ps(e, t, _mm256_load_ps(lanes + 2 * kLanes)));
}

TARGET void Run(const PanelJob& job) {
  constexpr int kRows = 6;
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const int columns = static_cast<int>(job.columns);
  const __m256i mask[2] = {_mm256_cmpgt_epi32(_mm256_set1_epi32(columns), index),
                           _mm256_cmpgt_epi32(_mm256_set1_epi32(columns - kHalf), index)};
  const int64_t stride = job.groups * 4;
  for (int64_t row = 0; row < job.rows; row += kRows) {
    __m256i acc[kRows][2];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        acc[r][half] =
            _mm256_add_epi32(_mm256_set1_epi32(job.row_terms[row + r]),
                             _mm256_load_si256(reinterpret_cast<const __m256i*>(job.column_terms + half * kHalf)));
      }
    }
    const uint8_t* left = job.left + row * stride;
    for (int64_t g = 0; g < job.groups; ++g, left += 4) {
      const __m256i* const right = reinterpret_cast<const __m256i*>(job.right + g);
      const __m256i low = _mm256_load_si256(right), high = _mm256_load_si256(right + 1);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        int32_t group;
        std::memcpy(&group, left + r * stride, sizeof(group));
        const __m256i codes = _mm256_set1_epi32(group);
        acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(codes, low));
        acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(codes, high));
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      if (row + r < job.rows) {
        CompareHalf(job, row + r, 0, mask[0], acc[r][0]);
        CompareHalf(job, row + r, 1, mask[1], acc[r][1]);
      }
    }
  }
}

int64_t MaxVectors(int64_t /*groups*/) { return 1; }

template <bool kInt8>
TARGET StoredRow Store(const int32_t* codes, int64_t count, int32_t base, uint32_t flip, uint8_t* out) {
  using Stored __attribute__((may_alias)) = int16_t;
  Stored* const stored = reinterpret_cast<Stored*>(out);
  uint32_t sum = 0, bits = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t code = static_cast<uint32_t>(codes[i]);
    const uint32_t v = code - static_cast<uint32_t>(base);
    sum += code;
    bits |= v;
    // Flipping a byte's highest bit subtracts it where the byte is read as signed.
    stored[i] = static_cast<int16_t>(kInt8 ? v - flip : v ^ flip);
  }
  return {sum, bits};
}

void Interleave(const uint8_t* rows, int64_t stride, int64_t groups, CodeLine* out, int64_t out_step) {
  for (int64_t g = 0; g < groups; ++g, rows += 4, out += out_step) {
    for (int64_t c = 0; c < kLanes; ++c) {
      std::memcpy(out->bytes + 4 * c, rows + c * stride, 4);
    }
  }
}

}  // namespace

const Kernel kAvx2Int8 = {"avx2", 2, MaxVectors, Run, AddLanes, Store<true>, Interleave};
const Kernel kAvx2Int16 = {"avx2", 2, MaxVectors, Run, AddLanes, Store<false>, Interleave};

}  // namespace ptq::search::internal
