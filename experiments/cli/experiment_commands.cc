// The verbs that take an experiment: run, plan, check, report.
#include <cstdio>

#include "data/files/file_io.h"
#include "experiments/cli/session.h"
#include "experiments/report.h"
#include "experiments/revision.h"
#include "experiments/runner.h"
#include "experiments/tables.h"
#include "experiments/terminal_progress.h"
#include "experiments/trial_latency.h"
#include "results/store.h"
#include "results/table.h"

namespace ptq::experiments::cli {
namespace {

// Everything that run, plan and report begin with.
struct Opened {
  method::Registry registry;
  Workspace workspace;
  LoadedExperiment experiment;
};

Result<Opened> Open(const GlobalFlags& global, const std::string& spec) {
  PTQ_ASSIGN_OR_RETURN(Workspace workspace, OpenWorkspace(global));
  method::Registry registry = Methods();
  PTQ_ASSIGN_OR_RETURN(LoadedExperiment experiment, LoadExperiment(spec, registry, workspace));
  return Opened{std::move(registry), std::move(workspace), std::move(experiment)};
}

constexpr char kHtml[] = "html";

// Before anything is measured.
Status CheckFormat(const RunFlags& flags) {
  if (flags.format == kHtml) {
    return OkStatus();
  }
  const Result<results::TableFormat> format = results::ParseTableFormat(flags.format);
  return format.ok() ? OkStatus() : Status(InvalidArgument(format.error().message + ", or html"));
}

Result<std::string> RenderReport(const Opened& opened, const results::Store& store, const std::string& format) {
  const LoadedExperiment& experiment = opened.experiment;
  if (format == kHtml) {
    PTQ_ASSIGN_OR_RETURN(const results::Report report,
                         BuildReport(experiment.spec, experiment.trials, store, opened.workspace.home()));
    return results::RenderHtml(report);
  }
  PTQ_ASSIGN_OR_RETURN(const results::TableFormat table_format, results::ParseTableFormat(format));
  PTQ_ASSIGN_OR_RETURN(const results::Table table,
                       BuildTable(experiment.spec, experiment.trials, store, opened.workspace.home()));
  return results::Render(table, table_format);
}

// To the file that the flags name, whole or not at all, or to stdout.
Status PrintReport(const Opened& opened, const results::Store& store, const RunFlags& flags) {
  PTQ_ASSIGN_OR_RETURN(const std::string text, RenderReport(opened, store, flags.format));
  if (!flags.out.empty()) {
    PTQ_RETURN_IF_ERROR(data::WriteFileAtomically(flags.out, text));
    std::fprintf(stderr, "written to %s\n", flags.out.c_str());
    return OkStatus();
  }
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return IoError("the report could not be written whole; make room where the output goes, or give --out FILE",
                   "stdout");
  }
  return OkStatus();
}

Result<int> RunChecked(const GlobalFlags& global, const RunFlags& flags) {
  PTQ_RETURN_IF_ERROR(CheckRevision(Revision(), global.allow_dirty));
  PTQ_RETURN_IF_ERROR(CheckFormat(flags));
  PTQ_ASSIGN_OR_RETURN(const Opened opened, Open(global, flags.spec));
  PTQ_ASSIGN_OR_RETURN(results::Store store,
                       results::Store::Open(opened.workspace.database(), results::Store::Mode::kReadWrite));
  PTQ_ASSIGN_OR_RETURN(std::optional<results::CheckpointStore> checkpoints,
                       OpenCheckpoints(opened.workspace, flags.no_checkpoint));
  PTQ_ASSIGN_OR_RETURN(TrialClaims claims, TrialClaims::Open(opened.workspace.database() + ".claims"));
  InstallStopHandler();
  TerminalProgress progress;
  RunOptions options;
  options.claims = &claims;
  options.retry_failed = flags.retry_failed;
  options.checkpoints = checkpoints ? &*checkpoints : nullptr;
  const auto announce = [&](int64_t number, int64_t count, const Trial& trial) {
    progress.SetTask("[" + std::to_string(number) + "/" + std::to_string(count) + "] " + trial.Describe());
  };
  const Result<RunSummary> ran =
      RunTrials(opened.experiment.trials, opened.experiment.spec, options, store, progress, announce);
  if (!ran.ok()) {
    if (ran.error().code == ErrorCode::kInterrupted) {
      std::fprintf(stderr, "\nptqbench: stopped; what is finished is kept, the same command goes on from here\n");
      return static_cast<int>(kExitStopped);
    }
    return ran.error();
  }
  PTQ_RETURN_IF_ERROR(PrintReport(opened, store, flags));
  std::fprintf(stderr, "%lld trials measured now, %lld before, %lld failed, %lld unsupported, %lld without inputs\n",
               static_cast<long long>(ran->done_now), static_cast<long long>(ran->done_before),
               static_cast<long long>(ran->failed), static_cast<long long>(ran->unsupported),
               static_cast<long long>(ran->absent));
  if (!opened.experiment.spec.latency.empty()) {
    std::fprintf(stderr, "%lld latency settings measured now\n", static_cast<long long>(ran->latencies_now));
  }
  std::fprintf(stderr, "stored in %s\n", opened.workspace.database().c_str());
  if (ran->failed > 0) {
    return static_cast<int>(kExitTrialFailed);
  }
  return static_cast<int>(ran->broken_input ? kExitEnvironment : kExitDone);
}

// A store to read from; absent is no error and means that nothing was measured.
Result<std::optional<results::Store>> OpenForReading(const Workspace& workspace) {
  Result<results::Store> store = results::Store::Open(workspace.database(), results::Store::Mode::kReadOnly);
  if (store.ok()) {
    return std::optional<results::Store>(*std::move(store));
  }
  if (store.error().code == ErrorCode::kNotFound) {
    return std::optional<results::Store>();
  }
  return store.error();
}

Result<int> PlanChecked(const GlobalFlags& global, const RunFlags& flags) {
  PTQ_ASSIGN_OR_RETURN(const Opened opened, Open(global, flags.spec));
  PTQ_ASSIGN_OR_RETURN(const std::optional<results::Store> store, OpenForReading(opened.workspace));
  int64_t to_run = 0, to_time = 0;
  for (const Trial& trial : opened.experiment.trials) {
    std::string state = "to run";
    if (trial.workload->absent) {
      state = "absent";
    } else if (store) {
      PTQ_ASSIGN_OR_RETURN(const std::optional<results::TrialSummary> found, store->Find(trial.key));
      state = found ? results::Name(found->status) : state;
      if (found && found->status == results::TrialStatus::kDone) {
        PTQ_ASSIGN_OR_RETURN(const auto missing, MissingLatencies(trial, opened.experiment.spec, *store));
        state = missing.empty() ? state : "to time";
      }
    }
    to_time += state == "to time" ? 1 : 0;
    to_run += state == "to run" ? 1 : 0;
    const std::string key = trial.key.empty() ? std::string(12, '-') : trial.key.substr(0, 12);
    std::printf("%-11s  %s  %s\n", state.c_str(), key.c_str(), trial.Describe().c_str());
    if (trial.workload->absent) {
      std::printf("%-11s  %s\n", "", trial.workload->absent->ToString().c_str());
    }
  }
  std::printf("%lld of %zu trials to run\n", static_cast<long long>(to_run), opened.experiment.trials.size());
  if (to_time > 0) {
    std::printf("%lld done trials to time\n", static_cast<long long>(to_time));
  }
  return static_cast<int>(kExitDone);
}

Result<int> CheckChecked(const GlobalFlags& global, const RunFlags& flags) {
  PTQ_ASSIGN_OR_RETURN(const Opened opened, Open(global, flags.spec));
  std::printf("%s: %zu trials, no fault\n", opened.experiment.spec.path.c_str(), opened.experiment.trials.size());
  return static_cast<int>(kExitDone);
}

Result<int> ReportChecked(const GlobalFlags& global, const RunFlags& flags) {
  PTQ_RETURN_IF_ERROR(CheckFormat(flags));
  PTQ_ASSIGN_OR_RETURN(const Opened opened, Open(global, flags.spec));
  PTQ_ASSIGN_OR_RETURN(const results::Store store,
                       results::Store::Open(opened.workspace.database(), results::Store::Mode::kReadOnly));
  PTQ_RETURN_IF_ERROR(PrintReport(opened, store, flags));
  return static_cast<int>(kExitDone);
}

}  // namespace

int Run(const GlobalFlags& global, const RunFlags& flags) { return Finish(RunChecked(global, flags)); }
int Plan(const GlobalFlags& global, const RunFlags& flags) { return Finish(PlanChecked(global, flags)); }
int Check(const GlobalFlags& global, const RunFlags& flags) { return Finish(CheckChecked(global, flags)); }
int Report(const GlobalFlags& global, const RunFlags& flags) { return Finish(ReportChecked(global, flags)); }

}  // namespace ptq::experiments::cli
