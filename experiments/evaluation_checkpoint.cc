#include "experiments/evaluation_checkpoint.h"

#include <cstring>
#include <optional>

#include "data/files/sha256.h"
#include "experiments/latency_comparison.h"
#include "experiments/system_info.h"

namespace ptq::experiments {
namespace {

// A file of this machine alone: bytes as they lie in memory.
constexpr size_t kBytes = sizeof(results::Prediction::top);

std::string ToBytes(const results::Prediction* begin, size_t count) {
  std::string bytes(count * kBytes, '\0');
  for (size_t i = 0; i < count; ++i) std::memcpy(&bytes[i * kBytes], begin[i].top.data(), kBytes);
  return bytes;
}

}  // namespace

std::string EvaluationScope(const Trial& trial, const method::Plan& plan) {
  return data::Sha256("ptqbench evaluation 1\n" + trial.key + "\n" + PlanSha256(plan) + "\n" + ProgramIdentity());
}

Result<std::vector<results::Prediction>> EvaluationCheckpoint::Find() {
  std::vector<results::Prediction> found;
  while (store_ != nullptr) {
    PTQ_ASSIGN_OR_RETURN(const std::optional<results::CheckpointStore::Kept> kept,
                         store_->Find(scope_, std::to_string(found.size())));
    if (!kept || kept->value.empty() || kept->value.size() % kBytes != 0) break;
    for (size_t at = 0; at < kept->value.size(); at += kBytes) {
      results::Prediction prediction;
      std::memcpy(prediction.top.data(), kept->value.data() + at, kBytes);
      found.push_back(prediction);
    }
    saved_seconds_ += kept->seconds;
  }
  kept_ = found.size();
  return found;
}

Status EvaluationCheckpoint::Keep(const std::vector<results::Prediction>& all, double seconds) {
  if (store_ == nullptr || all.size() == kept_) return OkStatus();
  const std::string bytes = ToBytes(all.data() + kept_, all.size() - kept_);
  PTQ_RETURN_IF_ERROR(store_->Keep(scope_, std::to_string(kept_), {bytes, seconds}, owner_));
  kept_ = all.size();
  return OkStatus();
}

Status EvaluationCheckpoint::Drop() { return store_ == nullptr ? OkStatus() : store_->Drop(scope_); }

}  // namespace ptq::experiments
