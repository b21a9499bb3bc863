// mse.h: each grid covers the range that loses least to rounding and clipping together, in an L_p norm.
#pragma once

#include <memory>

#include "core/method/method.h"

namespace ptq::baselines {

std::unique_ptr<method::Method> MakeMse();

}  // namespace ptq::baselines
