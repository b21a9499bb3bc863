// range_plan.h: plans that cover what the float model sees on some images.
#pragma once

#include "core/method/plan.h"
#include "core/vit/model.h"

namespace ptq::testing {

struct RangePlanSettings {
  quant::Grid activations = quant::Grid::kAffine, weights = quant::Grid::kSymmetricFull;
  int activation_bits = 8, weight_bits = 8;
  bool rows = false;  // a weight has a scale per row
};

// Every operand of every op.
method::Plan RangePlan(const vit::VitModel& model, const at::Tensor& images, const RangePlanSettings& settings);

}  // namespace ptq::testing
