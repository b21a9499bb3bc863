// table.h: a table of measured accuracies beside the published ones.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "results/latency_record.h"
#include "results/published_values.h"
#include "results/store.h"

namespace ptq::results {

// A row among the quantized rows of its model, data set and widths that were measured on the same images.
enum class Standing {
  kNone,  // it is alone there, or nothing was measured
  kTied,  // cannot be told from the best one: the paired 95 % interval of their difference holds 0
  kBest,  // the best one, and no other is tied with it
};
const char* Name(Standing standing);  // "", "tied", "best"

// One line: a configuration, its trials (one per seed), and the published value where one exists.
struct TableRow {
  std::string model;    // title: "DeiT-S"
  std::string dataset;  // title: "ImageNet"; for a subset its own title
  std::string method;   // title: "FP32", "Percentile"
  int w_bits = 32, a_bits = 32;
  bool mixed = false;
  std::optional<PublishedRow> published;
  bool published_elsewhere = false;  // not in the table's own source; its source is then named below the table
  std::vector<TrialSummary> trials;  // measured; empty where nothing ran
  std::string not_run;               // why nothing ran: what is missing and the mend; empty where trials exist
  std::optional<Interval> interval;  // of the accuracy, 95 %: Wilson's of one trial, over seeds and images of several
  Standing standing = Standing::kNone;
  // Of being as good as the best row there: McNemar's exact p, or over several seeds a sign-flip p of the images;
  // adjusted for all such comparisons of the table (Holm).  Absent of the best itself and where there is no standing.
  std::optional<double> adjusted_p;
  // What the published figure and the measured one say of each other: "agrees", "higher", "lower", "not comparable";
  // empty: nothing is published of this row, or nothing measured.  The reason is one sentence.
  std::string verdict, verdict_reason;
  std::string warning;  // why its numbers are not to be trusted, one sentence; empty: nothing is known against them
  std::vector<LatencyRecord> latencies;  // one for each setting that was timed, in the order of the spec
};

struct Table {
  std::string title;
  std::vector<TableRow> rows;     // in print order; a rule is drawn where (model, dataset) changes
  int64_t latencies_missing = 0;  // settings that the spec asks for and nobody timed
};

enum class TableFormat { kText, kMarkdown, kCsv, kJson, kLatex };
Result<TableFormat> ParseTableFormat(const std::string& name);  // "table", "markdown", "csv", "json", "latex"

// Columns: model, dataset, method, W/A ("8/8", "6/6 MP"), published %, measured % (mean, and "+- sd" over seeds where
// there are several), its 95 % interval with the row's standing ("*" best, "~" tied), adjusted p, change against
// float32 on the same images in points, images, seeds ("2 of 3" where one failed), size MB (true bytes), paper MB (as
// Liu et al. 2021 count), calibration seconds, and of a quantized model whether integer kernels could run its grids
// ("int"), one of them exists in simulation alone ("sim"), or integer kernels did run it ("int8").  A row with nothing
// measured shows
// "-", "failed" or "unsupported" and the number of a note below the table, which says why; the notes of a measured
// row's plans are shown in the same way, equal values of several seeds once, numbers as an interval.  Equal texts share
// one number. Accuracies on a subset are never printed in one row with a published full-validation figure: the caller
// leaves `published` empty there.  Rows with a verdict
// stand in a table of their own below, the paper beside ours.  LaTeX is a whole document with booktabs' rules; times
// are not in it.  Where something was timed, text and Markdown have a second table (latency_table.h),
// JSON has "latencies" in each row, and CSV has the row's first setting in further columns.  JSON carries
// "schema_version": 1 and fractions, not percent.  CSV: RFC 4180 with a header; columns keep their places and new ones
// come at the end.
std::string Render(const Table& table, TableFormat format);

}  // namespace ptq::results
