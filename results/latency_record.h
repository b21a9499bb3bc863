// latency_record.h: float32 against integer kernels on one model, as the table latency_comparison keeps it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "results/statistics.h"
#include "results/store.h"

namespace ptq::results {

// Times of one forward pass of the whole batch, in nanoseconds.
struct TimeSample {
  std::vector<int64_t> ns;  // in the order of measurement
  double median_ns = 0, p5_ns = 0, p95_ns = 0;
};

// The sample with its figures.  Not empty.
TimeSample Summarize(std::vector<int64_t> ns);

// How one op of the integer side ran.
struct KernelUse {
  std::string op;  // "blocks.3.attn.qkv"
  bool integer = false;
  std::string kernel;
  int64_t multiply_accumulates = 0;  // of one image
};

struct LatencyRecord {
  std::string trial_key;              // of a stored done trial; empty: measured by itself
  std::string model, weights_sha256;  // "random SEED" for weights that were drawn
  std::string plan_sha256;            // of the plan file's bytes
  std::string plan_text;              // method and scheme on one line
  HostRecord host;
  BuildRecord build;
  int64_t batch = 1, threads = 1;
  std::string instruction_set;     // "avx512_vnni"
  std::string affinity;            // the CPUs that the process might run on: "0-1"
  double int8_coverage = 0;        // share of the multiply-accumulates that ran in integers
  int64_t warmup_runs = 0;         // of the side with fewer
  TimeSample float32, integer;     // element i of both: the same round
  double ratio = 0;                // float32 median / integer median
  Interval ratio_interval;         // 95 %, MedianRatioInterval
  double clock_drift = 0;          // relative; above kMaxClockDrift the row is not to be trusted
  std::vector<KernelUse> kernels;  // in the order of execution
  std::string finished_utc;
};

constexpr double kMaxClockDrift = 0.05;

}  // namespace ptq::results
