// vector_softmax.h: softmax of one row of scores.
#pragma once

#include "core/exec/integer/approximations.h"
#include "core/exec/integer/vector_coder.h"

namespace ptq::exec::internal {

// 2^x for x from -125 to about 0; what lies below counts as -125.  NaN stays.
template <class V>
PTQ_INLINE typename V::Floats Exp2(typename V::Floats x) {
  x = V::Max(V::Set(-125.0F), x);
  const typename V::Floats fraction = V::Fraction(x);
  typename V::Floats p = V::Set(kExp2[5]);
#pragma GCC unroll 5
  for (int i = 4; i >= 0; --i) {
    p = V::MultiplyAdd(p, fraction, V::Set(kExp2[i]));
  }
  return V::TimesPowerOfFloor(p, x);
}

// log2(e) * factor, finite: a difference of 0 must stay 0.
template <class V>
PTQ_INLINE float Exp2Factor(float factor) {
  const double product = 1.4426950408889634 * factor;
  const double largest = static_cast<double>(__FLT_MAX__);
  return static_cast<float>(product < largest ? product : largest);
}

// The kinds of scores: where the row's maximum is found, and log2 of exp(factor * (score - maximum)).

// Integers alone: exact differences, up to 2^32 - 1.
template <class V>
class IntegerScores {
 public:
  PTQ_INLINE IntegerScores(const int32_t* row, int64_t columns, float factor)
      : row_(row), factor_(V::Set(-Exp2Factor<V>(factor))) {
    constexpr int64_t kLanes = V::kLanes;
    const typename V::Ints least = V::SetInts(-0x7FFFFFFF - 1);
    typename V::Ints max = least, other = least;
    int64_t i = 0;
    for (; i + 2 * kLanes <= columns; i += 2 * kLanes) {
      max = V::MaxInts(max, V::LoadInts(row + i, typename V::All()));
      other = V::MaxInts(other, V::LoadInts(row + i + kLanes, typename V::All()));
    }
    ForEachRegister<V>(columns - i, [&](int64_t j, auto lanes) PTQ_INLINE_LAMBDA {
      max = V::MaxInts(max, V::LoadIntsOr(row + i + j, lanes, least));
    });
    max_ = V::SetInts(V::Largest(V::MaxInts(max, other)));
  }

  template <typename Lanes>
  PTQ_INLINE typename V::Floats Exponent(int64_t i, Lanes lanes) const {
    return V::Multiply(V::ToFloatsUnsigned(V::SubtractInts(max_, V::LoadInts(row_ + i, lanes))), factor_);
  }

 private:
  const int32_t* row_;
  typename V::Floats factor_;
  typename V::Ints max_;
};

// What a functor value(i, lanes) gives as floats.
template <class V, typename Value>
class FloatScores {
 public:
  PTQ_INLINE FloatScores(Value value, int64_t columns, float factor)
      : value_(value), factor_(V::Set(Exp2Factor<V>(factor))) {
    constexpr int64_t kLanes = V::kLanes;
    const typename V::Floats least = V::Set(-__builtin_inff());
    typename V::Floats max[4] = {least, least, least, least};
    int64_t i = 0;
    for (; i + 4 * kLanes <= columns; i += 4 * kLanes) {
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        max[k] = V::Max(max[k], value_(i + k * kLanes, typename V::All()));
      }
    }
    ForEachRegister<V>(columns - i, [&](int64_t j, auto lanes) PTQ_INLINE_LAMBDA {
      max[0] = V::Max(max[0], V::Choose(lanes, value_(i + j, lanes), least));
    });
    max_ = V::Set(V::LargestFloat(V::Max(V::Max(max[0], max[1]), V::Max(max[2], max[3]))));
  }

  template <typename Lanes>
  PTQ_INLINE typename V::Floats Exponent(int64_t i, Lanes lanes) const {
    return V::Multiply(V::Subtract(value_(i, lanes), max_), factor_);
  }

 private:
  Value value_;
  typename V::Floats factor_, max_;
};

// The exponentials of a row, stored where kStore; returns their sum.
template <class V, bool kStore, typename Scores>
PTQ_INLINE float Exponentials(const Scores& scores, int64_t columns, float* out) {
  typename V::Floats sum = V::Set(0.0F);
  ForEachRegister<V>(columns, [&](int64_t i, auto lanes) PTQ_INLINE_LAMBDA {
    const typename V::Floats e = Exp2<V>(scores.Exponent(i, lanes));
    sum = V::Add(sum, V::Choose(lanes, e, V::Set(0.0F)));
    if (kStore) {
      V::Store(out + i, e, lanes);
    }
  });
  return V::SumOfFloats(sum);
}

// Floats of a row that fit the first-level cache and the stack; longer rows compute each exponential twice.
constexpr int64_t kRowBuffer = 4096;

template <class V, typename Scores>
PTQ_INLINE int32_t SoftmaxCodes(const Scores& scores, int64_t columns, const CodeMap& map, uint8_t* out) {
  Coder<V> coder(map);
  if (columns <= kRowBuffer) {
    alignas(64) float row[kRowBuffer];
    coder.set_scale(map.inverse_scale / Exponentials<V, true>(scores, columns, row));
    const auto value = [&](int64_t i, auto lanes) PTQ_INLINE_LAMBDA { return coder.Scale(V::Load(row + i, lanes)); };
    return V::SumOfInts(coder.template StoreScaled<true>(columns, value, out));
  }
  coder.set_scale(map.inverse_scale / Exponentials<V, false>(scores, columns, nullptr));
  const auto value = [&](int64_t i, auto lanes)
                         PTQ_INLINE_LAMBDA { return coder.Scale(Exp2<V>(scores.Exponent(i, lanes))); };
  return V::SumOfInts(coder.template StoreScaled<true>(columns, value, out));
}

template <class V, typename Scores>
PTQ_INLINE void SoftmaxFloats(const Scores& scores, int64_t columns, float* out) {
  const typename V::Floats scale = V::Set(1 / Exponentials<V, true>(scores, columns, out));
  ForEachRegister<V>(columns, [=](int64_t i, auto lanes) PTQ_INLINE_LAMBDA {
    V::Store(out + i, V::Multiply(V::Load(out + i, lanes), scale), lanes);
  });
}

}  // namespace ptq::exec::internal
