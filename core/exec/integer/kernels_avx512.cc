// The kernels for AVX-512 with VNNI.  This source alone is compiled for it.
#include <immintrin.h>

#include "core/exec/integer/kernel_tables.h"
#include "core/exec/integer/vector_kernels.h"

namespace ptq::exec::internal {
namespace {

struct Avx512 {
  using Floats = __m512;
  using Ints = __m512i;
  using Gelu = PiecewiseGelu<Avx512>;
  static constexpr int64_t kLanes = 16;

  struct All {};
  struct First {
    PTQ_INLINE explicit First(int64_t count) : mask(static_cast<__mmask16>((1U << count) - 1)) {}
    __mmask16 mask;
  };

  static PTQ_INLINE Floats Set(float x) { return _mm512_set1_ps(x); }
  static PTQ_INLINE Ints SetInts(int32_t x) { return _mm512_set1_epi32(x); }
  static PTQ_INLINE Ints SetShorts(int32_t x) { return _mm512_set1_epi16(static_cast<int16_t>(x)); }

  static PTQ_INLINE Floats Load(const float* p, All) { return _mm512_loadu_ps(p); }
  static PTQ_INLINE Floats Load(const float* p, First lanes) { return _mm512_maskz_loadu_ps(lanes.mask, p); }
  static PTQ_INLINE Ints LoadInts(const int32_t* p, All) { return _mm512_loadu_si512(p); }
  static PTQ_INLINE Ints LoadInts(const int32_t* p, First lanes) { return _mm512_maskz_loadu_epi32(lanes.mask, p); }
  static PTQ_INLINE Ints LoadIntsOr(const int32_t* p, All, Ints) { return _mm512_loadu_si512(p); }
  static PTQ_INLINE Ints LoadIntsOr(const int32_t* p, First lanes, Ints other) {
    return _mm512_mask_loadu_epi32(other, lanes.mask, p);
  }
  static PTQ_INLINE Ints LoadBytes(const void* p) { return _mm512_loadu_si512(p); }
  static PTQ_INLINE Ints LoadWidened(const int8_t* p, All) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static PTQ_INLINE Ints LoadWidened(const int8_t* p, First lanes) {
    return _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes.mask, p));
  }
  static PTQ_INLINE void Store(float* p, Floats x, All) { _mm512_storeu_ps(p, x); }
  static PTQ_INLINE void Store(float* p, Floats x, First lanes) { _mm512_mask_storeu_ps(p, lanes.mask, x); }
  static PTQ_INLINE void StoreInts(int32_t* p, Ints x, All) { _mm512_storeu_si512(p, x); }
  static PTQ_INLINE void StoreInts(int32_t* p, Ints x, First lanes) { _mm512_mask_storeu_epi32(p, lanes.mask, x); }
  static PTQ_INLINE void StoreBytes(void* p, Ints x) { _mm512_storeu_si512(p, x); }
  static PTQ_INLINE void StoreLowBytes(void* p, Ints x, All) {
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x));
  }
  static PTQ_INLINE void StoreLowBytes(void* p, Ints x, First lanes) {
    _mm_mask_storeu_epi8(p, lanes.mask, _mm512_cvtepi32_epi8(x));
  }

  static PTQ_INLINE Floats Choose(All, Floats x, Floats) { return x; }
  static PTQ_INLINE Floats Choose(First lanes, Floats x, Floats other) {
    return _mm512_mask_mov_ps(other, lanes.mask, x);
  }
  static PTQ_INLINE Ints Keep(Ints x, First lanes) { return _mm512_maskz_mov_epi32(lanes.mask, x); }

  static PTQ_INLINE Floats Add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static PTQ_INLINE Floats Subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
  static PTQ_INLINE Floats Multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static PTQ_INLINE Floats MultiplyAdd(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static PTQ_INLINE Floats MultiplySubtract(Floats a, Floats b, Floats c) { return _mm512_fmsub_ps(a, b, c); }
  // b where a or b is no number.
  static PTQ_INLINE Floats Max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
  static PTQ_INLINE Floats Min(Floats a, Floats b) { return _mm512_min_ps(a, b); }
  static PTQ_INLINE Ints AddInts(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  static PTQ_INLINE Ints SubtractInts(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  static PTQ_INLINE Ints MaxInts(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
  static PTQ_INLINE Ints Xor(Ints a, Ints b) { return _mm512_xor_si512(a, b); }

  static PTQ_INLINE Ints ToInts(Floats x) { return _mm512_cvtps_epi32(x); }
  static PTQ_INLINE Floats ToFloats(Ints x) { return _mm512_cvtepi32_ps(x); }
  static PTQ_INLINE Floats ToFloatsUnsigned(Ints x) { return _mm512_cvtepu32_ps(x); }

  // min(|x|, end), end > 0; end where x is no number.
  static PTQ_INLINE Floats MinMagnitude(Floats x, Floats end) { return _mm512_range_ps(x, end, 0b1010); }
  static PTQ_INLINE Floats Lookup(const Floats (&table)[2], Floats index) {
    return _mm512_permutex2var_ps(table[0], _mm512_castps_si512(index), table[1]);
  }
  // x - floor(x), and p * 2^floor(x).
  static PTQ_INLINE Floats Fraction(Floats x) { return _mm512_reduce_ps(x, 0b0001); }
  static PTQ_INLINE Floats TimesPowerOfFloor(Floats p, Floats x) { return _mm512_scalef_ps(p, x); }

  // Sums of bytes, in any lanes.
  static PTQ_INLINE Ints AddBytes(Ints sums, Ints bytes) {
    return _mm512_dpbusd_epi32(sums, bytes, _mm512_set1_epi8(1));
  }
  static PTQ_INLINE float SumOfFloats(Floats x) { return _mm512_reduce_add_ps(x); }
  static PTQ_INLINE float LargestFloat(Floats x) { return _mm512_reduce_max_ps(x); }
  static PTQ_INLINE int32_t SumOfInts(Ints x) { return _mm512_reduce_add_epi32(x); }
  static PTQ_INLINE int32_t Largest(Ints x) { return _mm512_reduce_max_epi32(x); }

  // 64 ints plus a zero as bytes in order, signed or not as `out` is.
  static PTQ_INLINE Ints Shorts(Ints a, Ints b, Ints zero) { return _mm512_add_epi16(_mm512_packs_epi32(a, b), zero); }
  static PTQ_INLINE Ints InOrder(Ints bytes) {
    const Ints order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, bytes);
  }
  static PTQ_INLINE Ints Pack(Ints a, Ints b, Ints c, Ints d, Ints zero, const uint8_t*) {
    return InOrder(_mm512_packus_epi16(Shorts(a, b, zero), Shorts(c, d, zero)));
  }
  static PTQ_INLINE Ints Pack(Ints a, Ints b, Ints c, Ints d, Ints zero, const int8_t*) {
    return InOrder(_mm512_packs_epi16(Shorts(a, b, zero), Shorts(c, d, zero)));
  }
};

}  // namespace

const Kernels kAvx512VnniKernels = VectorKernels<Avx512>(InstructionSet::kAvx512Vnni);

}  // namespace ptq::exec::internal
