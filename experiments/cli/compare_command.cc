// `ptqbench compare A B`: two stored trials on the same images.
#include <cstdio>

#include "experiments/cli/session.h"
#include "experiments/cli/trial_lookup.h"
#include "results/comparison.h"
#include "results/comparison_text.h"
#include "results/store.h"

namespace ptq::experiments::cli {
namespace {

Result<results::EvaluatedTrial> ReadTrial(const results::Store& store, const std::string& key) {
  PTQ_ASSIGN_OR_RETURN(const results::TrialSummary trial, FindTrial(store, key));
  return results::ReadEvaluated(store, trial.trial_key);
}

Result<int> CompareChecked(const GlobalFlags& global, const CompareFlags& flags) {
  PTQ_ASSIGN_OR_RETURN(const results::ComparisonFormat format, results::ParseComparisonFormat(flags.format));
  PTQ_ASSIGN_OR_RETURN(const Workspace workspace, OpenWorkspace(global));
  PTQ_ASSIGN_OR_RETURN(const results::Store store,
                       results::Store::Open(workspace.database(), results::Store::Mode::kReadOnly));
  PTQ_ASSIGN_OR_RETURN(const results::EvaluatedTrial a, ReadTrial(store, flags.a));
  PTQ_ASSIGN_OR_RETURN(const results::EvaluatedTrial b, ReadTrial(store, flags.b));
  PTQ_ASSIGN_OR_RETURN(const results::Comparison comparison, results::Compare(a, b));
  const std::string text = results::Render(comparison, format);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return static_cast<int>(kExitDone);
}

}  // namespace

int Compare(const GlobalFlags& global, const CompareFlags& flags) { return Finish(CompareChecked(global, flags)); }

}  // namespace ptq::experiments::cli
