// ptq4vit.h: twin uniform ranges and a Hessian-guided interval search (Yuan et al., ECCV 2022).
#pragma once

#include <memory>

#include "core/method/method.h"

namespace ptq::baselines {

std::unique_ptr<method::Method> MakePtq4Vit();

}  // namespace ptq::baselines
