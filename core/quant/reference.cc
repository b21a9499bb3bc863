#include "core/quant/reference.h"

#include <cmath>

namespace ptq::quant {

float RoundHalfEven(float x) { return std::nearbyint(x); }  // the default rounding mode; nothing here changes it

namespace {

// Steps of `scale` in x, from `low` to `high` of them.
int32_t Steps(float x, float scale, int32_t low, int32_t high) {
  const float steps = RoundHalfEven(x / scale);
  return steps <= static_cast<float>(low)    ? low
         : steps >= static_cast<float>(high) ? high
                                             : static_cast<int32_t>(steps);
}

// The largest code of either range of a twin grid.
int32_t TwinMax(const QuantParams& params) { return (1 << (params.num_bits - 1)) - 1; }

// Steps of the high range at the point where it begins: what every x of the low range has of them.
int32_t HighStepsAtSplit(const QuantParams& params) {
  const int32_t q = TwinMax(params);
  return Steps(static_cast<float>(q) * params.scale[0], params.second_scale[0], 0, q);
}

int32_t QuantizeNonUniform(float x, const QuantParams& params) {
  const int32_t q = TwinMax(params);
  switch (params.grid) {
    case Grid::kTwinSigned:
      return x >= 0 ? Steps(x, params.scale[0], 0, q) : Steps(x, params.second_scale[0], -q - 1, 0);
    case Grid::kTwinSoftmax: {
      const float split = static_cast<float>(q) * params.scale[0];
      const int32_t low = Steps(x < split ? x : split, params.scale[0], 0, q);
      const int32_t high = Steps(x > split ? x : split, params.second_scale[0], 0, q);
      return low + high;
    }
    default: {
      const int32_t zero = Codes(params.grid, params.num_bits).qmax;
      if (x <= 0) {
        return zero;
      }
      const float octaves = -std::log2(x / params.scale[0]);
      return Steps(params.grid == Grid::kLogSqrt2 ? 2 * octaves : octaves, 1, 0, zero);
    }
  }
}

float DequantizeNonUniform(int32_t code, const QuantParams& params) {
  switch (params.grid) {
    case Grid::kTwinSigned:
      return static_cast<float>(code) * (code >= 0 ? params.scale[0] : params.second_scale[0]);
    case Grid::kTwinSoftmax: {
      const int32_t q = TwinMax(params);
      const int32_t at_split = HighStepsAtSplit(params);
      const int32_t low = code < q + at_split ? code - at_split : q;
      return std::fma(static_cast<float>(code - low), params.second_scale[0],
                      static_cast<float>(low) * params.scale[0]);
    }
    default: {
      if (code == Codes(params.grid, params.num_bits).qmax) {
        return 0;
      }
      const int32_t halves = params.grid == Grid::kLogSqrt2 ? code : 2 * code;  // of an octave
      const float root = halves % 2 == 0 ? 1.0F : 1.41421356237F;
      return params.scale[0] * (std::ldexp(1.0F, -((halves + 1) / 2)) * root);
    }
  }
}

}  // namespace

int32_t QuantizeScalar(float x, const QuantParams& params, int64_t channel) {
  if (SimulatedOnly(params.grid)) {
    return QuantizeNonUniform(x, params);
  }
  const CodeRange codes = Codes(params, channel);
  const float level = RoundHalfEven(x / params.scale[channel] - LevelOffset(params.grid));
  const float code = level + static_cast<float>(params.zero_point[channel]);
  if (code < static_cast<float>(codes.qmin)) {
    return codes.qmin;
  }
  if (code > static_cast<float>(codes.qmax)) {
    return codes.qmax;
  }
  return static_cast<int32_t>(code);
}

float DequantizeScalar(int32_t code, const QuantParams& params, int64_t channel) {
  if (SimulatedOnly(params.grid)) {
    return DequantizeNonUniform(code, params);
  }
  const float level = static_cast<float>(code - params.zero_point[channel]) + LevelOffset(params.grid);
  return params.correction.empty() ? params.scale[channel] * level
                                   : std::fma(params.scale[channel], level, params.correction[channel]);
}

float FakeQuantizeScalar(float x, const QuantParams& params, int64_t channel) {
  return DequantizeScalar(QuantizeScalar(x, params, channel), params, channel);
}

}  // namespace ptq::quant
