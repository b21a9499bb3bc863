// trial.h: one measurement, fully named: what an experiment's line means on this machine's files.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/method/method.h"
#include "experiments/spec.h"
#include "experiments/workspace.h"

namespace ptq::experiments {

// Rises with every change of an executor's arithmetic that moves a number.
constexpr int kNumericsVersion = 1;

// The method id of the unquantized model.
constexpr char kFloat32[] = "float32";

// What a trial's inputs are; shared by the trials of a workload.
struct Workload {
  data::ModelEntry model;
  data::DatasetEntry dataset;
  std::optional<data::DatasetEntry> calibration_dataset;  // absent for float_only workloads
  int64_t calibration_images = 0;
  // What is on disk; empty where `absent` says why not.
  WeightsFile weights;
  OpenedDataset images;
  OpenedDataset calibration;
  std::optional<Error> absent;

  data::Preprocessing preprocessing() const;
  data::Preprocessing calibration_preprocessing() const;
};

struct Trial {
  std::shared_ptr<const Workload> workload;
  const method::Method* method = nullptr;  // null: the float32 model
  std::string label;
  method::Scheme scheme;
  method::Parameters parameters;
  ExecMode exec = ExecMode::kSimulated;
  int64_t seed = 0;
  std::vector<int64_t> calibration_indices;  // drawn images, ascending; empty where inputs are absent
  std::string text;  // canonical text of all that changes a number; empty where inputs are absent
  std::string key;   // its SHA-256

  bool is_float() const { return method == nullptr; }
  std::string method_id() const { return is_float() ? kFloat32 : method->info().id; }
  int method_version() const { return is_float() ? 1 : method->info().version; }
  const char* exec_mode() const { return is_float() ? "float32" : Name(exec); }
  bool is_integer() const { return !is_float() && exec == ExecMode::kInteger; }
  int w_bits() const { return is_float() ? 32 : scheme.weight_bits; }
  int a_bits() const { return is_float() ? 32 : scheme.activation_bits; }
  bool mixed() const { return !is_float() && scheme.mixed; }
  std::string scheme_text() const { return is_float() ? "" : scheme.ToString(); }
  std::string parameters_text() const { return is_float() ? "" : parameters.ToString(); }
  // "micro_vit on embedded_test, percentile W8A8, seed 0", with ", integer" where integer kernels run it
  std::string Describe() const;
};

// The trials of an experiment in table order.  Absent inputs are no error: such trials carry the reason.
// Errors: InvalidArgument with every fault (unknown model, data set, method, parameter; evaluation images used for
// calibration; more calibration images than there are), each `file:line:col: message`.
Result<std::vector<Trial>> ResolveTrials(const ExperimentSpec& spec, const method::Registry& registry,
                                         Workspace& workspace);

// SHA-256 of everything outside the method's own keys that a finished part of the trial's calibration depends on: equal
// for trials of one method version on the same weights and drawn images that differ in scheme or parameters.  The
// trial's inputs are present and it is not the float32 one.
std::string CheckpointScope(const Trial& trial);

// Indices of `count` calibration images drawn by seed.
std::vector<int64_t> DrawCalibrationImages(const data::Dataset& dataset, int64_t count, int64_t seed);

// InvalidArgument where the entry is an evaluation set, whose images never calibrate.
Status CheckCalibrationRole(const data::DatasetEntry& entry);

// InvalidArgument where `calibration` may not calibrate for `evaluation`: it is an evaluation set, or holds an image
// that `evaluation` holds.
Status CheckCalibrationImages(const data::Dataset& calibration, const std::vector<int64_t>& indices,
                              const data::Dataset& evaluation);

}  // namespace ptq::experiments
