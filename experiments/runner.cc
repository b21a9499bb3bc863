#include "experiments/runner.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <list>
#include <numeric>
#include <optional>
#include <thread>

#include "core/exec/integer/integer_executor.h"
#include "core/method/op_noise.h"
#include "data/files/sha256.h"
#include "data/weights/checkpoint.h"
#include "experiments/evaluate.h"
#include "experiments/evaluation_checkpoint.h"
#include "experiments/image_source.h"
#include "experiments/plan_text.h"
#include "experiments/system_info.h"
#include "experiments/trial_latency.h"
#include "results/comparison.h"

namespace ptq::experiments {
namespace {

// A quantized model with less than this share of float32's accuracy has collapsed; its noisiest ops are noted.
constexpr double kCollapsed = 0.5;
constexpr int64_t kNoiseImages = 8;
constexpr double kKeepSeconds = 0.5;  // between two moments at which an evaluation keeps what it has
constexpr size_t kWorstOps = 3;
constexpr std::chrono::milliseconds kClaimPause(200);

class Stopwatch {
 public:
  double Seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// All that is known about a trial before it runs.
results::TrialRecord Describe(const Trial& trial, const ExperimentSpec& spec) {
  const Workload& w = *trial.workload;
  results::TrialRecord record;
  record.trial_key = trial.key;
  record.trial_text = trial.text;
  record.experiment = spec.name;
  record.spec_text = spec.text;
  record.spec_sha256 = data::Sha256(spec.text);
  record.model = w.model.name;
  record.weights_sha256 = w.weights.sha256;
  record.geometry = vit::ToString(w.model.config);
  record.preprocessing = data::ToString(w.preprocessing());
  record.dataset.name = w.dataset.name;
  record.dataset.manifest_sha256 = w.images.manifest_sha256;
  for (const data::Sample& sample : w.images.dataset->samples()) {
    record.dataset.image_ids.push_back(sample.id);
    record.dataset.labels.push_back(sample.label);
  }
  if (!trial.is_float()) {
    record.calibration_dataset = w.calibration_dataset->name;
    record.calibration_manifest_sha256 = w.calibration.manifest_sha256;
    for (const int64_t index : trial.calibration_indices) {
      record.calibration_ids.push_back(w.calibration.dataset->samples()[index].id);
    }
  }
  record.method = trial.method_id();
  record.method_version = trial.method_version();
  record.parameters = trial.parameters_text();
  record.scheme = trial.scheme_text();
  record.w_bits = trial.w_bits();
  record.a_bits = trial.a_bits();
  record.mixed = trial.mixed();
  record.seed = trial.seed;
  record.exec_mode = trial.exec_mode();
  record.numerics_version = kNumericsVersion;
  record.threads = at::get_num_threads();
  record.affinity = UsableCpus();
  record.host = ThisHost();
  record.build = ThisBuild();
  return record;
}

// The executor that the trial asks for.  What integer kernels made of the plan is noted for the row.
Result<std::unique_ptr<exec::Executor>> MakeExecutor(const Trial& trial, const vit::VitModel& model,
                                                     const method::Plan& plan,
                                                     std::map<std::string, std::string>& notes) {
  if (!trial.is_integer()) {
    return exec::MakeSimulatedExecutor(model, plan);
  }
  exec::IntegerOptions options;  // one thread: batches run side by side
  PTQ_ASSIGN_OR_RETURN(std::unique_ptr<exec::IntegerExecutor> executor,
                       exec::MakeIntegerExecutor(model, plan, options));
  char percent[16];
  std::snprintf(percent, sizeof(percent), "%.1f", 100 * executor->int8_coverage());
  notes["int8_coverage_percent"] = percent;
  notes["instruction_set"] = exec::Name(options.set);
  return std::unique_ptr<exec::Executor>(std::move(executor));
}

std::vector<int64_t> FirstImages(int64_t count) {
  std::vector<int64_t> indices(count);
  std::iota(indices.begin(), indices.end(), int64_t{0});
  return indices;
}

// "blocks.3.mlp.fc2 2.1 dB, ...": the noisiest ops on these images.
Result<std::string> WorstOps(const vit::VitModel& model, const method::Plan& plan, calib::ImageSource& images) {
  PTQ_ASSIGN_OR_RETURN(const vit::VitModel replaced, model.WithReplaced(plan.replaced_parameters));
  at::Tensor few;
  PTQ_RETURN_IF_ERROR(images.ForEachBatch(images.count(), [&few](const at::Tensor& batch) -> Status {
    few = batch;
    return OkStatus();
  }));
  std::string text;
  const std::vector<method::OpNoise> noise = method::MeasureOpNoise(replaced, plan, few);
  for (size_t i = 0; i < std::min(noise.size(), kWorstOps); ++i) {
    char decibels[32];
    std::snprintf(decibels, sizeof(decibels), " %.1f dB", noise[i].signal_to_noise_db);
    text += (i == 0 ? "" : ", ") + noise[i].op.name() + decibels;
  }
  return text;
}

double TopOneFraction(const results::TrialRecord& record) {
  const std::vector<bool> right = results::RightAnswers(record.predictions, record.dataset.labels);
  return static_cast<double>(std::count(right.begin(), right.end(), true)) / static_cast<double>(right.size());
}

// Runs the executor on the images that `checkpoint` has no answers for, in the batches that an undisturbed run has.
Status EvaluateTrial(const Trial& trial, exec::Executor& executor, const data::Dataset& cropped,
                     EvaluationCheckpoint& checkpoint, Progress& progress, results::TrialRecord& record) {
  const Workload& w = *trial.workload;
  const auto count = static_cast<int64_t>(w.images.dataset->samples().size());
  const int64_t batch_size = EvaluationBatchSize(w.model.config);
  PTQ_ASSIGN_OR_RETURN(record.predictions, checkpoint.Find());
  const auto begin = static_cast<int64_t>(record.predictions.size());
  if (begin > count || (begin % batch_size != 0 && begin < count)) {
    return Internal("the kept answers of the evaluation are not whole batches; give --no-checkpoint");
  }
  std::vector<int64_t> rest(count - begin);
  std::iota(rest.begin(), rest.end(), begin);
  DatasetImageSource images(cropped, rest, AfterCrop(w.preprocessing()));
  const Stopwatch watch;
  double kept_at = 0;
  const auto keep = [&]() -> Status {
    const double now = watch.Seconds();
    const double seconds = now - kept_at;
    kept_at = now;
    return checkpoint.Keep(record.predictions, seconds);
  };
  Status evaluated =
      rest.empty() ? OkStatus()
                   : Evaluate(executor, images, batch_size, progress, [&](int64_t, const TopClasses& top) -> Status {
                       results::Prediction prediction;
                       std::copy(top.classes.begin(), top.classes.end(), prediction.top.begin());
                       record.predictions.push_back(prediction);
                       const bool whole = static_cast<int64_t>(record.predictions.size()) % batch_size == 0;
                       return whole && watch.Seconds() - kept_at > kKeepSeconds ? keep() : OkStatus();
                     });
  if (!evaluated.ok() && evaluated.error().code == ErrorCode::kInterrupted &&
      static_cast<int64_t>(record.predictions.size()) % batch_size == 0) {
    PTQ_RETURN_IF_ERROR(keep());
  }
  PTQ_RETURN_IF_ERROR(evaluated);
  record.evaluate_seconds = watch.Seconds() + checkpoint.saved_seconds();
  return OkStatus();
}

// Fills what came out.  On an error the record holds what was known before it.
Status Measure(const Trial& trial, ModelLoader& models, PictureCache& pictures, results::CheckpointStore* checkpoints,
               TrialCheckpoint& checkpoint, Progress& progress, const std::optional<double>& float_top1,
               results::TrialRecord& record, method::Plan* plan) {
  const Workload& w = *trial.workload;
  PTQ_ASSIGN_OR_RETURN(const std::shared_ptr<const vit::VitModel> model, models.Load(w.model, w.weights));
  PTQ_ASSIGN_OR_RETURN(QuantizedTrial quantized, QuantizeTrial(trial, *model, pictures, checkpoint, progress));
  record.calibrate_seconds = quantized.calibrate_seconds;
  record.operands = OperandRecords(quantized.plan);
  record.norm_inputs = NormInputRecords(quantized.plan);
  record.simulated_only = method::SimulatedOnlyGrids(quantized.plan);
  record.notes = quantized.plan.notes;
  record.allocation_json = quantized.plan.allocation ? method::ToJson(*quantized.plan.allocation) : "";
  const method::ModelSize size = method::SizeUnder(quantized.plan, w.model.config);
  record.size_bytes = size.true_bytes;
  record.paper_size_bytes = size.paper_bytes;
  PTQ_ASSIGN_OR_RETURN(const std::unique_ptr<exec::Executor> executor,
                       MakeExecutor(trial, *model, quantized.plan, record.notes));
  const auto count = static_cast<int64_t>(w.images.dataset->samples().size());
  const auto cropped = pictures.Open(*w.images.dataset, w.preprocessing(), count);
  EvaluationCheckpoint evaluation(checkpoints, EvaluationScope(trial, quantized.plan), trial.key);
  PTQ_RETURN_IF_ERROR(EvaluateTrial(trial, *executor, *cropped, evaluation, progress, record));
  if (float_top1 && TopOneFraction(record) < kCollapsed * *float_top1) {
    DatasetImageSource few(*cropped, FirstImages(std::min(kNoiseImages, count)), AfterCrop(w.preprocessing()));
    PTQ_ASSIGN_OR_RETURN(record.notes["worst_ops"], WorstOps(*model, quantized.plan, few));
  }
  if (plan != nullptr) {
    *plan = std::move(quantized.plan);
  }
  return OkStatus();
}

}  // namespace

Result<std::shared_ptr<const vit::VitModel>> ModelLoader::Load(const data::ModelEntry& entry,
                                                               const WeightsFile& weights) {
  const std::string key = weights.path + "\n" + vit::ToString(entry.config);
  if (key != key_) {
    model_.reset();
    key_.clear();
    PTQ_ASSIGN_OR_RETURN(const vit::TensorMap tensors, data::ReadCheckpoint(weights.path, entry.config));
    Result<vit::VitModel> model = vit::VitModel::Create(entry.config, tensors);
    if (!model.ok()) {
      return Error{model.error().code, model.error().message, weights.path};
    }
    model_ = std::make_shared<const vit::VitModel>(*std::move(model));
    key_ = key;
  }
  return model_;
}

Result<QuantizedTrial> QuantizeTrial(const Trial& trial, const vit::VitModel& model, PictureCache& pictures,
                                     TrialCheckpoint& checkpoint, Progress& progress) {
  QuantizedTrial quantized;
  const Workload& w = *trial.workload;
  if (!trial.is_float()) {
    PTQ_RETURN_IF_ERROR(method::CheckSupport(*trial.method, trial.scheme, trial.parameters, w.model.config));
    const bool needs_labels = trial.method->NeedsLabels(trial.parameters);
    const auto cropped = pictures.Open(*w.calibration.dataset, w.calibration_preprocessing(),
                                       static_cast<int64_t>(trial.calibration_indices.size()));
    DatasetImageSource images(*cropped, trial.calibration_indices, AfterCrop(w.calibration_preprocessing()),
                              needs_labels ? LabelAccess::kCalibration : LabelAccess::kHidden);
    calib::Calibration calibration(model, images, progress);
    const Stopwatch watch;
    RandomStream random(static_cast<uint64_t>(trial.seed), trial.method_id());
    PTQ_ASSIGN_OR_RETURN(quantized.plan, trial.method->Quantize({model, calibration, trial.scheme, trial.parameters,
                                                                 std::move(random), progress, checkpoint}));
    quantized.saved_seconds = checkpoint.saved_seconds();
    quantized.calibrate_seconds = watch.Seconds() + quantized.saved_seconds;
    quantized.plan.method = trial.method->info().versioned_id();
  }
  quantized.plan.scheme = trial.scheme_text();
  quantized.plan.parameters = trial.parameters_text();
  quantized.plan.weights_sha256 = w.weights.sha256;
  PTQ_RETURN_IF_ERROR(method::Validate(quantized.plan, w.model.config));
  return quantized;
}

Result<results::TrialRecord> RunTrial(const Trial& trial, const ExperimentSpec& spec, ModelLoader& models,
                                      PictureCache& pictures, results::CheckpointStore* checkpoints, Progress& progress,
                                      const std::optional<double>& float_top1, method::Plan* plan) {
  results::TrialRecord record = Describe(trial, spec);
  TrialCheckpoint checkpoint(checkpoints, trial.is_float() ? "" : CheckpointScope(trial), trial.key);
  record.started_utc = UtcNow();
  ResetPeakMemory();
  Status status;
  try {
    status = Measure(trial, models, pictures, checkpoints, checkpoint, progress, float_top1, record, plan);
  } catch (const std::exception& exception) {
    const std::string text = exception.what();
    status = Internal(text.substr(0, text.find('\n')));
  }
  if (!status.ok() && status.error().code == ErrorCode::kInterrupted) {
    return status.error();
  }
  PTQ_RETURN_IF_ERROR(checkpoint.status());
  if (!status.ok()) {
    record.status = status.error().code == ErrorCode::kUnsupported ? results::TrialStatus::kUnsupported
                                                                   : results::TrialStatus::kFailed;
    record.reason = status.error().ToString();
    record.predictions.clear();
  }
  record.peak_rss_bytes = PeakMemoryBytes();
  record.finished_utc = UtcNow();
  return record;
}

namespace {

// The stored accuracy of float32 on the trial's images; none where the experiment has no such trial.
Result<std::optional<double>> FloatTopOne(const Trial& trial, const std::vector<Trial>& trials,
                                          const results::Store& store) {
  const auto reference = std::find_if(trials.begin(), trials.end(), [&trial](const Trial& other) {
    return other.is_float() && other.workload->model.name == trial.workload->model.name &&
           other.workload->dataset.name == trial.workload->dataset.name;
  });
  if (trial.is_float() || reference == trials.end()) {
    return std::optional<double>();
  }
  PTQ_ASSIGN_OR_RETURN(const std::optional<results::TrialSummary> stored, store.Find(reference->key));
  return stored ? stored->top1_fraction : std::nullopt;
}

// A trial that something is missing of: all, or times alone.
struct Task {
  const Trial* trial;
  bool whole;
};

// Hands out tasks that no other process works on; where others have all that is left, waits for them.
class Queue {
 public:
  Queue(std::vector<Task> tasks, TrialClaims* claims)
      : tasks_(tasks.begin(), tasks.end()), count_(static_cast<int64_t>(tasks.size())), claims_(claims) {}

  bool empty() const { return tasks_.empty(); }
  int64_t count() const { return count_; }

  // The task before counts as finished.  Errors: Io, Interrupted.
  Result<Task> Next(Progress& progress) {
    ReleaseLast();
    for (bool waits = false; true; waits = true) {
      for (auto task = tasks_.begin(); task != tasks_.end(); ++task) {
        PTQ_ASSIGN_OR_RETURN(const bool mine,
                             claims_ == nullptr ? Result<bool>(true) : claims_->Claim(task->trial->key));
        if (!mine) {
          continue;
        }
        const Task found = *task;
        tasks_.erase(task);
        claimed_ = found.trial->key;
        return found;
      }
      if (!waits) {
        progress.Begin("wait for another run that measures the rest", 1);
      }
      if (progress.stop_requested()) {
        return Interrupted("stopped while another run measures the rest");
      }
      std::this_thread::sleep_for(kClaimPause);
    }
  }
  ~Queue() { ReleaseLast(); }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

 private:
  void ReleaseLast() {
    if (claims_ != nullptr && !claimed_.empty()) {
      claims_->Release(claimed_);
    }
    claimed_.clear();
  }
  std::list<Task> tasks_;
  const int64_t count_;
  TrialClaims* claims_;
  std::string claimed_;
};

// Times what is missing of a done trial; the plan is made again where it is not at hand.  Returns the settings' number.
Result<int64_t> TimeTrial(const Trial& trial, const ExperimentSpec& spec, std::optional<method::Plan> plan,
                          const RunOptions& options, ModelLoader& models, PictureCache& pictures, results::Store& store,
                          Progress& progress) {
  PTQ_ASSIGN_OR_RETURN(const std::vector<LatencySetting> missing, MissingLatencies(trial, spec, store));
  if (missing.empty()) {
    return int64_t{0};
  }
  try {
    PTQ_ASSIGN_OR_RETURN(const std::shared_ptr<const vit::VitModel> model,
                         models.Load(trial.workload->model, trial.workload->weights));
    if (!plan) {
      TrialCheckpoint checkpoint(options.checkpoints, CheckpointScope(trial), trial.key);
      Result<QuantizedTrial> quantized = QuantizeTrial(trial, *model, pictures, checkpoint, progress);
      PTQ_RETURN_IF_ERROR(checkpoint.status());
      if (!quantized.ok()) {
        return quantized.error();
      }
      plan = std::move(quantized->plan);
    }
    PTQ_RETURN_IF_ERROR(MeasureTrialLatency(trial, *model, *plan, missing, options.latency, store, progress));
  } catch (const std::exception& exception) {
    const std::string text = exception.what();
    return Internal(trial.Describe() + ": " + text.substr(0, text.find('\n')));
  }
  return static_cast<int64_t>(missing.size());
}

// One trial from calibration to its row; what its evaluation kept is then needed no more.
Result<results::TrialRecord> MeasureAndStore(const Trial& trial, const std::vector<Trial>& trials,
                                             const ExperimentSpec& spec, const RunOptions& options, ModelLoader& models,
                                             PictureCache& pictures, results::Store& store, Progress& progress,
                                             std::optional<method::Plan>& plan) {
  method::Plan executed;
  PTQ_ASSIGN_OR_RETURN(const std::optional<double> float_top1, FloatTopOne(trial, trials, store));
  PTQ_ASSIGN_OR_RETURN(results::TrialRecord record,
                       RunTrial(trial, spec, models, pictures, options.checkpoints, progress, float_top1, &executed));
  PTQ_RETURN_IF_ERROR(store.Insert(record));
  if (record.status == results::TrialStatus::kDone) {
    if (options.checkpoints != nullptr && record.evaluate_seconds > kKeepSeconds) {
      PTQ_RETURN_IF_ERROR(options.checkpoints->Drop(EvaluationScope(trial, executed)));
    }
    plan = std::move(executed);
  }
  return record;
}

}  // namespace

Result<RunSummary> RunTrials(const std::vector<Trial>& trials, const ExperimentSpec& spec, const RunOptions& options,
                             results::Store& store, Progress& progress,
                             const std::function<void(int64_t, int64_t, const Trial&)>& announce) {
  RunSummary summary;
  std::vector<Task> to_run;
  auto count = [&](results::TrialStatus status, int64_t& done) {
    done += status == results::TrialStatus::kDone ? 1 : 0;
    summary.failed += status == results::TrialStatus::kFailed ? 1 : 0;
    summary.unsupported += status == results::TrialStatus::kUnsupported ? 1 : 0;
  };
  for (const Trial& trial : trials) {
    if (trial.workload->absent) {
      ++summary.absent;
      summary.broken_input = summary.broken_input || trial.workload->absent->code != ErrorCode::kNotFound;
      continue;
    }
    PTQ_ASSIGN_OR_RETURN(const std::optional<results::TrialSummary> stored, store.Find(trial.key));
    if (!stored || (options.retry_failed && stored->status == results::TrialStatus::kFailed)) {
      to_run.push_back({&trial, true});
      continue;
    }
    count(stored->status, summary.done_before);
    if (stored->status == results::TrialStatus::kDone) {
      PTQ_ASSIGN_OR_RETURN(const std::vector<LatencySetting> missing, MissingLatencies(trial, spec, store));
      if (!missing.empty()) {
        to_run.push_back({&trial, false});
      }
    }
  }
  ModelLoader models;
  PictureCache pictures;
  Queue queue(std::move(to_run), options.claims);
  int64_t number = 0;
  while (!queue.empty()) {
    PTQ_ASSIGN_OR_RETURN(const Task task, queue.Next(progress));
    const Trial& trial = *task.trial;
    announce(++number, queue.count(), trial);
    PTQ_ASSIGN_OR_RETURN(const std::optional<results::TrialSummary> meanwhile, store.Find(trial.key));
    const bool retried = meanwhile && options.retry_failed && meanwhile->status == results::TrialStatus::kFailed;
    std::optional<method::Plan> plan;
    if (task.whole && meanwhile && !retried) {
      count(meanwhile->status, summary.done_before);  // another process was faster
      if (meanwhile->status != results::TrialStatus::kDone) {
        continue;
      }
    } else if (task.whole) {
      PTQ_ASSIGN_OR_RETURN(const results::TrialRecord record,
                           MeasureAndStore(trial, trials, spec, options, models, pictures, store, progress, plan));
      count(record.status, summary.done_now);
      if (record.status != results::TrialStatus::kDone) {
        continue;
      }
    }
    PTQ_ASSIGN_OR_RETURN(const int64_t timed,
                         TimeTrial(trial, spec, std::move(plan), options, models, pictures, store, progress));
    summary.latencies_now += timed;
  }
  return summary;
}

}  // namespace ptq::experiments
