#include "core/quant/range.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace ptq::quant {
namespace {

// x as (slices, elements): one slice, or one per index of axis 0.
at::Tensor Slices(const at::Tensor& x, Granularity granularity) {
  PTQ_CHECK(x.numel() > 0);
  const at::Tensor detached = x.detach().contiguous();
  return granularity == Granularity::kPerTensor ? detached.view({1, -1}) : detached.view({x.size(0), -1});
}

Status CheckFinite(const at::Tensor& x) {
  if (!at::isfinite(x).all().item<bool>()) {
    return InvalidArgument("the tensor contains a NaN or an infinity");
  }
  return OkStatus();
}

std::vector<float> ToVector(const at::Tensor& x) {
  const at::Tensor in = x.contiguous();
  return {in.data_ptr<float>(), in.data_ptr<float>() + in.numel()};
}

}  // namespace

Result<Range> RangeOf(const at::Tensor& x, Granularity granularity) {
  PTQ_RETURN_IF_ERROR(CheckFinite(x));
  const at::Tensor slices = Slices(x, granularity);
  return Range{ToVector(slices.amin(1)), ToVector(slices.amax(1))};
}

Result<Range> AbsoluteQuantileRange(const at::Tensor& x, double p, Granularity granularity) {
  PTQ_RETURN_IF_ERROR(CheckFinite(x));
  const at::Tensor slices = Slices(x, granularity).abs();
  Range range;
  for (int64_t s = 0; s < slices.size(0); ++s) {
    std::vector<float> values = ToVector(slices[s]);
    const auto bound = static_cast<float>(ExactQuantile(values, p));
    range.min.push_back(-bound);
    range.max.push_back(bound);
  }
  return range;
}

Result<Range> QuantileRange(const at::Tensor& x, double p, Granularity granularity) {
  PTQ_CHECK(p >= 0.5 && p <= 1) << p;
  PTQ_RETURN_IF_ERROR(CheckFinite(x));
  const at::Tensor slices = Slices(x, granularity);
  Range range;
  for (int64_t s = 0; s < slices.size(0); ++s) {
    std::vector<float> values = ToVector(slices[s]);
    const auto high = static_cast<float>(ExactQuantile(values, p));
    const auto low = static_cast<float>(ExactQuantile(values, 1 - p));
    range.min.push_back(std::min(low, high));
    range.max.push_back(high);
  }
  return range;
}

double ExactQuantile(std::vector<float>& values, double p) {
  PTQ_CHECK(!values.empty() && p >= 0 && p <= 1) << values.size() << " values, p " << p;
  const double target = p * static_cast<double>(values.size() - 1);
  const auto below = static_cast<int64_t>(std::floor(target));
  std::nth_element(values.begin(), values.begin() + below, values.end());
  const double low = values[below];
  if (below + 1 == static_cast<int64_t>(values.size())) {
    return low;
  }
  const double high = *std::min_element(values.begin() + below + 1, values.end());
  return low + (target - static_cast<double>(below)) * (high - low);
}

Result<QuantParams> WeightParams(Grid grid, int num_bits, Granularity granularity, const Range& range) {
  return ParamsFromRange(grid, num_bits, range.min, range.max, granularity,
                         granularity == Granularity::kPerTensor ? -1 : 0);
}

}  // namespace ptq::quant
