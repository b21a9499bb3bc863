// aciq.h: analytic clipping of activations, bits shared between weight rows, and corrected weight means.
#pragma once

#include <memory>

#include "core/method/method.h"

namespace ptq::baselines {

std::unique_ptr<method::Method> MakeAciq();

}  // namespace ptq::baselines
