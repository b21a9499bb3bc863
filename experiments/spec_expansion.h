// spec_expansion.h: from the tables of an experiment file, as read, to its list of trials.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "data/catalog/strict_toml.h"
#include "experiments/bit_widths.h"
#include "experiments/spec.h"

namespace ptq::experiments {

// One [[trial]] before its sweeps are expanded.
struct TrialTable {
  std::vector<data::Placed<std::string>> methods;
  std::vector<BitWidths> bits;
  std::string label;
  std::vector<data::Placed<std::string>> models, datasets;  // empty: all
  std::vector<int64_t> seeds;
  method::Scheme scheme;  // without bits
  std::map<std::string, std::vector<data::Placed<data::TomlScalar>>> parameters;
  std::vector<ExecMode> execs = {ExecMode::kSimulated};  // not empty
  SourcePosition position;
};

struct ExpandedTrials {
  std::vector<TrialSpec> trials;
  std::vector<std::pair<SourcePosition, std::string>> faults;
};

// Every trial on every workload that it names, in the order that ExperimentSpec promises.
// complete: all of `tables` was read without a fault; otherwise no workload is said to lack a trial.
ExpandedTrials ExpandTrials(const std::vector<WorkloadSpec>& workloads, const std::vector<TrialTable>& tables,
                            bool complete);

}  // namespace ptq::experiments
