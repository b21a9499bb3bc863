// easyquant.h: intervals of each op searched so that its output keeps its direction (Wu et al. 2020, EasyQuant).
#pragma once

#include <memory>

#include "core/method/method.h"

namespace ptq::baselines {

std::unique_ptr<method::Method> MakeEasyQuant();

}  // namespace ptq::baselines
