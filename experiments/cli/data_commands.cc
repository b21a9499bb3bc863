// The verbs on one model or data set: predict, quantize, contact-sheet, verify.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "core/base/nearest_name.h"
#include "core/exec/executor.h"
#include "data/files/file_io.h"
#include "data/files/sha256.h"
#include "data/images/batch_stream.h"
#include "data/images/contact_sheet.h"
#include "data/images/decode.h"
#include "experiments/bit_widths.h"
#include "experiments/cli/ad_hoc_trial.h"
#include "experiments/cli/session.h"
#include "experiments/evaluate.h"
#include "experiments/packed_file.h"
#include "experiments/plan_file.h"
#include "experiments/runner.h"
#include "experiments/terminal_progress.h"
#include "results/store.h"

namespace ptq::experiments::cli {
namespace {

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) {
    return text;
  }
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c == '"' ? "\"\"" : std::string(1, c);
  }
  return quoted + "\"";
}

std::string PredictionLine(const data::Sample& sample, const TopClasses& top) {
  std::string line = CsvField(sample.id) + "," + std::to_string(sample.label);
  for (size_t i = 0; i < 5; ++i) {
    char logit[48] = ",,";
    if (i < top.classes.size()) {
      std::snprintf(logit, sizeof(logit), ",%d,%.9g", top.classes[i], static_cast<double>(top.logits[i]));
    }
    line += logit;
  }
  return line + "\n";
}

// What predict runs, and the catalogue's entry of it.
struct Predictor {
  data::ModelEntry entry;
  std::unique_ptr<exec::Executor> executor;
};

Result<Predictor> PackedPredictor(const PredictFlags& flags, const Workspace& workspace) {
  Predictor predictor;
  PTQ_ASSIGN_OR_RETURN(const PackedModel packed, ReadPacked(flags.packed));
  Result<data::ModelEntry> entry = workspace.models().Find(packed.model);
  if (!entry.ok()) {
    return InvalidArgument("is a model that no catalogue declares: " + entry.error().message, flags.packed);
  }
  predictor.entry = *std::move(entry);
  const Result<vit::VitModel> model = Unpack(packed, predictor.entry.config);
  if (!model.ok()) {
    return Error{model.error().code, model.error().ToString(), flags.packed};
  }
  PTQ_ASSIGN_OR_RETURN(predictor.executor, exec::MakeSimulatedExecutor(*model, packed.plan));
  return predictor;
}

Result<Predictor> MakePredictor(const PredictFlags& flags, Workspace& workspace) {
  if (!flags.packed.empty()) {
    return PackedPredictor(flags, workspace);
  }
  Predictor predictor;
  PTQ_ASSIGN_OR_RETURN(predictor.entry, AsUsage(workspace.models().Find(flags.model)));
  PTQ_ASSIGN_OR_RETURN(const WeightsFile weights, workspace.FindWeights(predictor.entry));
  method::Plan plan;
  if (!flags.plan.empty()) {
    PTQ_ASSIGN_OR_RETURN(plan, ReadPlanFor(flags.plan, predictor.entry.name, weights.sha256));
  }
  ModelLoader loader;
  PTQ_ASSIGN_OR_RETURN(const std::shared_ptr<const vit::VitModel> model, loader.Load(predictor.entry, weights));
  PTQ_ASSIGN_OR_RETURN(predictor.executor, exec::MakeSimulatedExecutor(*model, plan));
  return predictor;
}

Result<int> PredictChecked(const GlobalFlags& global, const PredictFlags& flags) {
  PTQ_ASSIGN_OR_RETURN(Workspace workspace, OpenWorkspace(global));
  PTQ_ASSIGN_OR_RETURN(const data::DatasetEntry dataset, AsUsage(workspace.datasets().Find(flags.dataset)));
  PTQ_ASSIGN_OR_RETURN(const Predictor predictor, MakePredictor(flags, workspace));
  const data::ModelEntry& entry = predictor.entry;
  PTQ_ASSIGN_OR_RETURN(const OpenedDataset images, workspace.Dataset(dataset));
  const std::vector<data::Sample>& samples = images.dataset->samples();
  std::vector<int64_t> all(samples.size());
  std::iota(all.begin(), all.end(), int64_t{0});
  DatasetImageSource source(*images.dataset, all, data::EffectivePreprocessing(entry.preprocessing, dataset));
  InstallStopHandler();
  TerminalProgress progress;
  progress.SetTask(entry.name + " on " + dataset.name);
  std::string csv = "path,label";
  for (int i = 1; i <= 5; ++i) {
    csv += ",class" + std::to_string(i) + ",logit" + std::to_string(i);
  }
  csv += "\n";
  int64_t correct = 0;
  PTQ_RETURN_IF_ERROR(Evaluate(*predictor.executor, source, EvaluationBatchSize(entry.config), progress,
                               [&](int64_t index, const TopClasses& top) -> Status {
                                 correct += top.classes[0] == samples[index].label ? 1 : 0;
                                 csv += PredictionLine(samples[index], top);
                                 return OkStatus();
                               }));
  PTQ_RETURN_IF_ERROR(data::WriteFileAtomically(flags.out, csv));
  std::printf("top-1 %.2f %% (%lld of %zu), written to %s\n",
              100.0 * static_cast<double>(correct) / static_cast<double>(samples.size()),
              static_cast<long long>(correct), samples.size(), flags.out.c_str());
  return static_cast<int>(kExitDone);
}

// What the plan says of itself.
void PrintRemarks(const method::Plan& plan) {
  for (const auto& [name, value] : plan.notes) {
    std::printf("%s: %s\n", name.c_str(), value.c_str());
  }
  std::string grids;
  for (const std::string& grid : method::SimulatedOnlyGrids(plan)) {
    grids += " " + grid;
  }
  if (!grids.empty()) {
    std::printf("simulated only:%s (no integer kernel can run it)\n", grids.c_str());
  }
}

Result<int> QuantizeChecked(const GlobalFlags& global, const QuantizeFlags& flags) {
  PTQ_ASSIGN_OR_RETURN(Workspace workspace, OpenWorkspace(global));
  const method::Registry registry = Methods();
  PTQ_ASSIGN_OR_RETURN(const Trial trial, AdHocTrial(flags, registry, workspace));
  PTQ_ASSIGN_OR_RETURN(std::optional<results::CheckpointStore> checkpoints,
                       OpenCheckpoints(workspace, flags.no_checkpoint));
  TrialCheckpoint checkpoint(checkpoints ? &*checkpoints : nullptr, CheckpointScope(trial), "");
  ModelLoader loader;
  PTQ_ASSIGN_OR_RETURN(const std::shared_ptr<const vit::VitModel> model,
                       loader.Load(trial.workload->model, trial.workload->weights));
  InstallStopHandler();
  TerminalProgress progress;
  progress.SetTask(flags.model + ", " + flags.method + " " + trial.scheme.ShortName());
  PictureCache pictures;
  PTQ_ASSIGN_OR_RETURN(const QuantizedTrial quantized, QuantizeTrial(trial, *model, pictures, checkpoint, progress));
  PTQ_RETURN_IF_ERROR(WritePlan(flags.out, quantized.plan));
  const method::ModelSize size = method::SizeUnder(quantized.plan, model->config());
  std::printf("%zu operands quantized in %.1f s, model size %.3f MB (%.3f MB as the paper counts), written to %s\n",
              quantized.plan.operands.size(), quantized.calibrate_seconds, size.true_bytes / 1e6,
              size.paper_bytes / 1e6, flags.out.c_str());
  PrintRemarks(quantized.plan);
  if (quantized.saved_seconds > 0) {
    std::printf("%.1f s of it were spent before: finished parts were found in %s.calibration\n",
                quantized.saved_seconds, workspace.database().c_str());
  }
  return static_cast<int>(kExitDone);
}

Result<int> ContactSheetChecked(const GlobalFlags& global, const ContactSheetFlags& flags) {
  PTQ_ASSIGN_OR_RETURN(Workspace workspace, OpenWorkspace(global));
  PTQ_ASSIGN_OR_RETURN(const data::DatasetEntry entry, AsUsage(workspace.datasets().Find(flags.dataset)));
  PTQ_ASSIGN_OR_RETURN(const OpenedDataset opened, workspace.Dataset(entry));
  PTQ_ASSIGN_OR_RETURN(const data::Image sheet, data::MakeContactSheet(*opened.dataset, flags.rows, flags.columns));
  PTQ_RETURN_IF_ERROR(data::WritePng(flags.out, sheet));
  std::printf("%lld x %lld pixels, row c holds class c, written to %s\n", static_cast<long long>(sheet.width),
              static_cast<long long>(sheet.height), flags.out.c_str());
  return static_cast<int>(kExitDone);
}

// One line per declared thing; returns whether it is in order (absent things are in order unless they were named).
bool Tell(const std::string& name, const Status& status, bool named) {
  if (status.ok()) {
    std::printf("ok       %s\n", name.c_str());
    return true;
  }
  const bool absent = status.error().code == ErrorCode::kNotFound;
  std::printf("%-8s %s: %s\n", absent ? "absent" : "WRONG", name.c_str(), status.error().ToString().c_str());
  return absent && !named;
}

Status VerifyOne(const data::DatasetEntry& entry, const Workspace& workspace) {
  PTQ_ASSIGN_OR_RETURN(const data::VerifyReport report, data::VerifyDataset(entry, workspace.data_root()));
  if (report.problems.empty()) {
    return OkStatus();
  }
  std::string text;
  for (const std::string& problem : report.problems) {
    text += (text.empty() ? "" : "\n         ") + problem;
  }
  return Corrupt(text);
}

Result<int> VerifyDataChecked(const GlobalFlags& global, const std::vector<std::string>& names) {
  PTQ_ASSIGN_OR_RETURN(Workspace workspace, OpenWorkspace(global));
  std::vector<std::string> known;
  bool good = true;
  auto wanted = [&](const std::string& name) {
    known.push_back(name);
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const data::ModelEntry& model : workspace.models().models) {
    if (wanted(model.name)) {
      const Result<WeightsFile> weights = workspace.FindWeights(model);
      good = Tell(model.name, weights.ok() ? OkStatus() : Status(weights.error()), !names.empty()) && good;
    }
  }
  for (const data::DatasetEntry& dataset : workspace.datasets().datasets) {
    if (wanted(dataset.name)) {
      good = Tell(dataset.name, VerifyOne(dataset, workspace), !names.empty()) && good;
    }
  }
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return InvalidArgument("no model or data set is called '" + name + "'" + DidYouMean(name, known));
    }
  }
  return static_cast<int>(good ? kExitDone : kExitEnvironment);
}

Result<int> VerifyResultsChecked(const GlobalFlags& global) {
  PTQ_ASSIGN_OR_RETURN(const Workspace workspace, OpenWorkspace(global));
  PTQ_ASSIGN_OR_RETURN(const results::Store store,
                       results::Store::Open(workspace.database(), results::Store::Mode::kReadOnly));
  PTQ_ASSIGN_OR_RETURN(const std::vector<std::string> problems, store.Verify(data::Sha256));
  for (const std::string& problem : problems) {
    std::printf("WRONG    %s\n", problem.c_str());
  }
  if (problems.empty()) {
    PTQ_ASSIGN_OR_RETURN(const auto trials, store.Trials());
    std::printf("ok       %s: %zu trials\n", workspace.database().c_str(), trials.size());
  }
  return static_cast<int>(problems.empty() ? kExitDone : kExitEnvironment);
}

}  // namespace

int Predict(const GlobalFlags& global, const PredictFlags& flags) { return Finish(PredictChecked(global, flags)); }
int Quantize(const GlobalFlags& global, const QuantizeFlags& flags) { return Finish(QuantizeChecked(global, flags)); }
int ContactSheet(const GlobalFlags& global, const ContactSheetFlags& flags) {
  return Finish(ContactSheetChecked(global, flags));
}
int VerifyData(const GlobalFlags& global, const std::vector<std::string>& names) {
  return Finish(VerifyDataChecked(global, names));
}
int VerifyResults(const GlobalFlags& global) { return Finish(VerifyResultsChecked(global)); }

}  // namespace ptq::experiments::cli
