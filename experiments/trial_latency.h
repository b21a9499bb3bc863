// trial_latency.h: the times that an experiment asks for, of its trials with exec = "integer".
#pragma once

#include <vector>

#include "core/base/error.h"
#include "core/base/progress.h"
#include "core/method/plan.h"
#include "core/vit/model.h"
#include "experiments/latency.h"
#include "experiments/spec.h"
#include "experiments/trial.h"
#include "results/store.h"

namespace ptq::experiments {

// The settings of `spec` that have no stored row of this trial on this host and build; none where the trial's plan does
// not run on integer kernels.
Result<std::vector<LatencySetting>> MissingLatencies(const Trial& trial, const ExperimentSpec& spec,
                                                     const results::Store& store);

// Times a done trial's plan and stores each setting when it is finished.
// Errors: those of MakeExecutors, CompareLatency and the store.
Status MeasureTrialLatency(const Trial& trial, const vit::VitModel& model, const method::Plan& plan,
                           const std::vector<LatencySetting>& settings, const LatencyProtocol& protocol,
                           results::Store& store, Progress& progress);

}  // namespace ptq::experiments
