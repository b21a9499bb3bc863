// op_noise.h: how much noise each op of a plan makes by itself.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/method/plan.h"
#include "core/vit/model.h"

namespace ptq::method {

struct OpNoise {
  vit::OpId op;
  // 10 log10(sum y^2 / sum (y - y')^2), y the op's output in float32, y' under the plan on the same inputs; infinite
  // where both are equal.
  double signal_to_noise_db = 0;
};

// Of every op, noisiest first.  Each op reads what the float model gives it, so that no op answers for another's noise.
// model: with the plan's replaced parameters; what rounding of weights cost before (bit_split) is therefore not in it,
// nor is the noise of quantized LayerNorm inputs.  images (B, channels, S, S).
std::vector<OpNoise> MeasureOpNoise(const vit::VitModel& model, const Plan& plan, const at::Tensor& images);

}  // namespace ptq::method
