// latency_table.h: float32 against integer times as a table.
#pragma once

#include <string>
#include <vector>

#include "results/latency_record.h"

namespace ptq::results {

// One line: what was timed, in a reader's words, and the times.
struct LatencyRow {
  std::string model;  // "DeiT-T"
  std::string plan;   // "MinMax 8/8"
  LatencyRecord record;
};

enum class LatencyFormat { kText, kMarkdown };

// Columns: model, plan, batch, threads, float32 and int8 milliseconds of one forward pass ("median [p5, p95]"), their
// ratio ("1.84 [1.80, 1.88]": above 1 int8 is faster), images per second of both, share of the multiply-accumulates
// that ran in int8, and the clock's drift in percent, with a "!" above kMaxClockDrift.  Below: where it ran, and what
// the columns are.
std::string RenderLatency(const std::vector<LatencyRow>& rows, LatencyFormat format);

}  // namespace ptq::results
