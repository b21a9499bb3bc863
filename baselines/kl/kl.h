// kl.h: each activation is clipped where its histogram loses least information (TensorRT's entropy calibration).
#pragma once

#include <memory>

#include "core/method/method.h"

namespace ptq::baselines {

std::unique_ptr<method::Method> MakeKl();

}  // namespace ptq::baselines
