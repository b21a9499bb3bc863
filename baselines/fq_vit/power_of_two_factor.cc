#include "baselines/fq_vit/power_of_two_factor.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/quant/fake_quant.h"

namespace ptq::baselines {
namespace {

// Sum of (a - b)^2 of each channel, in double.  a, b: (..., C).
std::vector<double> SquaredErrors(const at::Tensor& a, const at::Tensor& b) {
  const int64_t channels = a.size(-1);
  std::vector<double> errors(channels, 0.0);
  const float* x = a.data_ptr<float>();
  const float* y = b.data_ptr<float>();
  for (int64_t row = 0; row < a.numel(); row += channels) {
    for (int64_t c = 0; c < channels; ++c) {
      const double difference = static_cast<double>(x[row + c]) - static_cast<double>(y[row + c]);
      errors[c] += difference * difference;
    }
  }
  return errors;
}

}  // namespace

Result<quant::QuantParams> PowerOfTwoFactors(const at::Tensor& x, int num_bits, int largest_factor) {
  const at::Tensor in = x.contiguous();
  PTQ_ASSIGN_OR_RETURN(
      const quant::QuantParams layer,
      quant::ParamsFromRange(quant::Grid::kAffine, num_bits, {in.min().item<float>()}, {in.max().item<float>()}));
  quant::QuantParams params = layer;
  params.granularity = quant::Granularity::kPerChannel;
  params.axis = 2;
  std::vector<double> least;
  for (int factor = 0; factor <= largest_factor; ++factor) {
    quant::QuantParams candidate = layer;
    candidate.scale[0] = std::ldexp(layer.scale[0], factor - largest_factor);
    const std::vector<double> errors = SquaredErrors(in, quant::FakeQuantize(in, candidate));
    if (factor == 0) {
      params.scale.assign(errors.size(), candidate.scale[0]);
      params.zero_point.assign(errors.size(), layer.zero_point[0]);
      least = errors;
      continue;
    }
    for (size_t c = 0; c < errors.size(); ++c) {
      if (errors[c] < least[c]) {
        least[c] = errors[c];
        params.scale[c] = candidate.scale[0];
      }
    }
  }
  return params;
}

}  // namespace ptq::baselines
