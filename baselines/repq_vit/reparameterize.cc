#include "baselines/repq_vit/reparameterize.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ptq::baselines {
namespace {

template <typename T>
double Mean(const std::vector<T>& values) {
  double sum = 0;
  for (const T value : values) {
    sum += static_cast<double>(value);
  }
  return sum / static_cast<double>(values.size());
}

template <typename T>
at::Tensor AsDouble(const std::vector<T>& values) {
  at::Tensor out = at::empty({static_cast<int64_t>(values.size())}, at::kDouble);
  std::copy(values.begin(), values.end(), out.data_ptr<double>());
  return out;
}

// matrix (O, C) x vector (C), each sum in order whatever the number of threads.
at::Tensor Product(const at::Tensor& matrix, const at::Tensor& vector) {
  at::Tensor out = at::empty({matrix.size(0)}, at::kDouble);
  const double* row = matrix.data_ptr<double>();
  for (int64_t o = 0; o < matrix.size(0); ++o, row += matrix.size(1)) {
    out.data_ptr<double>()[o] = std::inner_product(row, row + matrix.size(1), vector.data_ptr<double>(), 0.0);
  }
  return out;
}

}  // namespace

Reparameterized Reparameterize(const quant::QuantParams& channels, const at::Tensor& norm_weight,
                               const at::Tensor& norm_bias, const at::Tensor& weight, const at::Tensor& bias) {
  const quant::CodeRange codes = quant::Codes(channels.grid, channels.num_bits);
  Reparameterized out;
  out.input.grid = channels.grid;
  out.input.num_bits = channels.num_bits;
  out.input.scale = {static_cast<float>(Mean(channels.scale))};
  const double mean_zero_point = std::nearbyint(Mean(channels.zero_point));
  out.input.zero_point = {static_cast<int32_t>(std::clamp<double>(mean_zero_point, codes.qmin, codes.qmax))};

  const double scale = out.input.scale[0];
  const double zero_point = out.input.zero_point[0];
  const at::Tensor ratio = AsDouble(channels.scale) / scale;
  const at::Tensor shift = zero_point * scale - AsDouble(channels.zero_point) * scale;  // -z s / r1 + z~ s~
  const at::Tensor wide_weight = weight.to(at::kDouble) * ratio;
  out.norm_weight = (norm_weight.to(at::kDouble) / ratio).to(at::kFloat);
  out.norm_bias = (norm_bias.to(at::kDouble) / ratio - shift).to(at::kFloat);
  out.weight = wide_weight.to(at::kFloat);
  out.bias = (bias.to(at::kDouble) + Product(wide_weight.contiguous(), shift)).to(at::kFloat);
  return out;
}

}  // namespace ptq::baselines
