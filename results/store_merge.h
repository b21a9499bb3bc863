// store_merge.h: the rows of one results file added to another.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"

namespace ptq::results {

struct MergeSummary {
  int64_t trials_added = 0, trials_kept = 0;  // kept: the target has the trial already, and its row stays as it is
  int64_t latencies_added = 0, sensitivities_added = 0;
};

// Adds to `target` (made where absent) the trials of `source` that it lacks, with all that belongs to them, in one
// transaction and in the order in which they were stored; `source` is only read.  A trial is there already where the
// target has a done row of its key, or a row of its key with the same outcome and times; its latency comparisons are
// added all the same, and so are sensitivity studies that the target lacks.  Errors: those of Store::Open;
// InvalidArgument (both are one file; a data set of one name and hash has other images in either file); Unsupported
// (the source has an older schema).  After an error the target is as it was.
Result<MergeSummary> MergeResults(const std::string& target, const std::string& source);

}  // namespace ptq::results
