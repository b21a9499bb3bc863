// bit_split.h: weights by bit planes that reconstruct each layer's output, one row at a time (Wang et al., ICML 2020).
#pragma once

#include <memory>

#include "core/method/method.h"

namespace ptq::baselines {

std::unique_ptr<method::Method> MakeBitSplit();

}  // namespace ptq::baselines
