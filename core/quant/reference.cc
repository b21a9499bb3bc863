#include "core/quant/reference.h"

#include <cmath>

namespace ptq::quant {

float RoundHalfEven(float x) { return std::nearbyint(x); }  // the default rounding mode; nothing here changes it

int32_t QuantizeScalar(float x, const QuantParams& params, int64_t channel) {
  const CodeRange codes = Codes(params.grid, params.num_bits);
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
  const float level = static_cast<float>(code - params.zero_point[channel]) + LevelOffset(params.grid);
  return params.scale[channel] * level;
}

float FakeQuantizeScalar(float x, const QuantParams& params, int64_t channel) {
  return DequantizeScalar(QuantizeScalar(x, params, channel), params, channel);
}

}  // namespace ptq::quant
