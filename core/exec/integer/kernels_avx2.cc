// The kernels for AVX2 and FMA.  This source alone is compiled for them.
#include <immintrin.h>

#include "core/exec/integer/kernel_tables.h"
#include "core/exec/integer/vector_kernels.h"

namespace ptq::exec::internal {
namespace {

struct Avx2 {
  using Floats = __m256;
  using Ints = __m256i;
  using Gelu = PolynomialGelu<Avx2>;
  static constexpr int64_t kLanes = 8;

  struct All {};
  struct First {
    PTQ_INLINE explicit First(int64_t n)
        : count(static_cast<int>(n)),
          mask(_mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))) {}
    int count;
    __m256i mask;
  };

  static PTQ_INLINE Floats Set(float x) { return _mm256_set1_ps(x); }
  static PTQ_INLINE Ints SetInts(int32_t x) { return _mm256_set1_epi32(x); }
  static PTQ_INLINE Ints SetShorts(int32_t x) { return _mm256_set1_epi16(static_cast<int16_t>(x)); }

  static PTQ_INLINE Floats Load(const float* p, All) { return _mm256_loadu_ps(p); }
  static PTQ_INLINE Floats Load(const float* p, First lanes) { return _mm256_maskload_ps(p, lanes.mask); }
  static PTQ_INLINE Ints LoadInts(const int32_t* p, All) { return LoadBytes(p); }
  static PTQ_INLINE Ints LoadInts(const int32_t* p, First lanes) { return _mm256_maskload_epi32(p, lanes.mask); }
  static PTQ_INLINE Ints LoadIntsOr(const int32_t* p, All, Ints) { return LoadBytes(p); }
  static PTQ_INLINE Ints LoadIntsOr(const int32_t* p, First lanes, Ints other) {
    return _mm256_blendv_epi8(other, LoadInts(p, lanes), lanes.mask);
  }
  static PTQ_INLINE Ints LoadBytes(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static PTQ_INLINE Ints LoadWidened(const int8_t* p, All) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  static PTQ_INLINE Ints LoadWidened(const int8_t* p, First lanes) {
    int64_t bytes = 0;
    __builtin_memcpy(&bytes, p, lanes.count);
    return _mm256_cvtepi8_epi32(_mm_cvtsi64_si128(bytes));
  }
  static PTQ_INLINE void Store(float* p, Floats x, All) { _mm256_storeu_ps(p, x); }
  static PTQ_INLINE void Store(float* p, Floats x, First lanes) { _mm256_maskstore_ps(p, lanes.mask, x); }
  static PTQ_INLINE void StoreInts(int32_t* p, Ints x, All) { StoreBytes(p, x); }
  static PTQ_INLINE void StoreInts(int32_t* p, Ints x, First lanes) { _mm256_maskstore_epi32(p, lanes.mask, x); }
  static PTQ_INLINE void StoreBytes(void* p, Ints x) { _mm256_storeu_si256(static_cast<__m256i*>(p), x); }
  static PTQ_INLINE __m128i LowBytes(Ints x) {
    const Ints low = _mm256_shuffle_epi8(x, _mm256_set1_epi32(0x0C080400));
    return _mm_unpacklo_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  }
  static PTQ_INLINE void StoreLowBytes(void* p, Ints x, All) {
    _mm_storel_epi64(static_cast<__m128i*>(p), LowBytes(x));
  }
  static PTQ_INLINE void StoreLowBytes(void* p, Ints x, First lanes) {
    const int64_t bytes = _mm_cvtsi128_si64(LowBytes(x));
    __builtin_memcpy(p, &bytes, lanes.count);
  }

  static PTQ_INLINE Floats Choose(All, Floats x, Floats) { return x; }
  static PTQ_INLINE Floats Choose(First lanes, Floats x, Floats other) {
    return _mm256_blendv_ps(other, x, _mm256_castsi256_ps(lanes.mask));
  }
  static PTQ_INLINE Ints Keep(Ints x, First lanes) { return _mm256_and_si256(x, lanes.mask); }

  static PTQ_INLINE Floats Add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
  static PTQ_INLINE Floats Subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
  static PTQ_INLINE Floats Multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  static PTQ_INLINE Floats MultiplyAdd(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
  // b where a or b is no number.
  static PTQ_INLINE Floats Max(Floats a, Floats b) { return _mm256_max_ps(a, b); }
  static PTQ_INLINE Floats Min(Floats a, Floats b) { return _mm256_min_ps(a, b); }
  static PTQ_INLINE Ints AddInts(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
  static PTQ_INLINE Ints SubtractInts(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
  static PTQ_INLINE Ints MaxInts(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
  static PTQ_INLINE Ints Xor(Ints a, Ints b) { return _mm256_xor_si256(a, b); }

  static PTQ_INLINE Ints ToInts(Floats x) { return _mm256_cvtps_epi32(x); }
  static PTQ_INLINE Floats ToFloats(Ints x) { return _mm256_cvtepi32_ps(x); }
  // By halves of 16 bits, rounded once.
  static PTQ_INLINE Floats ToFloatsUnsigned(Ints x) {
    const Floats high = ToFloats(_mm256_srli_epi32(x, 16));
    const Floats low = ToFloats(_mm256_and_si256(x, _mm256_set1_epi32(0xFFFF)));
    return MultiplyAdd(high, Set(65536.0F), low);
  }

  // min(|x|, end), end > 0; end where x is no number.
  static PTQ_INLINE Floats MinMagnitude(Floats x, Floats end) { return Min(_mm256_andnot_ps(Set(-0.0F), x), end); }
  // x - floor(x), and p * 2^floor(x), p and the product normal.
  static PTQ_INLINE Floats Fraction(Floats x) { return Subtract(x, _mm256_floor_ps(x)); }
  static PTQ_INLINE Floats TimesPowerOfFloor(Floats p, Floats x) {
    const Ints exponent = _mm256_slli_epi32(_mm256_cvttps_epi32(_mm256_floor_ps(x)), 23);
    return _mm256_castsi256_ps(AddInts(_mm256_castps_si256(p), exponent));
  }

  // Sums of bytes, in any lanes.
  static PTQ_INLINE Ints AddBytes(Ints sums, Ints bytes) {
    return AddInts(sums, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
  }
  static PTQ_INLINE float SumOfFloats(Floats x) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static PTQ_INLINE float LargestFloat(Floats x) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
  static PTQ_INLINE int32_t SumOfInts(Ints x) {
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0b1110));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0b01)));
  }
  static PTQ_INLINE int32_t Largest(Ints x) {
    const __m128i four = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0b1110));
    return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0b01)));
  }

  // 32 ints plus a zero as bytes in order, signed or not as `out` is.
  static PTQ_INLINE Ints Shorts(Ints a, Ints b, Ints zero) { return _mm256_add_epi16(_mm256_packs_epi32(a, b), zero); }
  static PTQ_INLINE Ints InOrder(Ints bytes) {
    return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }
  static PTQ_INLINE Ints Pack(Ints a, Ints b, Ints c, Ints d, Ints zero, const uint8_t*) {
    return InOrder(_mm256_packus_epi16(Shorts(a, b, zero), Shorts(c, d, zero)));
  }
  static PTQ_INLINE Ints Pack(Ints a, Ints b, Ints c, Ints d, Ints zero, const int8_t*) {
    return InOrder(_mm256_packs_epi16(Shorts(a, b, zero), Shorts(c, d, zero)));
  }
};

}  // namespace

const Kernels kAvx2Kernels = VectorKernels<Avx2>(InstructionSet::kAvx2);

}  // namespace ptq::exec::internal
