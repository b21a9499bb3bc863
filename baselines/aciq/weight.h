// weight.h: weights as ACIQ quantizes them (Banner et al. 2019, Sections 4 and 5): min-max of each output row on the
// affine grid, bits shared between rows, and each row's mean and spread put back.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "baselines/aciq/row_bits.h"
#include "core/quant/quant_params.h"

namespace ptq::baselines::aciq {

struct WeightRule {
  std::optional<Quota> quota;  // per_channel only; absent: every row has the nominal bits
  bool bias_correction = true;
  bool variance_correction = false;
};

struct QuantizedWeight {
  quant::QuantParams params;
  // variance_correction: the weight whose codes under `params`, whose scales hold the correction, are those of the
  // given weight under its own range; as many elements, else empty.
  std::vector<float> replaced;
};

// weight: rows along axis 0, at least one element; per tensor it counts as one row.
// A row of 0 bits is its mean, in QuantParams::correction.  Errors: InvalidArgument for a NaN or an infinity.
Result<QuantizedWeight> QuantizeWeight(const at::Tensor& weight, int num_bits, quant::Granularity granularity,
                                       const WeightRule& rule);

}  // namespace ptq::baselines::aciq
