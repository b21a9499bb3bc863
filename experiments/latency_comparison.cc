#include "experiments/latency_comparison.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <exception>

#include "core/base/random.h"
#include "data/files/sha256.h"
#include "data/weights/safetensors.h"
#include "experiments/system_info.h"

namespace ptq::experiments {
namespace {

constexpr int kProfiledRuns = 3;
constexpr double kNearlyAll = 0.9;

std::string Percent(double fraction) { return std::to_string(std::lround(100 * fraction)) + " %"; }

std::string PlanLine(const method::Plan& plan) { return plan.method + " " + plan.scheme; }

std::vector<results::KernelUse> KernelsOf(const exec::IntegerExecutor& integer) {
  std::vector<results::KernelUse> kernels;
  for (const exec::OpExecution& op : integer.ops()) {
    kernels.push_back({op.op.name(), op.integer, op.kernel, op.multiply_accumulates});
  }
  return kernels;
}

results::LatencyRecord Describe(const ExecutorPair& pair, const method::Plan& plan, const LatencySubject& subject) {
  results::LatencyRecord record;
  record.trial_key = subject.trial_key;
  record.model = subject.model;
  record.weights_sha256 = subject.weights_sha256;
  record.plan_sha256 = subject.plan_sha256;
  record.plan_text = PlanLine(plan);
  record.host = ThisHost();
  record.build = ThisBuild();
  record.batch = subject.setting.batch;
  record.threads = subject.setting.threads;
  record.instruction_set = exec::Name(subject.set);
  record.affinity = UsableCpus();
  record.int8_coverage = pair.integer->int8_coverage();
  record.kernels = KernelsOf(*pair.integer);
  return record;
}

}  // namespace

std::string PlanSha256(const method::Plan& plan) {
  method::EncodedPlan encoded = method::Encode(plan);
  return data::Sha256(data::SerializeSafetensors({std::move(encoded.tensors), std::move(encoded.metadata)}));
}

Result<ExecutorPair> MakeExecutors(const vit::VitModel& model, const method::Plan& plan,
                                   const LatencySubject& subject) {
  ExecutorPair pair;
  PTQ_ASSIGN_OR_RETURN(pair.integer, exec::MakeIntegerExecutor(model, plan, {subject.set, subject.setting.threads}));
  PTQ_ASSIGN_OR_RETURN(pair.float32, exec::MakeSimulatedExecutor(model, method::Plan()));
  return pair;
}

at::Tensor RandomImages(const vit::VitConfig& config, int64_t count) {
  at::Tensor images = at::empty({count, config.channels, config.image_size, config.image_size}, at::kFloat);
  RandomStream random(0, "latency_images");
  float* pixels = images.data_ptr<float>();
  std::generate(pixels, pixels + images.numel(), [&random] { return static_cast<float>(random.NextNormal()); });
  return images;
}

Result<results::LatencyRecord> CompareLatency(const ExecutorPair& pair, const vit::VitConfig& config,
                                              const method::Plan& plan, const LatencySubject& subject,
                                              const LatencyProtocol& protocol, Progress& progress) {
  results::LatencyRecord record = Describe(pair, plan, subject);
  LatencyProtocol own = protocol;
  own.threads = subject.setting.threads;
  PairedTimes times;
  try {
    PTQ_ASSIGN_OR_RETURN(times, MeasureLatency(*pair.float32, *pair.integer, RandomImages(config, record.batch), own,
                                               SteadyLatencyClock(), progress));
  } catch (const std::exception& exception) {
    const std::string text = exception.what();
    return Internal("latency of " + subject.model + ": " + text.substr(0, text.find('\n')));
  }
  record.warmup_runs = times.warmup_runs;
  record.float32 = results::Summarize(times.float_ns);
  record.integer = results::Summarize(times.integer_ns);
  record.ratio = record.float32.median_ns / record.integer.median_ns;
  record.ratio_interval = results::MedianRatioInterval({times.float_ns.begin(), times.float_ns.end()},
                                                       {times.integer_ns.begin(), times.integer_ns.end()});
  record.clock_drift = ClockDrift(times.spin_ns);
  record.finished_utc = UtcNow();
  return record;
}

WorkTimes ProfileInteger(exec::IntegerExecutor& integer, const at::Tensor& images, int threads) {
  const int before = at::get_num_threads();
  at::set_num_threads(threads);
  integer.SetProfiling(true);
  integer.TakeProfile();
  for (int run = 0; run < kProfiledRuns; ++run) {
    integer.Run(images);
  }
  WorkTimes times = integer.TakeProfile();
  integer.SetProfiling(false);
  at::set_num_threads(before);
  for (auto& [name, seconds] : times) {
    seconds /= kProfiledRuns;
  }
  std::stable_sort(times.begin(), times.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return times;
}

std::string SharesText(const WorkTimes& times, size_t count) {
  double total = 0;
  for (const auto& [name, seconds] : times) {
    total += seconds;
  }
  std::string text;
  for (size_t i = 0; i < std::min(count, times.size()) && total > 0; ++i) {
    text += (i == 0 ? "" : ", ") + times[i].first + " " + Percent(times[i].second / total);
  }
  return text;
}

std::string WhyNotFaster(const results::LatencyRecord& record, const WorkTimes& times) {
  if (record.ratio > 1) {
    return "";
  }
  std::string why = "int8 is not faster at batch " + std::to_string(record.batch) + ", threads " +
                    std::to_string(record.threads) + ": ";
  if (record.instruction_set != exec::Name(exec::InstructionSet::kAvx512Vnni)) {
    why += "the " + record.instruction_set + " kernels have no instruction that multiplies and adds int8, ";
  }
  if (record.int8_coverage < kNearlyAll) {
    why += "only " + Percent(record.int8_coverage) + " of the multiply-accumulates run in int8, ";
  }
  const std::string shares = SharesText(times, 3);
  return why + "its time goes to " + (shares.empty() ? "steps that were not measured" : shares);
}

}  // namespace ptq::experiments
