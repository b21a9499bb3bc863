// latency.h: how float32 and integer kernels are timed against each other; in prose: docs/latency.md.
//
// Both sides run in one process on the same images, in rounds of one run each, and every other round begins with the
// other side, so that what changes with time (heat, neighbours, the clock) falls on both alike.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "core/base/error.h"
#include "core/base/progress.h"
#include "core/exec/executor.h"

namespace ptq::experiments {

// How time passes; tests bring their own.
struct LatencyClock {
  std::function<int64_t()> now_ns;  // does not go backwards
  std::function<void()> spin;       // work of fixed length on one core, some 2 ms, that touches no memory
};
LatencyClock SteadyLatencyClock();

struct LatencyProtocol {
  int threads = 1;  // of both sides
  // Each side runs unrecorded until both limits are reached.
  int64_t warmup_runs = 5;
  double warmup_seconds = 0.5;
  // Rounds go on until there are min_rounds and either `seconds` have passed or there are max_rounds.
  int64_t min_rounds = 21, max_rounds = 301;
  double seconds = 3;
};

struct PairedTimes {
  int64_t warmup_runs = 0;                    // of the side with fewer
  std::vector<int64_t> float_ns, integer_ns;  // element i of both: round i
  std::vector<int64_t> spin_ns;               // before the first round, and after each
};

// LibTorch and OpenMP have protocol.threads threads during the rounds, set outside the timed part, and afterwards as
// many as before.  Errors: Interrupted.
Result<PairedTimes> MeasureLatency(exec::Executor& float32, exec::Executor& integer, const at::Tensor& images,
                                   const LatencyProtocol& protocol, const LatencyClock& clock, Progress& progress);

// How much the clock changed: of the medians of the first and the last third of the spins, the longer over the shorter,
// less 1.  spin_ns: not empty.
double ClockDrift(const std::vector<int64_t>& spin_ns);

}  // namespace ptq::experiments
