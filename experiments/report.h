// report.h: an experiment's HTML report, from the store alone.
#pragma once

#include <string>
#include <vector>

#include "core/base/error.h"
#include "experiments/trial.h"
#include "results/report/html_report.h"
#include "results/store.h"

namespace ptq::experiments {

// The table of BuildTable, the stored record of each of its trials, and the sensitivity studies of its models' weights.
// Errors: those of BuildTable and of the store.
Result<results::Report> BuildReport(const ExperimentSpec& spec, const std::vector<Trial>& trials,
                                    const results::Store& store, const std::string& home);

}  // namespace ptq::experiments
