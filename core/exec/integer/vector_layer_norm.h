// vector_layer_norm.h: LayerNorm of rows, in three passes over a row that stays in the first-level cache.
#pragma once

#include "core/exec/integer/vector_coder.h"

namespace ptq::exec::internal {

// The sum of value(i, lanes) over a row, in four times kLanes partial sums.
template <class V, typename Value>
PTQ_INLINE float SumOver(int64_t count, Value value) {
  constexpr int64_t kLanes = V::kLanes;
  typename V::Floats sums[4] = {V::Set(0.0F), V::Set(0.0F), V::Set(0.0F), V::Set(0.0F)};
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      sums[k] = V::Add(sums[k], value(i + k * kLanes, typename V::All()));
    }
  }
  ForEachRegister<V>(count - i, [&](int64_t j, auto lanes) PTQ_INLINE_LAMBDA {
    sums[0] = V::Add(sums[0], V::Choose(lanes, value(i + j, lanes), V::Set(0.0F)));
  });
  return V::SumOfFloats(V::Add(V::Add(sums[0], sums[1]), V::Add(sums[2], sums[3])));
}

// Calls use(r, value) with each row's normalized values.
template <class V, typename Use>
PTQ_INLINE void ForEachNormRow(const float* x, int64_t rows, int64_t width, const LayerNormWeights& weights, Use use) {
  using Floats = typename V::Floats;
  const float inverse_width = 1 / static_cast<float>(width);
  const float *const gamma = weights.gamma, *const beta = weights.beta;
  for (int64_t r = 0; r < rows; ++r, x += width) {
    const float sum = SumOver<V>(width, [=](int64_t i, auto lanes) PTQ_INLINE_LAMBDA { return V::Load(x + i, lanes); });
    const Floats mean = V::Set(sum * inverse_width);
    const float squares = SumOver<V>(width, [=](int64_t i, auto lanes) PTQ_INLINE_LAMBDA {
      const Floats centred = V::Subtract(V::Load(x + i, lanes), mean);
      return V::Multiply(centred, centred);
    });
    const Floats factor = V::Set(1 / __builtin_sqrtf(squares * inverse_width + weights.eps));
    use(r, [=](int64_t i, auto lanes) PTQ_INLINE_LAMBDA {
      const Floats centred = V::Subtract(V::Load(x + i, lanes), mean);
      const Floats scaled = V::Multiply(centred, factor);
      return V::MultiplyAdd(scaled, V::Load(gamma + i, lanes), V::Load(beta + i, lanes));
    });
  }
}

template <class V>
void LayerNormQuantize(const float* x, int64_t rows, int64_t width, const LayerNormWeights& weights, const CodeMap& map,
                       uint8_t* out) {
  const Coder<V> coder(map);
  ForEachNormRow<V>(x, rows, width, weights,
                    [=](int64_t r, auto value) PTQ_INLINE_LAMBDA { coder.Store(width, value, out + r * width); });
}

template <class V>
void LayerNorm(const float* x, int64_t rows, int64_t width, const LayerNormWeights& weights, float* out) {
  ForEachNormRow<V>(x, rows, width, weights, [=](int64_t r, auto value) PTQ_INLINE_LAMBDA {
    ForEachRegister<V>(
        width, [=](int64_t i, auto lanes) PTQ_INLINE_LAMBDA { V::Store(out + r * width + i, value(i, lanes), lanes); });
  });
}

}  // namespace ptq::exec::internal
