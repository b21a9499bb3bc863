#include "experiments/trial.h"

#include <set>
#include <utility>

#include "data/files/sha256.h"
#include "data/images/batch_stream.h"

namespace ptq::experiments {
namespace {

// Collects faults as file:line:col: message, in the order of the file.
class Faults {
 public:
  explicit Faults(std::string path) : path_(std::move(path)) {}
  // One fault per line of the message.
  void Add(const SourcePosition& position, const std::string& message) {
    size_t begin = 0;
    while (begin <= message.size()) {
      const size_t end = std::min(message.find('\n', begin), message.size());
      lines_.insert({{position.line, position.column}, FaultAt(path_, position, message.substr(begin, end - begin))});
      begin = end + 1;
    }
  }
  std::string text() const {
    std::string text;
    for (const auto& [position, line] : lines_) {
      text += (text.empty() ? "" : "\n") + line;
    }
    return text;
  }

 private:
  std::string path_;
  std::set<std::pair<std::pair<int64_t, int64_t>, std::string>> lines_;
};

// Finds the workload's files; the first absence is kept as the reason.
void FindInputs(Workload& workload, Workspace& workspace) {
  auto keep = [&](auto result, auto& target) {
    if (result.ok()) {
      target = *result;
    } else if (!workload.absent) {
      workload.absent = result.error();
    }
  };
  keep(workspace.FindWeights(workload.model), workload.weights);
  keep(workspace.Dataset(workload.dataset), workload.images);
  if (workload.calibration_dataset) {
    keep(workspace.Dataset(*workload.calibration_dataset), workload.calibration);
  }
}

// The declared entries of a workload, or nothing where a fault was added.
std::shared_ptr<Workload> FindEntries(const WorkloadSpec& spec, const Workspace& workspace, Faults& faults) {
  auto workload = std::make_shared<Workload>();
  bool good = true;
  auto keep = [&](const SourcePosition& position, auto result, auto& target) {
    if (result.ok()) {
      target = *result;
    } else {
      faults.Add(position, result.error().message);
      good = false;
    }
  };
  keep(spec.position, workspace.models().Find(spec.model), workload->model);
  keep(spec.dataset_position, workspace.datasets().Find(spec.dataset), workload->dataset);
  if (!spec.float_only) {
    keep(spec.calibration_position, workspace.datasets().Find(spec.calibration_dataset), workload->calibration_dataset);
  }
  workload->calibration_images = spec.float_only ? 0 : spec.calibration_images;
  if (!good) {
    return nullptr;
  }
  if (workload->dataset.classes != 0 && workload->dataset.classes != workload->model.config.classes) {
    faults.Add(spec.position, "model " + spec.model + " has " + std::to_string(workload->model.config.classes) +
                                  " classes, data set " + spec.dataset + " has " +
                                  std::to_string(workload->dataset.classes));
    return nullptr;
  }
  const Status role = workload->calibration_dataset ? CheckCalibrationRole(*workload->calibration_dataset) : OkStatus();
  if (!role.ok()) {
    faults.Add(spec.calibration_position, role.error().message);
    return nullptr;
  }
  return workload;
}

std::string Line(const char* name, const std::string& value) { return std::string(name) + "=" + value + "\n"; }

std::string ModelText(const Workload& w) {
  return Line("weights_sha256", w.weights.sha256) + Line("geometry", vit::ToString(w.model.config));
}

std::string MethodLine(const Trial& trial) {
  return Line("method", trial.method_id() + "@" + std::to_string(trial.method_version()));
}

const char* ExifText(const data::DatasetEntry& entry) { return entry.apply_exif_orientation ? "applied" : "ignored"; }

// What the calibration sees.
std::string CalibrationText(const Trial& trial) {
  const Workload& w = *trial.workload;
  std::string ids;
  for (const int64_t index : trial.calibration_indices) {
    ids += w.calibration.dataset->samples()[index].id + "\n";
  }
  return Line("calibration_manifest_sha256", w.calibration.manifest_sha256) +
         Line("calibration_preprocessing", data::ToString(w.calibration_preprocessing())) +
         Line("calibration_ids_sha256", data::Sha256(ids)) + Line("seed", std::to_string(trial.seed));
}

// Only where it is not as for the evaluated images, so that keys from before this line stay what they are.
std::string CalibrationExifText(const Trial& trial) {
  const Workload& w = *trial.workload;
  const bool same = w.calibration_dataset->apply_exif_orientation == w.dataset.apply_exif_orientation;
  return same ? "" : Line("calibration_exif_orientation", ExifText(*w.calibration_dataset));
}

std::string NumericsLine() { return Line("numerics_version", std::to_string(kNumericsVersion)); }

std::string CanonicalText(const Trial& trial) {
  const Workload& w = *trial.workload;
  return "ptqbench trial 1\n" + ModelText(w) + Line("preprocessing", data::ToString(w.preprocessing())) +
         Line("dataset_manifest_sha256", w.images.manifest_sha256) + Line("exif_orientation", ExifText(w.dataset)) +
         MethodLine(trial) + Line("parameters", trial.parameters_text()) + Line("scheme", trial.scheme_text()) +
         (trial.is_float() ? "" : CalibrationText(trial) + CalibrationExifText(trial)) +
         Line("exec_mode", trial.exec_mode()) + NumericsLine();
}

// Draws calibration images and names the trial.  A fault (too few images, images of the evaluation set) is returned.
Status Identify(Trial& trial) {
  const Workload& w = *trial.workload;
  if (w.absent) {
    return OkStatus();
  }
  if (!trial.is_float()) {
    const auto available = static_cast<int64_t>(w.calibration.dataset->samples().size());
    if (w.calibration_images > available) {
      return InvalidArgument(std::to_string(w.calibration_images) + " calibration images asked for, " +
                             w.calibration_dataset->name + " has " + std::to_string(available));
    }
    trial.calibration_indices = DrawCalibrationImages(*w.calibration.dataset, w.calibration_images, trial.seed);
    PTQ_RETURN_IF_ERROR(CheckCalibrationImages(*w.calibration.dataset, trial.calibration_indices, *w.images.dataset));
  }
  trial.text = CanonicalText(trial);
  trial.key = data::Sha256(trial.text);
  return OkStatus();
}

}  // namespace

data::Preprocessing Workload::preprocessing() const {
  return data::EffectivePreprocessing(model.preprocessing, dataset);
}

data::Preprocessing Workload::calibration_preprocessing() const {
  return data::EffectivePreprocessing(model.preprocessing, *calibration_dataset);
}

std::string Trial::Describe() const {
  std::string text = workload->model.name + " on " + workload->dataset.name + ", " + method_id();
  if (!is_float()) {
    text += " " + scheme.ShortName() + ", seed " + std::to_string(seed) + (is_integer() ? ", integer" : "");
  }
  return text;
}

std::string CheckpointScope(const Trial& trial) {
  const Workload& w = *trial.workload;
  return data::Sha256("ptqbench checkpoint 1\n" + ModelText(w) + MethodLine(trial) + CalibrationText(trial) +
                      Line("calibration_exif_orientation", ExifText(*w.calibration_dataset)) + NumericsLine());
}

std::vector<int64_t> DrawCalibrationImages(const data::Dataset& dataset, int64_t count, int64_t seed) {
  RandomStream stream(static_cast<uint64_t>(seed), "calibration_images");
  return SampleWithoutReplacement(stream, static_cast<int64_t>(dataset.samples().size()), count);
}

Status CheckCalibrationRole(const data::DatasetEntry& entry) {
  if (entry.role == data::DatasetRole::kEvaluation) {
    return InvalidArgument("data set " + entry.name +
                           " is an evaluation set; calibrate with one whose role is calibration or train");
  }
  return OkStatus();
}

Status CheckCalibrationImages(const data::Dataset& calibration, const std::vector<int64_t>& indices,
                              const data::Dataset& evaluation) {
  PTQ_RETURN_IF_ERROR(CheckCalibrationRole(calibration.entry()));
  auto identity = [](const data::Dataset& dataset, const data::Sample& sample) {
    return std::string(data::Name(dataset.entry().kind)) + " " + dataset.entry().root + "/" + sample.id;
  };
  std::set<std::string> evaluated;
  for (const data::Sample& sample : evaluation.samples()) {
    evaluated.insert(identity(evaluation, sample));
  }
  for (const int64_t index : indices) {
    const data::Sample& sample = calibration.samples()[index];
    if (evaluated.count(identity(calibration, sample)) != 0) {
      return InvalidArgument("calibration image " + sample.id + " is also an evaluation image of " +
                             evaluation.entry().name + "; use images that are not evaluated");
    }
  }
  return OkStatus();
}

Result<std::vector<Trial>> ResolveTrials(const ExperimentSpec& spec, const method::Registry& registry,
                                         Workspace& workspace) {
  Faults faults(spec.path);
  std::vector<Trial> trials;
  std::map<std::string, std::shared_ptr<Workload>> workloads;
  for (const TrialSpec& line : spec.trials) {
    const WorkloadSpec& w = line.workload;
    const std::string id = w.model + "\n" + w.dataset + "\n" + w.calibration_dataset + "\n" +
                           std::to_string(w.calibration_images) + (w.float_only ? "f" : "");
    auto found = workloads.find(id);
    if (found == workloads.end()) {
      auto workload = FindEntries(w, workspace, faults);
      if (workload != nullptr) {
        FindInputs(*workload, workspace);
      }
      found = workloads.emplace(id, std::move(workload)).first;
    }
    Trial trial;
    trial.workload = found->second;
    trial.label = line.label;
    trial.scheme = line.scheme;
    trial.exec = line.exec;
    if (line.method != kFloat32) {
      const Result<const method::Method*> method = registry.Find(line.method);
      if (!method.ok()) {
        faults.Add(line.position, method.error().message);
        continue;
      }
      trial.method = *method;
      Result<method::Parameters> parameters =
          method::Parameters::Resolve(trial.method->info().parameters, line.parameters, line.scheme.mixed);
      if (!parameters.ok()) {
        faults.Add(line.position, parameters.error().message);
        continue;
      }
      trial.parameters = *std::move(parameters);
    }
    if (trial.workload == nullptr) {
      continue;
    }
    for (const int64_t seed : line.seeds) {
      trial.seed = seed;
      const Status identified = Identify(trial);
      if (!identified.ok()) {
        faults.Add(line.workload.calibration_position, identified.error().message);
      }
      trials.push_back(trial);
    }
  }
  if (!faults.text().empty()) {
    return InvalidArgument(faults.text());
  }
  return trials;
}

}  // namespace ptq::experiments
