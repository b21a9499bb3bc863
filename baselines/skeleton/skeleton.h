// skeleton.h: the smallest whole method.  Copy this folder to begin your own (docs/adding_a_method.md).
#pragma once

#include <memory>

#include "core/method/method.h"

namespace ptq::baselines {

std::unique_ptr<method::Method> MakeSkeleton();

}  // namespace ptq::baselines
