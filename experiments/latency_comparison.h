// latency_comparison.h: a model in float32 against the same model under a plan on integer kernels, as a record.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/progress.h"
#include "core/exec/integer/integer_executor.h"
#include "core/method/plan.h"
#include "core/vit/model.h"
#include "experiments/latency.h"
#include "experiments/spec.h"
#include "results/latency_record.h"

namespace ptq::experiments {

// What is timed, and how.
struct LatencySubject {
  std::string trial_key;  // empty: of no trial
  std::string model;      // catalogue name
  std::string weights_sha256;
  std::string plan_sha256;
  LatencySetting setting;
  exec::InstructionSet set = exec::BestInstructionSet();
};

// The hash of the bytes that experiments/plan_file would write.
std::string PlanSha256(const method::Plan& plan);

// Both sides of a comparison.
struct ExecutorPair {
  std::unique_ptr<exec::Executor> float32;
  std::unique_ptr<exec::IntegerExecutor> integer;
};
// Errors: those of the executors' makers.
Result<ExecutorPair> MakeExecutors(const vit::VitModel& model, const method::Plan& plan, const LatencySubject& subject);

// (count, channels, S, S), standard normal, a pure function of its arguments: what is timed and calibrated on where
// there are no pictures.  Times do not depend on what a picture shows.
at::Tensor RandomImages(const vit::VitConfig& config, int64_t count);

// Times the pair and describes the outcome.  `protocol`'s threads are replaced by the subject's.
// Errors: Interrupted; Internal with the message of what LibTorch or oneDNN threw.
Result<results::LatencyRecord> CompareLatency(const ExecutorPair& pair, const vit::VitConfig& config,
                                              const method::Plan& plan, const LatencySubject& subject,
                                              const LatencyProtocol& protocol, Progress& progress);

// Seconds of one integer run by class of work, longest first.
using WorkTimes = std::vector<std::pair<std::string, double>>;
WorkTimes ProfileInteger(exec::IntegerExecutor& integer, const at::Tensor& images, int threads);

// "linear 61 %, softmax 20 %, ...", at most `count` classes.
std::string SharesText(const WorkTimes& times, size_t count);

// One sentence on why integer kernels do not win; empty where they do.
std::string WhyNotFaster(const results::LatencyRecord& record, const WorkTimes& times);

}  // namespace ptq::experiments
