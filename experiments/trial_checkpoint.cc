#include "experiments/trial_checkpoint.h"

#include <chrono>
#include <utility>

namespace ptq::experiments {
namespace {

double SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

TrialCheckpoint::TrialCheckpoint(results::CheckpointStore* store, std::string scope, std::string owner, Seconds clock)
    : store_(store),
      scope_(std::move(scope)),
      owner_(std::move(owner)),
      clock_(clock ? std::move(clock) : SteadySeconds),
      last_call_(clock_()) {}

Result<std::optional<std::string>> TrialCheckpoint::Find(const std::string& key) {
  std::optional<std::string> value;
  if (store_ != nullptr) {
    Result<std::optional<results::CheckpointStore::Kept>> found = store_->Find(scope_, key);
    if (!found.ok()) {
      status_ = status_.ok() ? Status(found.error()) : status_;
      return found.error();
    }
    if (*found) {
      saved_seconds_ += (*found)->seconds;
      value = std::move((*found)->value);
    }
  }
  last_call_ = clock_();
  return value;
}

Status TrialCheckpoint::Keep(const std::string& key, const std::string& value) {
  if (store_ != nullptr) {
    const Status kept = store_->Keep(scope_, key, {value, clock_() - last_call_}, owner_);
    status_ = status_.ok() ? kept : status_;
    PTQ_RETURN_IF_ERROR(kept);
  }
  last_call_ = clock_();
  return OkStatus();
}

}  // namespace ptq::experiments
