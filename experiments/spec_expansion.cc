#include "experiments/spec_expansion.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "core/base/nearest_name.h"

namespace ptq::experiments {
namespace {

using data::Placed;

constexpr size_t kMaxTrials = 20000;
constexpr size_t kMaxHints = 100;

bool Holds(const std::vector<Placed<std::string>>& names, const std::string& name) {
  return std::any_of(names.begin(), names.end(), [&](const auto& placed) { return placed.value == name; });
}

bool Fits(const TrialTable& table, const WorkloadSpec& workload) {
  return !workload.float_only && (table.models.empty() || Holds(table.models, workload.model)) &&
         (table.datasets.empty() || Holds(table.datasets, workload.dataset));
}

// The workload of a float32 trial, which calibrates nothing.
WorkloadSpec WithoutCalibration(WorkloadSpec workload) {
  workload.calibration_dataset.clear();
  workload.calibration_images = 0;
  workload.float_only = true;
  return workload;
}

class Expander {
 public:
  Expander(const std::vector<WorkloadSpec>& workloads, const std::vector<TrialTable>& tables, bool complete)
      : workloads_(workloads), tables_(tables), complete_(complete) {
    for (const WorkloadSpec& workload : workloads) {
      AddNew(workload.model, &models_);
      AddNew(workload.dataset, &datasets_);
    }
  }

  ExpandedTrials Run() {
    CheckWorkloads();
    for (const TrialTable& table : tables_) {
      CheckFilters(table);
    }
    if (TooMany()) {
      return std::move(result_);
    }
    for (const WorkloadSpec& workload : workloads_) {
      if (float_rows_.emplace(workload.model, workload.dataset).second) {
        AddFloat(workload);
      }
      for (const TrialTable& table : tables_) {
        if (Fits(table, workload)) {
          AddTable(table, workload);
        }
      }
    }
    return std::move(result_);
  }

 private:
  void Fault(SourcePosition position, const std::string& message) { result_.faults.emplace_back(position, message); }

  static void AddNew(const std::string& name, std::vector<std::string>* names) {
    if (std::find(names->begin(), names->end(), name) == names->end()) {
      names->push_back(name);
    }
  }

  // No workload twice, and none without a trial that is not float_only.
  void CheckWorkloads() {
    std::map<std::string, int> line_of;
    for (const WorkloadSpec& workload : workloads_) {
      const std::string text = workload.model + " on " + workload.dataset + " with " +
                               std::to_string(workload.calibration_images) + " images of " +
                               workload.calibration_dataset;
      const auto [first, is_new] = line_of.emplace(text, workload.position.line);
      if (!is_new) {
        Fault(workload.position, "the workload " + workload.model + " on " + workload.dataset +
                                     " is there twice, first at line " + std::to_string(first->second));
      }
      auto fits = [&](const TrialTable& table) { return Fits(table, workload); };
      if (complete_ && !workload.float_only && std::none_of(tables_.begin(), tables_.end(), fits)) {
        Fault(workload.position, "no [[trial]] runs on " + workload.model + " and " + workload.dataset +
                                     "; add one, or say float_only = true and name no calibration");
      }
    }
  }

  // `models` and `datasets` of a trial name workloads, and together they leave one.
  void CheckFilters(const TrialTable& table) {
    auto check = [&](const std::vector<Placed<std::string>>& names, const std::vector<std::string>& known,
                     const char* what) {
      for (const auto& name : names) {
        if (std::find(known.begin(), known.end(), name.value) == known.end()) {
          // Suggestions cost a comparison with every workload; a file of many thousand mistakes gets the first ones.
          const std::string hint = result_.faults.size() < kMaxHints ? DidYouMean(name.value, known) : "";
          Fault(name.position, std::string("no workload has the ") + what + " '" + name.value + "'" + hint);
        }
      }
    };
    check(table.models, models_, "model");
    check(table.datasets, datasets_, "data set");
    auto fits = [&](const WorkloadSpec& workload) { return Fits(table, workload); };
    if (result_.faults.empty() && std::none_of(workloads_.begin(), workloads_.end(), fits)) {
      Fault(table.position, "this [[trial]] fits no [[workload]] that is not float_only");
    }
  }

  bool TooMany() {
    size_t total = workloads_.size();
    for (const TrialTable& table : tables_) {
      size_t count = table.methods.size() * table.bits.size() * table.execs.size();
      for (const auto& [name, values] : table.parameters) {
        count = std::min(count * values.size(), kMaxTrials + 1);
      }
      for (const WorkloadSpec& workload : workloads_) {
        total += Fits(table, workload) ? count : 0;
      }
      if (total > kMaxTrials) {
        Fault(table.position, "the sweeps make more than 20000 trials; split the experiment");
        return true;
      }
    }
    return false;
  }

  void AddFloat(const WorkloadSpec& workload) {
    TrialSpec trial;
    trial.workload = WithoutCalibration(workload);
    trial.method = "float32";
    trial.seeds = {0};
    trial.position = workload.position;
    result_.trials.push_back(std::move(trial));
  }

  void AddTable(const TrialTable& table, const WorkloadSpec& workload) {
    for (const auto& method : table.methods) {
      for (const BitWidths& bits : table.bits) {
        TrialSpec trial;
        trial.workload = workload;
        trial.method = method.value;
        trial.label = table.label;
        trial.scheme = table.scheme;
        trial.scheme.weight_bits = bits.weight;
        trial.scheme.activation_bits = bits.activation;
        trial.scheme.mixed = bits.mixed;
        trial.seeds = table.seeds;
        trial.position = method.position;
        AddParameters(table, table.parameters.begin(), std::move(trial));
      }
    }
  }

  // `trial` with every combination of the parameters from `at` on.
  void AddParameters(const TrialTable& table, decltype(TrialTable::parameters)::const_iterator at, TrialSpec trial) {
    if (at == table.parameters.end()) {
      for (const ExecMode exec : table.execs) {
        trial.exec = exec;
        AddOnce(table, trial);
      }
      return;
    }
    const auto next = std::next(at);
    for (const auto& value : at->second) {
      trial.parameters[at->first] = value.value;
      trial.parameter_positions[at->first] = value.position;
      AddParameters(table, next, trial);
    }
  }

  void AddOnce(const TrialTable& table, TrialSpec trial) {
    std::string configuration = trial.method + " " + trial.scheme.ToString() + " " + Name(trial.exec);
    for (const auto& [name, value] : trial.parameters) {
      configuration += " " + name + "=" + method::ToString(value);
    }
    const WorkloadSpec& workload = trial.workload;
    const std::string key = configuration + " on " + workload.model + " " + workload.dataset + " " +
                            workload.calibration_dataset + " " + std::to_string(workload.calibration_images);
    const auto [first, is_new] = first_line_.emplace(key, table.position.line);
    if (is_new) {
      result_.trials.push_back(std::move(trial));
    } else if (reported_.emplace(trial.position.line, trial.position.column, configuration).second) {
      Fault(trial.position, trial.method + " " + trial.scheme.ShortName() + " on " + workload.model + " and " +
                                workload.dataset + " is there twice, first in the [[trial]] of line " +
                                std::to_string(first->second) + "; give all its seeds in one [[trial]]");
    }
  }

  const std::vector<WorkloadSpec>& workloads_;
  const std::vector<TrialTable>& tables_;
  const bool complete_;
  std::vector<std::string> models_, datasets_;  // of the workloads, each once
  ExpandedTrials result_;
  std::set<std::pair<std::string, std::string>> float_rows_;  // model, data set
  std::map<std::string, int> first_line_;                     // of a configuration on a workload
  std::set<std::tuple<int, int, std::string>> reported_;      // one fault per place and configuration
};

}  // namespace

ExpandedTrials ExpandTrials(const std::vector<WorkloadSpec>& workloads, const std::vector<TrialTable>& tables,
                            bool complete) {
  return Expander(workloads, tables, complete).Run();
}

}  // namespace ptq::experiments
