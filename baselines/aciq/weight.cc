#include "baselines/aciq/weight.h"

#include <algorithm>
#include <cmath>

#include "core/quant/range.h"
#include "core/quant/reference.h"

namespace ptq::baselines::aciq {
namespace {

struct Moments {
  double mean = 0;
  double norm = 0;  // of the deviations from the mean
};

Moments MomentsOf(const float* x, int64_t size) {
  Moments moments;
  for (int64_t i = 0; i < size; ++i) {
    moments.mean += x[i];
  }
  moments.mean /= static_cast<double>(size);
  for (int64_t i = 0; i < size; ++i) {
    const double deviation = x[i] - moments.mean;
    moments.norm += deviation * deviation;
  }
  moments.norm = std::sqrt(moments.norm);
  return moments;
}

// The affine grid of ParamsFromRange with `bits` of 0..16 for one row.
void SetRow(quant::QuantParams& params, int64_t row, int32_t bits, float min, float max) {
  params.scale[row] = 1;
  params.zero_point[row] = 0;
  if (bits == 0) {
    return;
  }
  const double levels = std::ldexp(1.0, bits) - 1;
  const double low = std::min(min, 0.0F);
  const auto scale = static_cast<float>((std::max(max, 0.0F) - low) / levels);
  if (scale >= 1e-30F) {
    params.scale[row] = scale;
    const double zero = quant::RoundHalfEven(static_cast<float>(-low) / scale);
    params.zero_point[row] = static_cast<int32_t>(std::min(zero, levels));
  }
}

std::vector<double> RowSpreads(const at::Tensor& weight, int64_t rows) {
  const int64_t size = weight.numel() / rows;
  std::vector<double> spreads;
  for (int64_t row = 0; row < rows; ++row) {
    const double norm = MomentsOf(weight.data_ptr<float>() + row * size, size).norm;
    spreads.push_back(norm / std::sqrt(static_cast<double>(std::max<int64_t>(size - 1, 1))));
  }
  return spreads;
}

// Sets the correction of one row and, with variance_correction, its scale and replaced weights.
// With q the dequantized row, the corrected one is xi (q - mean q) + mean w, xi = |w - mean w| / |q - mean q|, and
// xi = 1 without variance_correction: the mean as Eq. 12 has it, the spread as the authors' code applies Eq. 13.
void CorrectRow(const float* row_values, int64_t size, int64_t row, const WeightRule& rule, QuantizedWeight& out) {
  quant::QuantParams& params = out.params;
  const bool is_empty = !params.channel_bits.empty() && params.channel_bits[row] == 0;
  if (!rule.bias_correction && !is_empty) {
    return;
  }
  quant::QuantParams plain = params;
  plain.correction.clear();
  std::vector<float> quantized(size);
  for (int64_t i = 0; i < size; ++i) {
    quantized[i] = quant::FakeQuantizeScalar(row_values[i], plain, row);
  }
  const Moments before = MomentsOf(row_values, size);
  const Moments after = MomentsOf(quantized.data(), size);
  double xi = 1;
  if (rule.variance_correction && before.norm > 0 && after.norm > 0) {
    const auto scale = static_cast<float>(params.scale[row] * before.norm / after.norm);
    if (scale >= 1e-30F && std::isfinite(scale)) {
      xi = static_cast<double>(scale) / params.scale[row];
      params.scale[row] = scale;
    }
  }
  params.correction[row] = static_cast<float>(before.mean - xi * after.mean);
  if (rule.variance_correction) {
    for (int64_t i = 0; i < size; ++i) {
      out.replaced[row * size + i] = static_cast<float>(xi * quantized[i]);
    }
  }
}

}  // namespace

Result<QuantizedWeight> QuantizeWeight(const at::Tensor& weight, int num_bits, quant::Granularity granularity,
                                       const WeightRule& rule) {
  const at::Tensor in = weight.contiguous();
  const bool per_channel = granularity == quant::Granularity::kPerChannel;
  PTQ_CHECK(per_channel || !rule.quota) << "bits are shared between rows";
  PTQ_CHECK(rule.bias_correction || !rule.variance_correction) << "the spread is corrected around the corrected mean";
  const int64_t rows = per_channel ? in.size(0) : 1;
  const int64_t size = in.numel() / rows;
  PTQ_ASSIGN_OR_RETURN(const quant::Range range, quant::RangeOf(in, granularity));
  QuantizedWeight out;
  quant::QuantParams& params = out.params;
  PTQ_ASSIGN_OR_RETURN(params, quant::WeightParams(quant::Grid::kAffine, num_bits, granularity, range));
  bool any_empty = false;
  if (rule.quota) {
    params.channel_bits = ShareBits(RowSpreads(in, rows), num_bits, *rule.quota);
    for (int64_t row = 0; row < rows; ++row) {
      SetRow(params, row, params.channel_bits[row], range.min[row], range.max[row]);
      any_empty = any_empty || params.channel_bits[row] == 0;
    }
  }
  if (rule.bias_correction || any_empty) {
    params.correction.assign(rows, 0.0F);
  }
  if (rule.variance_correction) {
    out.replaced.resize(in.numel());
  }
  for (int64_t row = 0; row < rows; ++row) {
    CorrectRow(in.data_ptr<float>() + row * size, size, row, rule, out);
  }
  return out;
}

}  // namespace ptq::baselines::aciq
