// terminal_progress.h: progress on stderr: a bar with the time left on a terminal, sparse lines elsewhere.
#pragma once

#include <chrono>
#include <string>

#include "core/base/progress.h"

namespace ptq::experiments {

// The first Ctrl-C (or SIGTERM) asks the work to stop at its next safe point, the second ends the process.
void InstallStopHandler();
bool StopRequested();

class TerminalProgress final : public Progress {
 public:
  // What every line begins with: "[3/14] micro_vit on embedded_test, percentile W8A8".
  void SetTask(const std::string& task);

  void Begin(const std::string& label, int64_t total) override;
  void Advance(int64_t steps) override;
  void End() override;
  bool stop_requested() const override { return StopRequested(); }

 private:
  using Clock = std::chrono::steady_clock;
  void Draw(bool last);

  std::string task_, label_;
  int64_t total_ = 0, done_ = 0;
  Clock::time_point start_, drawn_;
};

}  // namespace ptq::experiments
