#include "core/exec/integer/stored_codes.h"

#include <algorithm>
#include <cmath>

#include "core/base/check.h"

namespace ptq::exec {
namespace {

using quant::CodeRange;
using quant::QuantParams;

constexpr int kByteBits = 8;

// stored = code + shift.
StoredActivation Store(const QuantParams& params, size_t channel, int32_t shift) {
  const CodeRange range = quant::Codes(params, static_cast<int64_t>(channel));
  const int32_t zero_point = params.zero_point[channel];
  const float level = quant::LevelOffset(params.grid);
  StoredActivation stored;
  stored.scale = params.scale[channel];
  stored.zero = static_cast<float>(zero_point + shift) - level;
  stored.map = {1 / params.scale[channel], -level, range.qmin - zero_point, range.qmax - zero_point,
                zero_point + shift};
  return stored;
}

int32_t SignedShift(const QuantParams& params, int64_t channels) {
  for (int64_t channel = 0; channel < channels; ++channel) {
    if (quant::Codes(params, channel).qmax > 127) {
      return -128;
    }
  }
  return 0;
}

}  // namespace

bool FitsBytes(const QuantParams& params) {
  const auto wide = [](int32_t bits) { return bits > kByteBits; };
  return !quant::SimulatedOnly(params.grid) &&
         (params.channel_bits.empty() ? !wide(params.num_bits)
                                      : std::none_of(params.channel_bits.begin(), params.channel_bits.end(), wide));
}

std::vector<StoredActivation> StoreUnsigned(const QuantParams& params) {
  PTQ_CHECK(FitsBytes(params));
  std::vector<StoredActivation> stored;
  for (size_t channel = 0; channel < params.scale.size(); ++channel) {
    stored.push_back(Store(params, channel, -quant::Codes(params, static_cast<int64_t>(channel)).qmin));
  }
  return stored;
}

std::vector<StoredActivation> StoreSigned(const QuantParams& params) {
  PTQ_CHECK(FitsBytes(params));
  const int32_t shift = SignedShift(params, static_cast<int64_t>(params.scale.size()));
  std::vector<StoredActivation> stored;
  for (size_t channel = 0; channel < params.scale.size(); ++channel) {
    stored.push_back(Store(params, channel, shift));
  }
  return stored;
}

std::vector<StoredActivation> StoreNonNegative(const QuantParams& params) {
  PTQ_CHECK(FitsBytes(params));
  std::vector<StoredActivation> stored;
  for (size_t channel = 0; channel < params.scale.size(); ++channel) {
    stored.push_back(Store(params, channel, -params.zero_point[channel]));
    stored.back().map.low = std::max(stored.back().map.low, 0);
  }
  return stored;
}

StoredWeight StoreWeight(const QuantParams& params, const int32_t* codes, int64_t rows, int64_t inner) {
  PTQ_CHECK(FitsBytes(params));
  const auto channels = static_cast<int64_t>(params.scale.size());
  PTQ_CHECK(channels == 1 || channels == rows);
  const int32_t shift = SignedShift(params, channels);
  StoredWeight stored;
  stored.codes.resize(rows * inner);
  for (int64_t row = 0; row < rows; ++row) {
    const size_t channel = channels == 1 ? 0 : row;
    int32_t sum = 0;
    for (int64_t k = row * inner; k < (row + 1) * inner; ++k) {
      stored.codes[k] = static_cast<int8_t>(codes[k] + shift);
      sum += stored.codes[k];
    }
    stored.sums.push_back(sum);
    stored.scale.push_back(params.scale[channel]);
    stored.zero.push_back(static_cast<float>(params.zero_point[channel] + shift) - quant::LevelOffset(params.grid));
    stored.correction.push_back(params.correction.empty() ? 0 : params.correction[channel]);
  }
  return stored;
}

void FakeQuantizeInPlace(const QuantParams& params, int64_t channel, float* x, int64_t count) {
  const CodeRange range = quant::Codes(params, channel);
  const float level = quant::LevelOffset(params.grid);
  const float scale = params.scale[channel];
  const bool corrected = !params.correction.empty();
  const float correction = corrected ? params.correction[channel] : 0;
  const auto zero = static_cast<float>(params.zero_point[channel]);
  const auto low = static_cast<float>(range.qmin) - zero;
  const float high = static_cast<float>(range.qmax) - zero;
  for (int64_t i = 0; i < count; ++i) {
    const float steps = std::min(std::max(x[i] / scale - level, low), high);
    const float value = std::nearbyint(steps) + level;
    x[i] = corrected ? std::fma(scale, value, correction) : scale * value;  // one rounding, as the reference has
  }
}

}  // namespace ptq::exec
