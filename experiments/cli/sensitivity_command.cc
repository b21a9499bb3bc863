// `ptqbench sensitivity`: each part of a model quantized alone.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "data/files/sha256.h"
#include "experiments/cli/ad_hoc_trial.h"
#include "experiments/cli/session.h"
#include "experiments/latency_comparison.h"
#include "experiments/revision.h"
#include "experiments/runner.h"
#include "experiments/sensitivity.h"
#include "experiments/system_info.h"
#include "experiments/terminal_progress.h"
#include "results/sensitivity_record.h"
#include "results/sensitivity_text.h"
#include "results/store.h"

namespace ptq::experiments::cli {
namespace {

// The first declared set of one of the roles that is there and has as many classes as the model.
Result<std::string> DefaultDataset(const data::ModelEntry& model, Workspace& workspace, bool evaluation) {
  for (const data::DatasetEntry& entry : workspace.datasets().datasets) {
    const bool fits = (entry.role == data::DatasetRole::kEvaluation) == evaluation &&
                      (entry.classes == 0 || entry.classes == model.config.classes);
    if (fits && workspace.Dataset(entry).ok()) {
      return entry.name;
    }
  }
  return InvalidArgument(std::string("no ") + (evaluation ? "evaluation" : "calibration") + " set with " +
                         std::to_string(model.config.classes) + " classes is here; name one with --" +
                         (evaluation ? "dataset" : "calibration-dataset"));
}

// Evenly spaced over the set, because files often stand class by class.
std::vector<int64_t> SpacedIndices(int64_t available, int64_t count) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < count; ++i) {
    indices.push_back(i * available / count);
  }
  return indices;
}

struct Study {
  results::SensitivityRecord record;
  std::map<int, method::Plan> plans;
  std::shared_ptr<const vit::VitModel> model;
  data::ModelEntry entry;
  data::DatasetEntry dataset;
  OpenedDataset images;
};

// The plans of the whole model, one for each width.
Result<Study> Prepare(SensitivityFlags flags, Workspace& workspace, PictureCache& pictures,
                      results::CheckpointStore* checkpoints, Progress& progress) {
  Study study;
  PTQ_ASSIGN_OR_RETURN(study.entry, AsUsage(workspace.models().Find(flags.model)));
  if (flags.dataset.empty()) {
    PTQ_ASSIGN_OR_RETURN(flags.dataset, DefaultDataset(study.entry, workspace, true));
  }
  if (flags.calibration_dataset.empty()) {
    PTQ_ASSIGN_OR_RETURN(flags.calibration_dataset, DefaultDataset(study.entry, workspace, false));
  }
  PTQ_ASSIGN_OR_RETURN(study.dataset, AsUsage(workspace.datasets().Find(flags.dataset)));
  PTQ_ASSIGN_OR_RETURN(study.images, workspace.Dataset(study.dataset));
  const auto available = static_cast<int64_t>(study.images.dataset->samples().size());
  if (flags.images < 1 || flags.images > available) {
    return InvalidArgument(fmt::format("--images is {}; {} has {} images", flags.images, flags.dataset, available));
  }
  const method::Registry registry = Methods();
  ModelLoader models;
  results::SensitivityRecord& record = study.record;
  for (const int bits : flags.bits) {
    QuantizeFlags quantize;
    quantize.model = flags.model;
    quantize.method = flags.method;
    quantize.bits = fmt::format("W{0}A{0}", bits);
    quantize.weight_granularity = flags.weight_granularity;
    quantize.calibration_dataset = flags.calibration_dataset;
    quantize.calibration_images = flags.calibration_images;
    quantize.seed = flags.seed;
    PTQ_ASSIGN_OR_RETURN(const Trial trial, AdHocTrial(quantize, registry, workspace));
    PTQ_RETURN_IF_ERROR(
        CheckCalibrationImages(*trial.workload->calibration.dataset, trial.calibration_indices, *study.images.dataset));
    PTQ_ASSIGN_OR_RETURN(study.model, models.Load(trial.workload->model, trial.workload->weights));
    TrialCheckpoint checkpoint(checkpoints, CheckpointScope(trial), "");
    PTQ_ASSIGN_OR_RETURN(QuantizedTrial quantized, QuantizeTrial(trial, *study.model, pictures, checkpoint, progress));
    study.plans.emplace(bits, std::move(quantized.plan));
    record.weights_sha256 = trial.workload->weights.sha256;
    record.calibration_manifest_sha256 = trial.workload->calibration.manifest_sha256;
    record.method_version = trial.method_version();
    record.parameters = trial.parameters_text();
  }
  record.model = flags.model;
  record.dataset.name = study.dataset.name;
  record.dataset.manifest_sha256 = study.images.manifest_sha256;
  record.calibration_dataset = flags.calibration_dataset;
  record.calib_images = flags.calibration_images;
  record.seed = flags.seed;
  record.method = flags.method;
  return study;
}

std::string ScopeOf(const Study& study, const std::vector<int64_t>& indices) {
  std::string text = "ptqbench sensitivity 1\n" + study.record.weights_sha256 + "\n" + study.images.manifest_sha256 +
                     "\n" + ProgramIdentity() + "\n" + std::to_string(indices.size()) + "\n" +
                     data::ToString(data::EffectivePreprocessing(study.entry.preprocessing, study.dataset)) + "\n";
  for (const auto& [bits, plan] : study.plans) {
    text += std::to_string(bits) + " " + PlanSha256(plan) + "\n";
  }
  return data::Sha256(text);
}

Result<int> SensitivityChecked(const GlobalFlags& global, const SensitivityFlags& flags) {
  PTQ_RETURN_IF_ERROR(CheckRevision(Revision(), global.allow_dirty));
  PTQ_ASSIGN_OR_RETURN(const results::SensitivityFormat format, results::ParseSensitivityFormat(flags.format));
  PTQ_ASSIGN_OR_RETURN(const Grouping grouping, ParseGrouping(flags.by));
  PTQ_ASSIGN_OR_RETURN(Workspace workspace, OpenWorkspace(global));
  PTQ_ASSIGN_OR_RETURN(results::Store store,
                       results::Store::Open(workspace.database(), results::Store::Mode::kReadWrite));
  PTQ_ASSIGN_OR_RETURN(std::optional<results::CheckpointStore> checkpoints,
                       OpenCheckpoints(workspace, flags.no_checkpoint));
  results::CheckpointStore* kept = checkpoints ? &*checkpoints : nullptr;
  InstallStopHandler();
  TerminalProgress progress;
  progress.SetTask(flags.model);
  PictureCache pictures;
  PTQ_ASSIGN_OR_RETURN(Study study, Prepare(flags, workspace, pictures, kept, progress));
  const std::vector<data::Sample>& samples = study.images.dataset->samples();
  const std::vector<int64_t> indices = SpacedIndices(static_cast<int64_t>(samples.size()), flags.images);
  std::vector<int64_t> labels;
  for (const int64_t index : indices) {
    labels.push_back(samples[index].label);
  }
  DatasetImageSource images(*study.images.dataset, indices,
                            data::EffectivePreprocessing(study.entry.preprocessing, study.dataset));
  PTQ_ASSIGN_OR_RETURN(
      const SensitivityMeasurement measured,
      MeasureSensitivity(*study.model, study.plans, grouping, images, labels, ScopeOf(study, indices), kept, progress));
  results::SensitivityRecord& record = study.record;
  record.images = measured.images;
  record.float_top1_correct = measured.float_top1_correct;
  record.cells = measured.cells;
  record.grouping = Name(grouping);
  record.host = ThisHost();
  record.build = ThisBuild();
  record.finished_utc = UtcNow();
  PTQ_RETURN_IF_ERROR(store.InsertSensitivity(record));
  const std::string text = results::Render(record, format);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fprintf(stderr, "stored in %s; `ptqbench report` with --format html draws it\n", workspace.database().c_str());
  return static_cast<int>(kExitDone);
}

}  // namespace

int Sensitivity(const GlobalFlags& global, const SensitivityFlags& flags) {
  return Finish(SensitivityChecked(global, flags));
}

}  // namespace ptq::experiments::cli
