// progress.h: how long work tells how far it is, and how it learns that it should stop.
//
// The library calls this interface; the command line draws it (experiments/terminal_progress.h).  Calls come from one
// thread at a time.
#pragma once

#include <cstdint>
#include <string>

namespace ptq {

class Progress {
 public:
  virtual ~Progress() = default;
  // A stage of `total` steps begins ("calibrate blocks", "evaluate images"); it replaces an unfinished one.
  virtual void Begin(const std::string& label, int64_t total) = 0;
  virtual void Advance(int64_t steps) = 0;
  // What the current step works on ("blocks.3.mlp.fc1"), shown beside the stage's label until the next one.
  virtual void Detail(const std::string& detail) { (void)detail; }
  virtual void End() = 0;
  // True once the user asked to stop: the work returns Interrupted at its next safe point.
  virtual bool stop_requested() const = 0;
};

// Draws nothing and never stops.
class NullProgress final : public Progress {
 public:
  void Begin(const std::string&, int64_t) override {}
  void Advance(int64_t) override {}
  void End() override {}
  bool stop_requested() const override { return false; }
};

}  // namespace ptq
