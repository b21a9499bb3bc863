#include "experiments/latency.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>

#include "core/base/check.h"
#include "results/statistics.h"

namespace ptq::experiments {
namespace {

constexpr int64_t kSpinAdditions = 6'000'000;
constexpr int64_t kProgressSteps = 100;

// Puts back the number of threads that it found.
class ThreadCount {
 public:
  ThreadCount() : before_(at::get_num_threads()) {}
  ~ThreadCount() { at::set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  const int before_;
};

class Measurement {
 public:
  Measurement(exec::Executor& float32, exec::Executor& integer, const at::Tensor& images,
              const LatencyProtocol& protocol, const LatencyClock& clock, Progress& progress)
      : float32_(float32),
        integer_(integer),
        images_(images),
        protocol_(protocol),
        clock_(clock),
        progress_(progress) {}

  Result<PairedTimes> Run() {
    const ThreadCount restored;
    PTQ_RETURN_IF_ERROR(WarmUp());
    PTQ_RETURN_IF_ERROR(Rounds());
    return std::move(times_);
  }

 private:
  Result<int64_t> Time(exec::Executor& executor) {
    at::set_num_threads(protocol_.threads);
    const int64_t start = clock_.now_ns();
    const at::Tensor logits = executor.Run(images_);
    const int64_t end = clock_.now_ns();
    if (progress_.stop_requested()) {
      return Interrupted("stopped while latency was measured");
    }
    return end - start;
  }

  // Of one side.
  struct WarmUpState {
    exec::Executor* executor;
    int64_t runs = 0, ns = 0;
  };

  double WarmUpShare(const WarmUpState& state) const {
    return std::min(Share(state.runs, protocol_.warmup_runs), Share(state.ns, protocol_.warmup_seconds * 1e9));
  }

  // In turns; a side that is warm leaves the rest to the other.
  Status WarmUp() {
    progress_.Begin("warm up", kProgressSteps);
    WarmUpState sides[2] = {{&float32_}, {&integer_}};
    int64_t shown = 0;
    double share = 0;
    while (share < 1) {
      for (WarmUpState& side : sides) {
        if (WarmUpShare(side) < 1) {
          PTQ_ASSIGN_OR_RETURN(const int64_t ns, Time(*side.executor));
          side.ns += ns;
          ++side.runs;
        }
      }
      share = std::min(WarmUpShare(sides[0]), WarmUpShare(sides[1]));
      Show(share, shown);
    }
    times_.warmup_runs = std::min(sides[0].runs, sides[1].runs);
    progress_.End();
    return OkStatus();
  }

  Status Rounds() {
    progress_.Begin("time", kProgressSteps);
    const int64_t begin = clock_.now_ns();
    int64_t shown = 0;
    Spin();
    for (int64_t round = 0;; ++round) {
      const double elapsed = static_cast<double>(clock_.now_ns() - begin);
      const double enough = std::max(Share(elapsed, protocol_.seconds * 1e9), Share(round, protocol_.max_rounds));
      Show(std::min(enough, Share(round, protocol_.min_rounds)), shown);
      if (round >= protocol_.min_rounds && enough >= 1) {
        break;
      }
      const bool float_first = round % 2 == 0;
      PTQ_ASSIGN_OR_RETURN(const int64_t first, Time(float_first ? float32_ : integer_));
      PTQ_ASSIGN_OR_RETURN(const int64_t second, Time(float_first ? integer_ : float32_));
      times_.float_ns.push_back(float_first ? first : second);
      times_.integer_ns.push_back(float_first ? second : first);
      Spin();
    }
    progress_.End();
    return OkStatus();
  }

  void Spin() {
    const int64_t start = clock_.now_ns();
    clock_.spin();
    times_.spin_ns.push_back(clock_.now_ns() - start);
  }

  static double Share(double done, double goal) { return goal > 0 ? done / goal : 1; }

  // Advances the bar to `share` of its length.
  void Show(double share, int64_t& shown) {
    const auto steps = static_cast<int64_t>(std::min(share, 1.0) * kProgressSteps);
    if (steps > shown) {
      progress_.Advance(steps - shown);
      shown = steps;
    }
  }

  exec::Executor& float32_;
  exec::Executor& integer_;
  const at::Tensor& images_;
  const LatencyProtocol& protocol_;
  const LatencyClock& clock_;
  Progress& progress_;
  PairedTimes times_;
};

}  // namespace

LatencyClock SteadyLatencyClock() {
  LatencyClock clock;
  clock.now_ns = [] {
    return static_cast<int64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
            .count());
  };
  clock.spin = [] {
    uint64_t sum = 0;
    for (int64_t i = 0; i < kSpinAdditions; ++i) {
      sum += 1;
      asm volatile("" : "+r"(sum));  // one addition after the other, none folded
    }
  };
  return clock;
}

Result<PairedTimes> MeasureLatency(exec::Executor& float32, exec::Executor& integer, const at::Tensor& images,
                                   const LatencyProtocol& protocol, const LatencyClock& clock, Progress& progress) {
  return Measurement(float32, integer, images, protocol, clock, progress).Run();
}

double ClockDrift(const std::vector<int64_t>& spin_ns) {
  PTQ_CHECK(!spin_ns.empty());
  const auto third = static_cast<std::ptrdiff_t>(std::max<size_t>(spin_ns.size() / 3, 1));
  const double first = results::Quantile({spin_ns.begin(), spin_ns.begin() + third}, 0.5);
  const double last = results::Quantile({spin_ns.end() - third, spin_ns.end()}, 0.5);
  return std::max(first, last) / std::min(first, last) - 1;
}

}  // namespace ptq::experiments
