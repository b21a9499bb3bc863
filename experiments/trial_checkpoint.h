// trial_checkpoint.h: the finished parts of one trial's calibration, in a results::CheckpointStore.
#pragma once

#include <functional>
#include <string>

#include "core/base/checkpoint.h"
#include "results/checkpoint_store.h"

namespace ptq::experiments {

// Keeps with each part what it cost: the time between the call before and its Keep.  So a calibration that finds parts
// can still tell what it costs without them.
class TrialCheckpoint final : public Checkpoint {
 public:
  using Seconds = std::function<double()>;  // since any fixed moment

  // `store` outlives this object; null keeps nothing.  scope: CheckpointScope (trial.h).  owner: the trial's key, empty
  // where there is no trial.  clock: empty for the steady clock of the system.
  TrialCheckpoint(results::CheckpointStore* store, std::string scope, std::string owner, Seconds clock = nullptr);

  Result<std::optional<std::string>> Find(const std::string& key) override;
  Status Keep(const std::string& key, const std::string& value) override;

  // What the parts that were found had cost when they were made.
  double saved_seconds() const { return saved_seconds_; }
  // The first failure of the store: the trial's outcome says nothing about its method then.
  const Status& status() const { return status_; }

 private:
  results::CheckpointStore* store_;
  std::string scope_, owner_;
  Seconds clock_;
  double last_call_ = 0, saved_seconds_ = 0;
  Status status_;
};

}  // namespace ptq::experiments
