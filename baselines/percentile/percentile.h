// percentile.h: grids that cover a quantile of each operand and clip the rest.
#pragma once

#include <memory>

#include "core/method/method.h"

namespace ptq::baselines {

std::unique_ptr<method::Method> MakePercentile();

}  // namespace ptq::baselines
