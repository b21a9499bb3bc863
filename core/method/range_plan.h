// range_plan.h: the part that all range estimators share: one range per operand in, a Plan out.
#pragma once

#include <functional>

#include "core/method/method.h"
#include "core/quant/range.h"

namespace ptq::method {

struct RangeRules {
  quant::Grid activation_grid = quant::Grid::kAffine;
  quant::Grid weight_grid = quant::Grid::kSymmetricFull;
  calib::StatisticsOptions statistics;  // what activation_range reads
  // The range that an activation's grid covers (one entry).
  std::function<quant::Range(const vit::OperandId&, const calib::TensorStatistics&)> activation_range;
  // The range of a weight, per tensor or output row.
  std::function<Result<quant::Range>(const at::Tensor&, quant::Granularity)> weight_range;
};

// A plan for every operand that the scheme covers, at the scheme's bits.  Errors: those of the calibration and of
// ParamsFromRange, naming the operand.
Result<Plan> PlanFromRanges(const QuantizeInputs& inputs, const RangeRules& rules);

}  // namespace ptq::method
