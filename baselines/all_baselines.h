// all_baselines.h: the methods that ship, in the order of tables.
#pragma once

#include "core/method/method.h"

namespace ptq::baselines {

// Adds every method of the list in all_baselines.cc.  Errors: those of Registry::Add.
Status RegisterAllBaselines(method::Registry& registry);

}  // namespace ptq::baselines
