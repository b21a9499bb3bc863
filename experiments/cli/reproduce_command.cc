// `ptqbench reproduce TRIAL`: a stored trial once more.
#include <cstdio>

#include "experiments/cli/session.h"
#include "experiments/cli/trial_lookup.h"
#include "experiments/reproduce.h"
#include "experiments/runner.h"
#include "experiments/terminal_progress.h"
#include "results/store.h"

namespace ptq::experiments::cli {
namespace {

void Print(const Trial& trial, const results::TrialRecord& stored, const results::TrialRecord& now) {
  const Reproduction result = CompareAttempts(stored, now);
  std::printf("%.12s  %s\n", stored.trial_key.c_str(), trial.Describe().c_str());
  std::printf("measured %s, again %s\n", stored.finished_utc.c_str(), now.finished_utc.c_str());
  std::printf("predictions: %lld of %lld equal\n", static_cast<long long>(result.equal_predictions),
              static_cast<long long>(result.images));
  std::printf("quantized operands: %lld of %lld equal\n", static_cast<long long>(result.equal_operands),
              static_cast<long long>(result.operands));
  for (const std::string& difference : result.differences) {
    std::printf("differs: %s\n", difference.c_str());
  }
  for (const std::string& circumstance : result.other_circumstances) {
    std::printf("%s\n", circumstance.c_str());
  }
  std::printf("%s\n", result.matches() ? "It matches bit for bit." : "It does not match.");
}

Result<int> ReproduceChecked(GlobalFlags global, const std::string& key) {
  PTQ_ASSIGN_OR_RETURN(Workspace workspace, OpenWorkspace(global));
  PTQ_ASSIGN_OR_RETURN(const results::Store store,
                       results::Store::Open(workspace.database(), results::Store::Mode::kReadOnly));
  PTQ_ASSIGN_OR_RETURN(const results::TrialSummary summary, FindTrial(store, key));
  PTQ_ASSIGN_OR_RETURN(const std::optional<results::TrialRecord> stored, store.Record(summary.trial_key));
  PTQ_CHECK(stored.has_value());
  if (global.threads == 0) {
    global.threads = stored->threads;
    PTQ_ASSIGN_OR_RETURN(workspace, OpenWorkspace(global));
  }
  const method::Registry registry = Methods();
  PTQ_ASSIGN_OR_RETURN(const ExperimentSpec spec,
                       ParseSpec(stored->spec_text, "the stored spec " + stored->experiment));
  PTQ_ASSIGN_OR_RETURN(const std::vector<Trial> trials, ResolveTrials(spec, registry, workspace));
  PTQ_ASSIGN_OR_RETURN(const Trial trial, FindAgain(*stored, trials));
  InstallStopHandler();
  TerminalProgress progress;
  progress.SetTask(trial.Describe());
  ModelLoader models;
  PictureCache pictures;
  PTQ_ASSIGN_OR_RETURN(const results::TrialRecord now, RunTrial(trial, spec, models, pictures, nullptr, progress,
                                                                summary.float_top1_fraction, nullptr));
  Print(trial, *stored, now);
  return static_cast<int>(CompareAttempts(*stored, now).matches() ? kExitDone : kExitTrialFailed);
}

}  // namespace

int Reproduce(const GlobalFlags& global, const std::string& key) { return Finish(ReproduceChecked(global, key)); }

}  // namespace ptq::experiments::cli
