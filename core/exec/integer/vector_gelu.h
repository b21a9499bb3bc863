// vector_gelu.h: GELU, scaled and shifted in the same breath: scale * GELU(x) + offset.
#pragma once

#include "core/exec/integer/approximations.h"
#include "core/exec/integer/vector_coder.h"

namespace ptq::exec::internal {

// By one polynomial.
template <class V>
class PolynomialGelu {
 public:
  using Floats = typename V::Floats;

  PTQ_INLINE PolynomialGelu(float scale, float offset) : scale_(V::Set(scale)), offset_(V::Set(offset)) {
    for (int i = 0; i < kCount; ++i) {
      tail_[i] = V::Set(kGeluTail[i] * scale);
    }
  }

  PTQ_INLINE Floats operator()(Floats x) const {
    const Floats t = V::MinMagnitude(x, V::Set(kGeluTailEnd));
    const Floats u = V::MultiplyAdd(t, V::Set(1 / kGeluTailHalf), V::Set(-1.0F));
    Floats p = tail_[kCount - 1];
#pragma GCC unroll 16
    for (int i = kCount - 2; i >= 0; --i) {
      p = V::MultiplyAdd(p, u, tail_[i]);
    }
    return V::MultiplyAdd(V::Max(V::Set(0.0F), x), scale_, V::MultiplyAdd(t, p, offset_));
  }

 private:
  static constexpr int kCount = sizeof(kGeluTail) / sizeof(kGeluTail[0]);
  Floats scale_, offset_;
  Floats tail_[kCount];  // scaled
};

// By pieces, where V looks up 32 floats at once.
template <class V>
class PiecewiseGelu {
 public:
  using Floats = typename V::Floats;

  PTQ_INLINE PiecewiseGelu(float scale, float offset) : scale_(V::Set(scale)) {
    for (int i = 0; i < 4; ++i) {
      for (int half = 0; half < 2; ++half) {
        const Floats piece = V::Load(kGeluPieces + 32 * i + 16 * half, typename V::All());
        pieces_[i][half] = V::MultiplyAdd(piece, scale_, V::Set(i == 0 ? offset : 0.0F));
      }
    }
  }

  PTQ_INLINE Floats operator()(Floats x) const {
    const Floats t = V::MinMagnitude(x, V::Set(kGeluPiecesEnd));
    const Floats pieces = V::Set(kGeluPiecesScale), round = V::Set(12582912.0F);  // 1.5 * 2^23
    const Floats index = V::MultiplyAdd(t, pieces, round);                        // in the lowest bits
    const Floats u = V::MultiplySubtract(t, pieces, V::Subtract(index, round));
    Floats p = V::Lookup(pieces_[3], index);
#pragma GCC unroll 3
    for (int i = 2; i >= 0; --i) {
      p = V::MultiplyAdd(p, u, V::Lookup(pieces_[i], index));
    }
    return V::MultiplyAdd(V::Max(V::Set(0.0F), x), scale_, p);
  }

 private:
  Floats scale_;
  Floats pieces_[4][2];  // scaled, the constant ones shifted
};

template <class V>
void GeluQuantize(const float* x, int64_t count, const CodeMap& map, uint8_t* out) {
  const Coder<V> coder(map);
  const typename V::Gelu gelu(map.inverse_scale, map.offset);
  coder.template StoreScaled<false>(
      count, [&](int64_t i, auto lanes) PTQ_INLINE_LAMBDA { return gelu(V::Load(x + i, lanes)); }, out);
}

template <class V>
void Gelu(const float* x, int64_t count, float* out) {
  const typename V::Gelu gelu(1, 0);
  ForEachRegister<V>(
      count, [&](int64_t i, auto lanes) PTQ_INLINE_LAMBDA { V::Store(out + i, gelu(V::Load(x + i, lanes)), lanes); });
}

}  // namespace ptq::exec::internal
