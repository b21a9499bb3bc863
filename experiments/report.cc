#include "experiments/report.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "experiments/system_info.h"
#include "experiments/tables.h"

namespace ptq::experiments {

Result<results::Report> BuildReport(const ExperimentSpec& spec, const std::vector<Trial>& trials,
                                    const results::Store& store, const std::string& home) {
  results::Report report;
  PTQ_ASSIGN_OR_RETURN(report.table, BuildTable(spec, trials, store, home));
  std::set<std::string> weights;
  for (const results::TableRow& row : report.table.rows) {
    for (const results::TrialSummary& trial : row.trials) {
      PTQ_ASSIGN_OR_RETURN(std::optional<results::TrialRecord> record, store.Record(trial.trial_key));
      if (record) {
        weights.insert(record->weights_sha256);
        report.trials.emplace(trial.trial_key, *std::move(record));
      }
    }
  }
  PTQ_ASSIGN_OR_RETURN(std::vector<results::SensitivityRecord> studies, store.Sensitivities());
  for (results::SensitivityRecord& study : studies) {
    if (weights.count(study.weights_sha256) != 0) {
      report.sensitivities.push_back(std::move(study));
    }
  }
  report.spec_text = spec.text;
  report.created_utc = UtcNow();
  return report;
}

}  // namespace ptq::experiments
