// range.h: ranges of whole tensors, per tensor or per channel, from which QuantParams follow.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/quant/quant_params.h"

namespace ptq::quant {

// min and max of one tensor (one entry) or of each slice along an axis.
struct Range {
  std::vector<float> min, max;
};

// The exact range of x: float32, at least one element.  per_channel: slices along axis 0.
// InvalidArgument where x contains a NaN or an infinity.
Result<Range> RangeOf(const at::Tensor& x, Granularity granularity);

// The exact p-quantile a of |x|, per tensor or slice, as the range -a..a.  Definition of the quantile: linear
// interpolation at index p * (n - 1); p = 1 is the maximum.  Errors: those of RangeOf.
Result<Range> AbsoluteQuantileRange(const at::Tensor& x, double p, Granularity granularity);

// The exact (1 - p)- and p-quantile of x, per tensor or slice, 0.5 <= p <= 1; p = 1 is RangeOf.  Errors: those of
// RangeOf.
Result<Range> QuantileRange(const at::Tensor& x, double p, Granularity granularity);

// The exact quantile of values at index p * (n - 1) with linear interpolation, by selection; reorders `values`.
// 0 <= p <= 1, not empty.
double ExactQuantile(std::vector<float>& values, double p);

// ParamsFromRange of a weight's range, with the axis that its granularity implies.
Result<QuantParams> WeightParams(Grid grid, int num_bits, Granularity granularity, const Range& range);

}  // namespace ptq::quant
