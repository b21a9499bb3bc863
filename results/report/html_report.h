// html_report.h: a table and all that is known of its trials as one HTML page.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "results/sensitivity_record.h"
#include "results/table.h"
#include "results/trial_record.h"

namespace ptq::results {

struct Report {
  Table table;
  std::map<std::string, TrialRecord> trials;     // of the table's rows, by trial_key; predictions are not read
  std::vector<SensitivityRecord> sensitivities;  // of the table's models
  std::string spec_text;
  std::string created_utc;  // ISO 8601
};

// One self-contained page: markup, style, script, Chart.js and the data in one text, which asks for no other file and
// reads well from a disk.  Without scripts it shows the table as text.
//
// The data stand as JSON in the element with the id "report-data".  Names are stable and new ones may come; what was
// not measured is null; accuracies are fractions; places count from 0:
//   schema_version 1, title, created_utc, spec_text, latencies_missing
//   rows[]      model, dataset, method, bits ("6/6 MP"), w_bits, a_bits, mixed, status ("measured", "failed",
//               "unsupported", "not_run"), published {top1_fraction, source, confidence, elsewhere}, top1_fraction,
//               top1_sd_fraction, interval [low, high], standing ("best", "tied"), adjusted_p, change_fraction,
//               verdict, verdict_reason, min_images, images, seeds, seeds_asked, size_bytes, paper_size_bytes,
//               calibrate_seconds, grids, simulated_only[], notes{}, remark, warning, reasons[], caveats[], collapsed,
//               uncommitted,
//               latencies[] {batch, threads, runs, float_median_ns, float_p5_ns, float_p95_ns, integer_median_ns,
//               integer_p5_ns, integer_p95_ns, ratio, ratio_low, ratio_high, int8_coverage, clock_drift, drifting,
//               instruction_set, affinity, host}, trials[] {trial_key, seed, status, reason, images, top1_fraction,
//               float_top1_fraction, revision}
//   trials{}    by trial_key the fields of TrialRecord without images, predictions and scales, and in their stead
//               dataset and calibration {name, manifest_sha256, images}; host, build, spec, plan: places in the lists
//               below, plan null where nothing is quantized
//   hosts[], builds[]  the fields of HostRecord and BuildRecord
//   specs[]     texts
//   plans[]     operands[] and norm_inputs[] {op, side, grid, num_bits, granularity, channel_bits [lowest, highest] or
//               null}
//   sensitivities[]  the fields of SensitivityRecord, with title (the model's, as in rows), dataset and calibration as
//               in trials, and cells[] {unit, num_bits, signal_to_noise_db, changed, top1_correct}
std::string RenderHtml(const Report& report);

}  // namespace ptq::results
