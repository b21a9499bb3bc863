// runner.h: runs the trials of an experiment that are not yet in the store, one transaction each.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/progress.h"
#include "core/vit/model.h"
#include "experiments/latency.h"
#include "experiments/picture_cache.h"
#include "experiments/trial.h"
#include "experiments/trial_checkpoint.h"
#include "experiments/trial_claims.h"
#include "results/checkpoint_store.h"
#include "results/store.h"

namespace ptq::experiments {

// Loads models, the last one kept.
class ModelLoader {
 public:
  // Errors: those of data::ReadCheckpoint.
  Result<std::shared_ptr<const vit::VitModel>> Load(const data::ModelEntry& entry, const WeightsFile& weights);

 private:
  std::string key_;
  std::shared_ptr<const vit::VitModel> model_;
};

// What a method answered for a trial, and what that costs.
struct QuantizedTrial {
  method::Plan plan;
  double calibrate_seconds = 0;  // with what the parts found in the checkpoint had cost when they were made
  double saved_seconds = 0;      // of it: not spent now
};

// The plan of one trial (empty for float32), with its header fields filled.  trial.workload's inputs are present.
// Errors: Unsupported with the method's reason, those of Method::Quantize.
Result<QuantizedTrial> QuantizeTrial(const Trial& trial, const vit::VitModel& model, PictureCache& pictures,
                                     TrialCheckpoint& checkpoint, Progress& progress);

// Calibrates, evaluates and describes one trial; LibTorch's exceptions become a failed record here and nowhere else.
// checkpoints: null keeps and finds nothing.  float_top1: of float32 on the same images, where it is known; under half
// of it the noisiest ops are noted ("worst_ops").  plan: null, or where the executed plan of a done trial goes.
// Errors: Interrupted, and those of the checkpoint store; nothing is recorded.
Result<results::TrialRecord> RunTrial(const Trial& trial, const ExperimentSpec& spec, ModelLoader& models,
                                      PictureCache& pictures, results::CheckpointStore* checkpoints, Progress& progress,
                                      const std::optional<double>& float_top1, method::Plan* plan);

struct RunOptions {
  bool retry_failed = false;  // run trials again whose stored outcome is failed
  results::CheckpointStore* checkpoints =
      nullptr;                    // finished parts of calibrations and evaluations; null: all is done anew
  TrialClaims* claims = nullptr;  // null: no other process measures into the store
  LatencyProtocol latency;        // of the settings that the spec asks for
};

struct RunSummary {
  int64_t done_before = 0, done_now = 0, failed = 0, unsupported = 0, absent = 0;
  int64_t latencies_now = 0;  // settings timed
  bool broken_input = false;  // an input is there and is not what it should be
};

// Runs what the store lacks, and times what the spec asks for and the store lacks (trial_latency.h).  `announce` is
// called before each trial with its number (from 1), the count of trials to run, and the trial. Errors: those of the
// stores; Interrupted with everything finished kept.
Result<RunSummary> RunTrials(const std::vector<Trial>& trials, const ExperimentSpec& spec, const RunOptions& options,
                             results::Store& store, Progress& progress,
                             const std::function<void(int64_t, int64_t, const Trial&)>& announce);

}  // namespace ptq::experiments
