#include "results/latency_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "results/text_grid.h"

namespace ptq::results {
namespace {

// "3.21 [3.18, 3.40]", in milliseconds.
std::string Milliseconds(const TimeSample& sample) {
  return fmt::format("{:.2f} [{:.2f}, {:.2f}]", sample.median_ns / 1e6, sample.p5_ns / 1e6, sample.p95_ns / 1e6);
}

std::string ImagesPerSecond(const LatencyRecord& record, const TimeSample& sample) {
  return fmt::format("{:.1f}", static_cast<double>(record.batch) * 1e9 / sample.median_ns);
}

std::string Ratio(const LatencyRecord& record) {
  return fmt::format("{:.2f} [{:.2f}, {:.2f}]", record.ratio, record.ratio_interval.low, record.ratio_interval.high);
}

bool IsDrifting(const LatencyRecord& record) { return record.clock_drift > kMaxClockDrift; }

TextGrid MakeGrid(const std::vector<LatencyRow>& rows) {
  TextGrid grid;
  grid.header = {
      "model",       "plan",       "batch",  "threads", "float32 ms [p5, p95]", "int8 ms [p5, p95]", "x float",
      "float img/s", "int8 img/s", "int8 %", "drift %"};
  grid.first_right_aligned = 2;
  for (const LatencyRow& row : rows) {
    const LatencyRecord& record = row.record;
    if (!grid.rows.empty() && grid.rows.back()[0] != row.model) grid.rules.push_back(grid.rows.size());
    grid.rows.push_back({row.model, row.plan, fmt::format("{}", record.batch), fmt::format("{}", record.threads),
                         Milliseconds(record.float32), Milliseconds(record.integer), Ratio(record),
                         ImagesPerSecond(record, record.float32), ImagesPerSecond(record, record.integer),
                         fmt::format("{:.1f}", 100 * record.int8_coverage),
                         fmt::format("{:.1f}{}", 100 * record.clock_drift, IsDrifting(record) ? "!" : "")});
  }
  return grid;
}

// What stands below the table.
std::vector<std::string> Remarks(const std::vector<LatencyRow>& rows) {
  std::vector<std::string> remarks;
  const auto add_once = [&remarks](const std::string& remark) {
    if (std::find(remarks.begin(), remarks.end(), remark) == remarks.end()) remarks.push_back(remark);
  };
  bool drifting = false;
  for (const LatencyRow& row : rows) {
    const LatencyRecord& record = row.record;
    add_once(fmt::format("measured on: {}, {} logical cores, may run on CPUs {}; integer kernels: {}",
                         record.host.cpu_model.empty() ? "an unknown CPU" : record.host.cpu_model,
                         record.host.logical_cores, record.affinity, record.instruction_set));
    drifting = drifting || IsDrifting(record);
  }
  add_once("x float: float32 median / int8 median with its 95 % bootstrap interval; above 1 int8 is faster.");
  add_once("int8 %: share of the multiply-accumulates that ran in int8; the rest ran in float32.");
  if (drifting) {
    add_once(
        "drift %: !: the clock changed by more than 5 % while this row was measured; measure it again on a quiet "
        "machine.");
  }
  return remarks;
}

}  // namespace

std::string RenderLatency(const std::vector<LatencyRow>& rows, LatencyFormat format) {
  const TextGrid grid = MakeGrid(rows);
  const bool markdown = format == LatencyFormat::kMarkdown;
  std::string text = (markdown ? RenderMarkdownGrid(grid) : RenderGrid(grid)) + "\n";
  for (const std::string& remark : Remarks(rows)) text += (markdown ? "* " : "") + remark + "\n";
  return text;
}

}  // namespace ptq::results
