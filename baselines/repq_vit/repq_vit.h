// repq_vit.h: LayerNorm outputs quantized per channel for calibration, per tensor at run time (Li et al., ICCV 2023).
#pragma once

#include <memory>

#include "core/method/method.h"

namespace ptq::baselines {

std::unique_ptr<method::Method> MakeRepqVit();

}  // namespace ptq::baselines
