#include "experiments/tables.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "experiments/float_gate.h"
#include "experiments/method_published.h"
#include "experiments/verdict.h"
#include "results/latency_record.h"
#include "results/table_statistics.h"

namespace ptq::experiments {
namespace {

bool SameGroup(const Trial& a, const Trial& b) {
  return a.workload->model.name == b.workload->model.name && a.workload->dataset.name == b.workload->dataset.name;
}

// Trials that differ in nothing but the seed.
bool SameConfiguration(const Trial& a, const Trial& b) {
  return a.workload == b.workload && a.method == b.method && a.label == b.label && a.scheme_text() == b.scheme_text() &&
         a.parameters_text() == b.parameters_text() && a.exec_mode() == std::string(b.exec_mode());
}

std::string MethodTitle(const Trial& trial) {
  if (trial.is_float()) {
    return "FP32";
  }
  const method::MethodInfo& info = trial.method->info();
  if (!trial.label.empty()) {
    return trial.label;
  }
  std::string title = info.published_as.empty() ? info.id : info.published_as;
  std::string changes;
  for (const method::ParameterSpec& spec : info.parameters) {
    const method::ParameterValue& value = trial.parameters.values().at(spec.name);
    if (!(value == spec.default_value)) {
      changes += " " + spec.name + "=" + method::ToString(value);
    }
  }
  const method::Scheme& scheme = trial.scheme;
  changes += scheme.weight_granularity == quant::Granularity::kPerChannel ? " per_channel" : "";
  changes += scheme.quantize_patch_embed ? "" : " float patch_embed";
  if (scheme.patch_input_bits != 0) {
    changes +=
        scheme.patch_input_bits == 32 ? " float input" : " input " + std::to_string(scheme.patch_input_bits) + " bits";
  }
  changes += scheme.quantize_head ? "" : " float head";
  changes += scheme.quantize_attention_products ? "" : " float qk/pv";
  return title + changes;
}

bool Describes(const results::TrialSummary& stored, const Trial& trial) {
  const Workload& w = *trial.workload;
  const bool same_calibration =
      trial.is_float() || (stored.calibration_dataset == w.calibration_dataset->name &&
                           stored.calib_images == w.calibration_images && stored.seed == trial.seed);
  return stored.model == w.model.name && stored.dataset == w.dataset.name && stored.method == trial.method_id() &&
         stored.method_version == trial.method_version() && stored.parameters == trial.parameters_text() &&
         stored.scheme == trial.scheme_text() && stored.exec_mode == trial.exec_mode() && same_calibration;
}

// The stored trial: by key where the inputs are here, else the latest that the spec's words describe.
const results::TrialSummary* FindStored(const std::vector<results::TrialSummary>& stored, const Trial& trial) {
  for (auto it = stored.rbegin(); it != stored.rend(); ++it) {
    if (trial.key.empty() ? Describes(*it, trial) : it->trial_key == trial.key) {
      return &*it;
    }
  }
  return nullptr;
}

// The name under which a trial's configuration may be published.  A label says what the configuration is, so a labelled
// trial answers to its label alone, not to its method's name.
std::string PublishedName(const Trial& trial) {
  if (trial.is_float()) {
    return "FP32";
  }
  return trial.label.empty() ? trial.method->info().published_as : trial.label;
}

bool Matches(const results::PublishedRow& published, const results::TableRow& row, const std::string& name) {
  return published.model == row.model && published.dataset == row.dataset && published.method == name &&
         published.w_bits == row.w_bits && published.a_bits == row.a_bits && published.mixed == row.mixed;
}

results::TableRow PublishedOnly(const results::PublishedRow& published) {
  results::TableRow row;
  row.model = published.model;
  row.dataset = published.dataset;
  row.method = published.method;
  row.w_bits = published.w_bits;
  row.a_bits = published.a_bits;
  row.mixed = published.mixed;
  row.published = published;
  row.not_run = "published only: this experiment has no such trial";
  return row;
}

// Whether a trial is the method as its authors would run it, so that what they published may stand beside it.
bool IsPlain(const Trial& trial) {
  if (trial.is_float() || (!trial.label.empty() && trial.label != trial.method->info().published_as)) {
    return false;
  }
  const auto& specs = trial.method->info().parameters;
  return std::all_of(specs.begin(), specs.end(), [&](const method::ParameterSpec& spec) {
    return trial.parameters.values().at(spec.name) == spec.default_value;
  });
}

// What the methods' own folders hold, each read once.
class MethodValues {
 public:
  explicit MethodValues(std::string home) : home_(std::move(home)) {}

  // The value of a trial's model, data set and bits, where there is one.
  Result<std::optional<results::PublishedRow>> Find(const Trial& trial, const results::TableRow& row) {
    std::optional<results::PublishedRow> value;
    if (!IsPlain(trial)) {
      return value;
    }
    const method::MethodInfo& info = trial.method->info();
    auto known = values_.find(info.id);
    if (known == values_.end()) {
      PTQ_ASSIGN_OR_RETURN(std::vector<results::PublishedRow> read,
                           ReadMethodPublished(home_, info.id, info.published_as));
      known = values_.emplace(info.id, std::move(read)).first;
    }
    for (const results::PublishedRow& published : known->second) {
      if (Matches(published, row, info.published_as)) {
        value = published;
      }
    }
    return value;
  }

 private:
  const std::string home_;
  std::map<std::string, std::vector<results::PublishedRow>> values_;  // by method id
};

// The newest times of a row's trials, a record for each setting that has one; returns how many have none,
// where a trial is done.
Result<int64_t> AddLatencies(const ExperimentSpec& spec, const results::Store& store, results::TableRow& row) {
  std::vector<std::vector<results::LatencyRecord>> stored;
  for (const results::TrialSummary& trial : row.trials) {
    PTQ_ASSIGN_OR_RETURN(std::vector<results::LatencyRecord> records, store.Latencies(trial.trial_key));
    stored.push_back(std::move(records));
  }
  const bool done = std::any_of(row.trials.begin(), row.trials.end(), [](const results::TrialSummary& trial) {
    return trial.status == results::TrialStatus::kDone;
  });
  int64_t missing = 0;
  for (const LatencySetting& setting : spec.latency) {
    const results::LatencyRecord* newest = nullptr;
    for (size_t i = 0; i < stored.size() && newest == nullptr; ++i) {  // the first seed that has one stands for all
      for (const results::LatencyRecord& record : stored[i]) {
        newest = record.batch == setting.batch && record.threads == setting.threads ? &record : newest;
      }
    }
    if (newest != nullptr) {
      row.latencies.push_back(*newest);
    } else {
      missing += done ? 1 : 0;
    }
  }
  return missing;
}

results::TableRow HeaderOf(const Trial& trial) {
  results::TableRow row;
  row.model = trial.workload->model.title;
  row.dataset = trial.workload->dataset.title;
  row.method = MethodTitle(trial);
  row.w_bits = trial.w_bits();
  row.a_bits = trial.a_bits();
  row.mixed = trial.mixed();
  if (trial.workload->absent) {
    row.not_run = trial.workload->absent->ToString();
  } else {
    row.not_run = "not run yet: `ptqbench run` measures it";
  }
  return row;
}

}  // namespace

Result<results::Table> BuildTable(const ExperimentSpec& spec, const std::vector<Trial>& trials,
                                  const results::Store& store, const std::string& home) {
  std::vector<results::PublishedRow> published;
  for (const std::string& name : spec.published) {
    const std::filesystem::path path = std::filesystem::path(home) / "results" / "published" / (name + ".csv");
    PTQ_ASSIGN_OR_RETURN(const std::vector<results::PublishedRow> rows, results::ReadPublished(path.string()));
    published.insert(published.end(), rows.begin(), rows.end());
  }
  std::vector<bool> shown(published.size(), false);
  MethodValues of_methods(home);
  PTQ_ASSIGN_OR_RETURN(const std::vector<results::TrialSummary> stored, store.Trials());

  results::Table table;
  table.title = spec.name + ": " + spec.question;
  auto add_published = [&](auto&& wanted) {
    for (size_t p = 0; p < published.size(); ++p) {
      if (!shown[p] && wanted(published[p])) {
        table.rows.push_back(PublishedOnly(published[p]));
        shown[p] = true;
      }
    }
  };
  std::vector<std::pair<size_t, const Trial*>> judged;  // rows of trials
  std::string warning;                                  // of the float row, which stands first in its group
  for (size_t i = 0; i < trials.size();) {
    const Trial& first = trials[i];
    results::TableRow row = HeaderOf(first);
    for (; i < trials.size() && SameConfiguration(first, trials[i]); ++i) {
      if (const results::TrialSummary* found = FindStored(stored, trials[i])) {
        row.trials.push_back(*found);
      }
    }
    if (!row.trials.empty()) {
      row.not_run.clear();
    }
    const std::string name = PublishedName(first);
    for (size_t p = 0; p < published.size(); ++p) {
      if (!shown[p] && Matches(published[p], row, name)) {
        row.published = published[p];
        shown[p] = true;
        break;
      }
    }
    if (!row.published) {
      PTQ_ASSIGN_OR_RETURN(row.published, of_methods.Find(first, row));
      row.published_elsewhere = row.published.has_value();
    }
    if (first.is_integer()) {
      PTQ_ASSIGN_OR_RETURN(const int64_t missing, AddLatencies(spec, store, row));
      table.latencies_missing += missing;
    }
    if (first.is_float() && !row.trials.empty() && row.trials[0].top1_fraction) {
      warning = FloatWarning(first.workload->model, first.workload->dataset, *row.trials[0].top1_fraction);
    }
    row.warning = warning;
    const std::string model = row.model;
    const std::string dataset = row.dataset;
    judged.emplace_back(table.rows.size(), &first);
    table.rows.push_back(std::move(row));
    if (i == trials.size() || !SameGroup(trials[i], first)) {
      warning.clear();
      add_published([&](const results::PublishedRow& p) { return p.model == model && p.dataset == dataset; });
    }
  }
  add_published([](const results::PublishedRow&) { return true; });
  PTQ_RETURN_IF_ERROR(results::AddStatistics(store, table));
  for (const auto& [row, trial] : judged) {
    Judge(trial->workload->model, trial->workload->dataset, published, PublishedName(*trial), table.rows[row]);
  }
  return table;
}

}  // namespace ptq::experiments
