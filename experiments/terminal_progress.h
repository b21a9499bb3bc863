// terminal_progress.h: progress on stderr: a bar with the time left on a terminal, sparse lines elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "core/base/progress.h"

namespace ptq::experiments {

// The first Ctrl-C (or SIGTERM) asks the work to stop at its next safe point, the second ends the process.
void InstallStopHandler();
bool StopRequested();

// Where a stage of work stands.
struct ProgressState {
  std::string task, label, detail;  // detail: what the current step works on; may be empty
  int64_t total = 1, done = 0;
  double elapsed_seconds = 0;
  bool ended = false;
};

// "TASK: search blocks.3.mlp.fc1 4120/50000, ETA 1m02s"; at the end "TASK: search 50000/50000, took 9m30s".
std::string ProgressLine(const ProgressState& state);
// The same as a bar of at most `width` columns; a task that leaves no room for the rest is cut.
std::string ProgressBar(const ProgressState& state, size_t width);

class TerminalProgress final : public Progress {
 public:
  // What every line begins with: "[3/14] micro_vit on embedded_test, percentile W8A8".
  void SetTask(const std::string& task);

  void Begin(const std::string& label, int64_t total) override;
  void Advance(int64_t steps) override;
  void Detail(const std::string& detail) override;
  void End() override;
  bool stop_requested() const override { return StopRequested(); }

 private:
  using Clock = std::chrono::steady_clock;
  void DrawIfDue();
  void Draw(bool last);

  ProgressState state_;
  Clock::time_point start_, drawn_;
};

}  // namespace ptq::experiments
