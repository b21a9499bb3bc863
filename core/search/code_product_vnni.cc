// The kernels for AVX-512 with VNNI.  Only functions marked TARGET may hold such instructions: the file is compiled for
// the baseline, so that no inline function of a header is.
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "core/search/code_product_kernels.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define INLINE_TARGET static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512vl,avx512vnni")))

#ifndef __clang__
// GCC's own intrinsics start from undefined registers.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace ptq::search::internal {
namespace {

template <bool kInt8>
INLINE_TARGET __m512i Dot(__m512i acc, __m512i left, __m512i right) {
  return kInt8 ? _mm512_dpbusd_epi32(acc, left, right) : _mm512_dpwssd_epi32(acc, left, right);
}

// The sums of one row over a panel's 16 * V columns.
template <int V>
INLINE_TARGET void CompareRow(const PanelJob& job, int64_t row, __mmask16 last_mask, const __m512i (&acc)[V]) {
  float* const lanes = job.lanes + row * kSums * kLanes;
  const float* const target = job.target + row * job.target_stride;
  __m512 e_sum = _mm512_load_ps(lanes);
  __m512 ee_sum = _mm512_load_ps(lanes + kLanes);
  __m512 et_sum = _mm512_load_ps(lanes + 2 * kLanes);
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    // Behind the last column scale, offset and target are zero: e is a zero, which leaves every sum as it is.
    const __m512 t =
        v + 1 < V ? _mm512_loadu_ps(target + v * kLanes) : _mm512_maskz_loadu_ps(last_mask, target + v * kLanes);
    const __m512 scale = _mm512_load_ps(job.scale + v * kLanes);
    const __m512 product = _mm512_cvtepi32_ps(acc[v]);
    if (job.o_hat != nullptr) {
      const __m512 o_hat = _mm512_mul_ps(scale, product);
      _mm512_mask_storeu_ps(job.o_hat + row * job.o_hat_stride + v * kLanes, v + 1 < V ? __mmask16(0xFFFF) : last_mask,
                            o_hat);
    }
    const __m512 e = _mm512_sub_ps(_mm512_fmsub_ps(scale, product, t), _mm512_load_ps(job.offset + v * kLanes));
    e_sum = _mm512_add_ps(e_sum, e);
    ee_sum = _mm512_fmadd_ps(e, e, ee_sum);
    et_sum = _mm512_fmadd_ps(e, t, et_sum);
  }
  _mm512_store_ps(lanes, e_sum);
  _mm512_store_ps(lanes + kLanes, ee_sum);
  _mm512_store_ps(lanes + 2 * kLanes, et_sum);
}

// V vectors of columns, R rows at a time: 24 accumulators, V right vectors and a broadcast left group stay in
// registers.
template <bool kInt8, int V, int R>
TARGET void RunPanel(const PanelJob& job) {
  static_assert(V * R <= 24 && R <= kSpareRows);
  const __mmask16 last_mask = static_cast<__mmask16>((1U << (job.columns - kLanes * (V - 1))) - 1);
  const int64_t stride = job.groups * 4;
  for (int64_t row = 0; row < job.rows; row += R) {
    __m512i acc[R][V];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const __m512i row_term = _mm512_set1_epi32(job.row_terms[row + r]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        const float* const target = job.target + (row + r) * job.target_stride + v * kLanes;
        _mm_prefetch(reinterpret_cast<const char*>(target), _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(target + V * kLanes), _MM_HINT_T1);
        acc[r][v] = _mm512_add_epi32(row_term, _mm512_load_si512(job.column_terms + v * kLanes));
      }
    }
    const uint8_t* left = job.left + row * stride;
    const CodeLine* right = job.right;
    for (int64_t g = 0; g < job.groups; ++g, left += 4, right += V) {
      __m512i columns[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        columns[v] = _mm512_load_si512(right + v);
      }
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        int32_t group;
        std::memcpy(&group, left + r * stride, sizeof(group));
        const __m512i codes = _mm512_set1_epi32(group);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
          acc[r][v] = Dot<kInt8>(acc[r][v], codes, columns[v]);
        }
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      if (row + r < job.rows) {
        CompareRow<V>(job, row + r, last_mask, acc[r]);
      }
    }
  }
}

template <bool kInt8>
void Run(const PanelJob& job) {
  switch (job.vectors) {
    case 4:
      return RunPanel<kInt8, 4, 6>(job);
    case 3:
      return RunPanel<kInt8, 3, 8>(job);
    case 2:
      return RunPanel<kInt8, 2, 12>(job);
    default:
      return RunPanel<kInt8, 1, 12>(job);
  }
}

// A panel stays in the first-level cache beside its left rows.
int64_t MaxVectors(int64_t groups) { return groups * 4 * static_cast<int64_t>(sizeof(CodeLine)) <= 40 * 1024 ? 4 : 3; }

template <int kCodeBytes>
TARGET StoredRow Store(const int32_t* codes, int64_t count, int32_t base, uint32_t flip, uint8_t* out) {
  const __m512i base_vector = _mm512_set1_epi32(base);
  const __m512i flip_vector = _mm512_set1_epi32(static_cast<int32_t>(flip));
  const __m512i flips =
      kCodeBytes == 1 ? _mm512_set1_epi8(static_cast<char>(flip)) : _mm512_set1_epi16(static_cast<int16_t>(flip));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512i sum = _mm512_setzero_si512(), bits = sum;
  int64_t i = 0;
  for (; kCodeBytes == 1 && i + 64 <= count; i += 64) {
    __m512i v[4];
#pragma GCC unroll 4
    for (int part = 0; part < 4; ++part) {
      const __m512i code = _mm512_loadu_si512(codes + i + part * 16);
      v[part] = _mm512_sub_epi32(code, base_vector);
      sum = _mm512_add_epi32(sum, code);
      bits = _mm512_or_si512(bits, v[part]);
    }
    const __m512i packed = _mm512_packus_epi16(_mm512_packus_epi32(v[0], v[1]), _mm512_packus_epi32(v[2], v[3]));
    _mm512_storeu_si512(out + i, _mm512_xor_si512(_mm512_permutexvar_epi32(order, packed), flips));
  }
  for (; i < count; i += 16) {
    const __mmask16 mask = static_cast<__mmask16>((1U << std::min<int64_t>(16, count - i)) - 1);
    const __m512i code = _mm512_maskz_loadu_epi32(mask, codes + i);
    const __m512i v = _mm512_maskz_sub_epi32(mask, code, base_vector);
    sum = _mm512_add_epi32(sum, code);
    bits = _mm512_or_si512(bits, v);
    if (kCodeBytes == 1) {
      _mm512_mask_cvtepi32_storeu_epi8(out + i, mask, _mm512_xor_si512(v, flip_vector));
    } else {
      _mm512_mask_cvtepi32_storeu_epi16(out + 2 * i, mask, _mm512_xor_si512(v, flip_vector));
    }
  }
  return {static_cast<uint32_t>(_mm512_reduce_add_epi32(sum)), static_cast<uint32_t>(_mm512_reduce_or_epi32(bits))};
}

// Transposes 16 x 16 groups of 4 bytes.
INLINE_TARGET void Transpose(__m512i (&rows)[16]) {
  __m512i a[16], b[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    a[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512i low = _mm512_shuffle_i32x4(b[i], b[i + 4], 0x44);
    const __m512i high = _mm512_shuffle_i32x4(b[i], b[i + 4], 0xEE);
    const __m512i next_low = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0x44);
    const __m512i next_high = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0xEE);
    rows[i] = _mm512_shuffle_i32x4(low, next_low, 0x88);
    rows[i + 4] = _mm512_shuffle_i32x4(low, next_low, 0xDD);
    rows[i + 8] = _mm512_shuffle_i32x4(high, next_high, 0x88);
    rows[i + 12] = _mm512_shuffle_i32x4(high, next_high, 0xDD);
  }
}

TARGET void Interleave(const uint8_t* rows, int64_t stride, int64_t groups, CodeLine* out, int64_t out_step) {
  for (int64_t first = 0; first < groups; first += 16) {
    __m512i tile[16];
#pragma GCC unroll 16
    for (int c = 0; c < 16; ++c) {
      tile[c] = _mm512_load_si512(rows + c * stride + first * 4);
    }
    Transpose(tile);
#pragma GCC unroll 16
    for (int g = 0; g < 16; ++g) {
      if (first + g < groups) {
        _mm512_store_si512(out + (first + g) * out_step, tile[g]);
      }
    }
  }
}

// Sixteen rows at a time, so that the order within a row costs no waiting.
TARGET void AddLanes16(const float* lanes, int64_t rows, ErrorSums* sums) {
  constexpr int64_t kRowFloats = kSums * kLanes;
  int64_t row = 0;
  for (; row + 16 <= rows; row += 16, lanes += 16 * kRowFloats) {
    alignas(64) double totals[kSums][16];
    for (int64_t r = 0; r < 16; ++r) {
      totals[0][r] = sums[row + r].e;
      totals[1][r] = sums[row + r].ee;
      totals[2][r] = sums[row + r].et;
    }
    for (int64_t sum = 0; sum < kSums; ++sum) {
      __m512i tile[16];
#pragma GCC unroll 16
      for (int r = 0; r < 16; ++r) {
        tile[r] = _mm512_load_si512(lanes + r * kRowFloats + sum * kLanes);
      }
      Transpose(tile);
      __m512d low = _mm512_load_pd(totals[sum]), high = _mm512_load_pd(totals[sum] + 8);
#pragma GCC unroll 16
      for (int lane = 0; lane < 16; ++lane) {
        low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm256_castsi256_ps(_mm512_castsi512_si256(tile[lane]))));
        high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm256_castsi256_ps(_mm512_extracti64x4_epi64(tile[lane], 1))));
      }
      _mm512_store_pd(totals[sum], low);
      _mm512_store_pd(totals[sum] + 8, high);
    }
    for (int64_t r = 0; r < 16; ++r) {
      sums[row + r] = {totals[0][r], totals[1][r], totals[2][r]};
    }
  }
  AddLanes(lanes, rows - row, sums + row);
}

}  // namespace

const Kernel kVnniInt8 = {"avx512_vnni", 1, MaxVectors, Run<true>, AddLanes16, Store<1>, Interleave};
const Kernel kVnniInt16 = {"avx512_vnni", 2, MaxVectors, Run<false>, AddLanes16, Store<2>, Interleave};

}  // namespace ptq::search::internal
