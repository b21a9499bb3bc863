// tables.h: an experiment's trials and the published values as one table, from the store alone.
#pragma once

#include <vector>

#include "core/base/error.h"
#include "experiments/trial.h"
#include "results/store.h"
#include "results/table.h"

namespace ptq::experiments {

// Rows in the order of the spec's workloads; a workload's published rows that no trial here measures come after its
// measured ones.  Trials whose inputs are absent are looked up by what the spec says about them, so that a report needs
// no weights and no images.
// A published value is shown beside a measurement only where model title, data set title, bits and name are the
// published ones; a trial's name is its label where it has one, else its method's MethodInfo::published_as.
// Where the spec's published files have no value, the method's own is shown (method_published.h), of an unlabelled
// trial with default parameters, and the row says so. Errors: those of the store, of ReadPublished and of
// ReadMethodPublished.
Result<results::Table> BuildTable(const ExperimentSpec& spec, const std::vector<Trial>& trials,
                                  const results::Store& store, const std::string& home);

}  // namespace ptq::experiments
