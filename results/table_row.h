// table_row.h: one table row reduced to the figures that every format prints; for the sources of tables and
// reports in this room.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "results/table.h"

namespace ptq::results {

enum class RowStatus { kMeasured, kFailed, kUnsupported, kNotRun };
const char* Name(RowStatus status);  // "measured", "failed", "unsupported", "not_run"

// What can run the grids of a row's plans.
// kNone: nothing measured, or nothing quantized; kRanInteger: they did run the row.
enum class RowGrids { kNone, kInteger, kSimulatedOnly, kRanInteger };
const char* Name(RowGrids grids);  // "", "integer", "simulated only", "int8"

struct RowFigures {
  RowStatus status = RowStatus::kNotRun;
  std::optional<double> published_fraction;  // only where it may be printed
  std::optional<double> measured_fraction;   // mean over done trials
  std::optional<double> measured_sd;         // sample standard deviation, from two done trials on
  std::optional<double> change_fraction;     // mean of measured minus float32 over done trials that have both
  int64_t min_images = 0, max_images = 0;    // of done trials
  int64_t done = 0;                          // trials
  std::optional<double> size_bytes, paper_size_bytes, calibrate_seconds;  // means over done trials
  RowGrids grids = RowGrids::kNone;
  std::vector<std::string> simulated_only;   // grids of the done trials that no integer kernel runs, ascending
  std::map<std::string, std::string> notes;  // of the done trials' plans, joined over seeds
  std::vector<std::string> reasons;          // of what was not measured, on one line each, no repetitions
  bool collapsed = false;                    // less than half of float32's accuracy
  bool uncommitted = false;                  // a done trial's program was built from sources that no commit has
  std::vector<std::string> caveats;          // of what was measured: why a figure beside it is absent
};

RowFigures Reduce(const TableRow& row);

// "8/8", "6/6 MP", "32/32".
std::string BitsLabel(const TableRow& row);

// "evaluations 412, p 2.9; simulated only: log2; by a program of uncommitted sources"; empty where there is nothing to
// say.
std::string PlanRemark(const RowFigures& figures);

// The renderings, without the choice between them.
std::string RenderText(const Table& table);
std::string RenderMarkdown(const Table& table);
std::string RenderCsv(const Table& table);
std::string RenderJson(const Table& table);
std::string RenderLatex(const Table& table);

}  // namespace ptq::results
