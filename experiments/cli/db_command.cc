// `ptqbench db merge|export|gc`, `ptqbench checklist`: results files as a whole.  (`db check` is `verify results`.)
#include <cstdio>
#include <filesystem>
#include <set>

#include "data/files/sha256.h"
#include "experiments/cli/session.h"
#include "results/checklist.h"
#include "results/store.h"
#include "results/store_compact.h"
#include "results/store_export.h"
#include "results/store_merge.h"

namespace ptq::experiments::cli {
namespace {

Result<int> MergeChecked(const std::string& target, const std::string& source) {
  {
    PTQ_ASSIGN_OR_RETURN(const results::Store store, results::Store::Open(source, results::Store::Mode::kReadOnly));
    PTQ_ASSIGN_OR_RETURN(const std::vector<std::string> problems, store.Verify(data::Sha256));
    if (!problems.empty()) {
      return Corrupt("is not in order and was not merged: " + problems.front(), source);
    }
  }
  PTQ_ASSIGN_OR_RETURN(const results::MergeSummary merged, results::MergeResults(target, source));
  std::printf("%lld trials added, %lld there before, %lld latency comparisons and %lld sensitivity studies added\n",
              static_cast<long long>(merged.trials_added), static_cast<long long>(merged.trials_kept),
              static_cast<long long>(merged.latencies_added), static_cast<long long>(merged.sensitivities_added));
  return static_cast<int>(kExitDone);
}

Result<int> ExportChecked(const GlobalFlags& global, const std::string& format) {
  PTQ_ASSIGN_OR_RETURN(const Workspace workspace, OpenWorkspace(global));
  PTQ_ASSIGN_OR_RETURN(const std::string text, results::ExportTrials(workspace.database(), format));
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return IoError("the export could not be written whole; make room where the output goes", workspace.database());
  }
  return static_cast<int>(kExitDone);
}

int64_t FileBytes(const std::string& path) {
  std::error_code absent;
  const auto bytes = std::filesystem::file_size(path, absent);
  return absent ? 0 : static_cast<int64_t>(bytes);
}

// Of the results file and the checkpoint file, with what SQLite keeps beside them.
int64_t AllBytes(const std::string& database) {
  int64_t bytes = 0;
  for (const char* part : {"", "-wal", ".calibration", ".calibration-wal"}) {
    bytes += FileBytes(database + part);
  }
  return bytes;
}

Result<int> GcChecked(const GlobalFlags& global) {
  PTQ_ASSIGN_OR_RETURN(const Workspace workspace, OpenWorkspace(global));
  const std::string& path = workspace.database();
  const int64_t before = AllBytes(path);
  std::set<std::string> done;
  {
    PTQ_ASSIGN_OR_RETURN(const results::Store store, results::Store::Open(path, results::Store::Mode::kReadOnly));
    PTQ_ASSIGN_OR_RETURN(const std::vector<results::TrialSummary> trials, store.Trials());
    for (const results::TrialSummary& trial : trials) {
      if (trial.status == results::TrialStatus::kDone) {
        done.insert(trial.trial_key);
      }
    }
  }
  PTQ_ASSIGN_OR_RETURN(std::optional<results::CheckpointStore> checkpoints, OpenCheckpoints(workspace, false));
  PTQ_ASSIGN_OR_RETURN(const results::CheckpointStore::Cleaned cleaned,
                       checkpoints->Clean([&done](const std::string& key) { return done.count(key) != 0; }));
  PTQ_RETURN_IF_ERROR(results::CompactResults(path));
  std::printf("%lld kept parts of calibrations and evaluations dropped, %lld left for trials that are not done\n",
              static_cast<long long>(cleaned.dropped), static_cast<long long>(cleaned.left));
  std::printf("%.1f MB before, %.1f MB now; %zu done trials as before\n", before / 1e6, AllBytes(path) / 1e6,
              done.size());
  return static_cast<int>(kExitDone);
}

Result<int> ChecklistChecked(const GlobalFlags& global) {
  PTQ_ASSIGN_OR_RETURN(const Workspace workspace, OpenWorkspace(global));
  PTQ_ASSIGN_OR_RETURN(const std::string text, results::Checklist(workspace.database()));
  std::fwrite(text.data(), 1, text.size(), stdout);
  return static_cast<int>(kExitDone);
}

}  // namespace

int DbGc(const GlobalFlags& global) { return Finish(GcChecked(global)); }
int Checklist(const GlobalFlags& global) { return Finish(ChecklistChecked(global)); }
int DbMerge(const std::string& target, const std::string& source) { return Finish(MergeChecked(target, source)); }
int DbExport(const GlobalFlags& global, const std::string& format) { return Finish(ExportChecked(global, format)); }

}  // namespace ptq::experiments::cli
