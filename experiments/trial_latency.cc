#include "experiments/trial_latency.h"

#include <algorithm>
#include <tuple>

#include "experiments/latency_comparison.h"
#include "experiments/system_info.h"
#include "results/latency_record.h"

namespace ptq::experiments {
namespace {

bool Same(const results::HostRecord& a, const results::HostRecord& b) {
  const auto fields = [](const results::HostRecord& host) {
    return std::tie(host.cpu_model, host.cpu_flags, host.logical_cores, host.memory_bytes, host.os);
  };
  return fields(a) == fields(b);
}

bool Same(const results::BuildRecord& a, const results::BuildRecord& b) {
  const auto fields = [](const results::BuildRecord& build) {
    return std::tie(build.version, build.revision, build.compiler, build.flags, build.libraries);
  };
  return fields(a) == fields(b);
}

}  // namespace

Result<std::vector<LatencySetting>> MissingLatencies(const Trial& trial, const ExperimentSpec& spec,
                                                     const results::Store& store) {
  std::vector<LatencySetting> missing;
  if (!trial.is_integer() || spec.latency.empty()) {
    return missing;
  }
  PTQ_ASSIGN_OR_RETURN(const std::vector<results::LatencyRecord> stored, store.Latencies(trial.key));
  const results::HostRecord host = ThisHost();
  const results::BuildRecord build = ThisBuild();
  for (const LatencySetting& setting : spec.latency) {
    const auto is_it = [&](const results::LatencyRecord& record) {
      return record.batch == setting.batch && record.threads == setting.threads && Same(record.host, host) &&
             Same(record.build, build);
    };
    if (std::none_of(stored.begin(), stored.end(), is_it)) {
      missing.push_back(setting);
    }
  }
  return missing;
}

Status MeasureTrialLatency(const Trial& trial, const vit::VitModel& model, const method::Plan& plan,
                           const std::vector<LatencySetting>& settings, const LatencyProtocol& protocol,
                           results::Store& store, Progress& progress) {
  LatencySubject subject;
  subject.trial_key = trial.key;
  subject.model = trial.workload->model.name;
  subject.weights_sha256 = trial.workload->weights.sha256;
  subject.plan_sha256 = PlanSha256(plan);
  for (const LatencySetting& setting : settings) {
    subject.setting = setting;
    PTQ_ASSIGN_OR_RETURN(const ExecutorPair pair, MakeExecutors(model, plan, subject));
    PTQ_ASSIGN_OR_RETURN(const results::LatencyRecord record,
                         CompareLatency(pair, model.config(), plan, subject, protocol, progress));
    PTQ_RETURN_IF_ERROR(store.InsertLatency(record));
  }
  return OkStatus();
}

}  // namespace ptq::experiments
