// plan_file.h: a Plan as a safetensors file.
#pragma once

#include <string>

#include "core/base/error.h"
#include "core/method/plan.h"

namespace ptq::experiments {

// Same plan, same bytes.  Errors: Io.
Status WritePlan(const std::string& path, const method::Plan& plan);
// Errors: those of ReadSafetensors and method::Decode, with `path` as where.
Result<method::Plan> ReadPlan(const std::string& path);

}  // namespace ptq::experiments
