// min_max.h: every operand's grid covers its whole observed range.
#pragma once

#include <memory>

#include "core/method/method.h"

namespace ptq::baselines {

std::unique_ptr<method::Method> MakeMinMax();

}  // namespace ptq::baselines
