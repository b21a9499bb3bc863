// vector_coder.h: loops over registers, and floats to codes; see kernel_tables.h for V.
//
// A functor value(i, lanes) gives the floats of the elements i, i+1, .. of a row; what it gives in lanes that were not
// asked for goes nowhere.
#pragma once

#include "core/exec/integer/kernels.h"

#define PTQ_INLINE inline __attribute__((always_inline))
#define PTQ_INLINE_LAMBDA __attribute__((always_inline))

namespace ptq::exec::internal {

// Runs body(i, lanes) over 0..count-1, whole registers first.
template <class V, typename Body>
PTQ_INLINE void ForEachRegister(int64_t count, Body body) {
  int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) {
    body(i, typename V::All());
  }
  if (i < count) {
    body(i, typename V::First(count - i));
  }
}

// A CodeMap in registers.
template <class V>
class Coder {
 public:
  using Floats = typename V::Floats;
  using Ints = typename V::Ints;

  PTQ_INLINE explicit Coder(const CodeMap& map) : Coder(map, map.inverse_scale, map.offset) {}
  // For values that are as yet to be scaled by `scale` instead of the map's.
  PTQ_INLINE Coder(const CodeMap& map, float scale, float offset)
      : scale_(V::Set(scale)),
        offset_(V::Set(offset)),
        low_(V::Set(static_cast<float>(map.low))),
        high_(V::Set(static_cast<float>(map.high))),
        zero_(V::SetInts(map.zero)),
        short_zero_(V::SetShorts(map.zero)) {}

  PTQ_INLINE void set_scale(float scale) { scale_ = V::Set(scale); }

  PTQ_INLINE Floats Scale(Floats x) const { return V::MultiplyAdd(x, scale_, offset_); }

  // Stores the codes of a row of values that Scale has been applied to; returns the lanes of their sum where kSum.
  template <bool kSum, typename Stored, typename Value>
  PTQ_INLINE Ints StoreScaled(int64_t count, Value scaled, Stored* out) const {
    constexpr int64_t kLanes = V::kLanes;
    Ints sums = V::SetInts(0);
    int64_t i = 0;
    const typename V::All all;
    for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
      const Ints a = Round(scaled(i, all)), b = Round(scaled(i + kLanes, all));
      const Ints c = Round(scaled(i + 2 * kLanes, all)), d = Round(scaled(i + 3 * kLanes, all));
      const Ints bytes = V::Pack(a, b, c, d, short_zero_, out);
      V::StoreBytes(out + i, bytes);
      if (kSum) {
        sums = V::AddBytes(sums, bytes);
      }
    }
    for (; i + kLanes <= count; i += kLanes) {
      const Ints codes = V::AddInts(Round(scaled(i, all)), zero_);
      V::StoreLowBytes(out + i, codes, all);
      if (kSum) {
        sums = V::AddInts(sums, codes);
      }
    }
    if (i < count) {
      const typename V::First lanes(count - i);
      const Ints codes = V::AddInts(Round(scaled(i, lanes)), zero_);
      V::StoreLowBytes(out + i, codes, lanes);
      if (kSum) {
        sums = V::AddInts(sums, V::Keep(codes, lanes));
      }
    }
    return sums;
  }

  template <typename Stored, typename Value>
  PTQ_INLINE void Store(int64_t count, Value value, Stored* out) const {
    StoreScaled<false>(
        count, [&](int64_t i, auto lanes) PTQ_INLINE_LAMBDA { return Scale(value(i, lanes)); }, out);
  }

 private:
  // Without the zero.  Max returns its second operand where the first is no number.
  PTQ_INLINE Ints Round(Floats scaled) const { return V::ToInts(V::Min(V::Max(scaled, low_), high_)); }

  Floats scale_, offset_, low_, high_;
  Ints zero_, short_zero_;
};

}  // namespace ptq::exec::internal
