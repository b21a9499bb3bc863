// ad_hoc_trial.h: a quantization that flags ask for and no spec names.
#pragma once

#include "core/method/method.h"
#include "experiments/cli/commands.h"
#include "experiments/trial.h"
#include "experiments/workspace.h"

namespace ptq::experiments::cli {

// Without evaluation images, text and key.  Errors: InvalidArgument for every flag that names nothing or does not fit;
// those of the workspace where weights or calibration images are absent.
Result<Trial> AdHocTrial(const QuantizeFlags& flags, const method::Registry& registry, Workspace& workspace);

}  // namespace ptq::experiments::cli
