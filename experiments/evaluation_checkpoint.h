// evaluation_checkpoint.h: the answers of an evaluation that was stopped, so that it goes on from its last batch.
#pragma once

#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/method/plan.h"
#include "experiments/trial.h"
#include "results/checkpoint_store.h"
#include "results/trial_record.h"

namespace ptq::experiments {

// SHA-256 of everything that an image's stored answer depends on: the trial, the plan that runs, and the program.
std::string EvaluationScope(const Trial& trial, const method::Plan& plan);

class EvaluationCheckpoint {
 public:
  // `store` outlives this object; null keeps nothing.  owner: the trial's key.
  EvaluationCheckpoint(results::CheckpointStore* store, std::string scope, std::string owner)
      : store_(store), scope_(std::move(scope)), owner_(std::move(owner)) {}

  // The answers for the first images, as many as were kept without a gap; whole batches of the evaluation that kept
  // them.  Errors: those of the store.
  Result<std::vector<results::Prediction>> Find();
  // Keeps what `all` holds beyond what was found or kept before, with the seconds that it took.
  Status Keep(const std::vector<results::Prediction>& all, double seconds);
  // How many images' answers are kept, and what they had cost.
  size_t kept() const { return kept_; }
  double saved_seconds() const { return saved_seconds_; }
  // The trial is done: nobody needs them any more.
  Status Drop();

 private:
  results::CheckpointStore* store_;
  std::string scope_, owner_;
  size_t kept_ = 0;
  double saved_seconds_ = 0;
};

}  // namespace ptq::experiments
