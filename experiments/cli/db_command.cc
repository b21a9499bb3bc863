// `ptqbench db merge|export`: results files as a whole.  (`db check` is `verify results`.)
#include <cstdio>

#include "data/files/sha256.h"
#include "experiments/cli/session.h"
#include "results/store.h"
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
  std::printf("%lld trials added, %lld there before, %lld latency comparisons added\n",
              static_cast<long long>(merged.trials_added), static_cast<long long>(merged.trials_kept),
              static_cast<long long>(merged.latencies_added));
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

}  // namespace

int DbMerge(const std::string& target, const std::string& source) { return Finish(MergeChecked(target, source)); }
int DbExport(const GlobalFlags& global, const std::string& format) { return Finish(ExportChecked(global, format)); }

}  // namespace ptq::experiments::cli
