// spec.h: an experiment file: one TOML file, one question.
//
//   name = "table1"
//   question = "What accuracy do ... keep?"
//   published = ["liu2021_table1"]         # files of results/published shown beside the measured values; optional
//   seeds = [0, 1, 2]
//   latency = { batch = [1, 8], threads = [1, 2] }   # optional: times every trial with exec = "integer" so
//
//   [[workload]]                           # model x dataset pairs; lists sweep
//   model = ["deit_tiny_patch16_224"]
//   dataset = "imagenet_val1300"
//   calibration_dataset = "imagenet_calib1000"
//   calibration_images = [32]
//   float_only = false                     # optional; true: no trial runs here, and no calibration is named
//
//   [[trial]]                              # methods x bits x seeds on every workload (or the named ones)
//   method = ["percentile", "min_max"]
//   bits = ["W8A8", "W8A8 MP"]             # MP: mixed precision; W32A32 is the float model and always runs
//   label = "..."                          # optional title in tables
//   models = ["deit_tiny_patch16_224"]     # optional: only these workloads
//   datasets = [...]                       # optional
//   seeds = [0]                            # optional: replaces the file's
//   scheme = { weight_granularity = "per_channel", quantize_head = false }   # optional fields of method::Scheme
//   parameters = { percentile = [0.999, 0.9999] }                            # a list sweeps
//   exec = ["simulated", "integer"]        # optional, "simulated": who runs the plan
//
// Keys of `scheme`: weight_granularity, quantize_patch_embed, quantize_head, quantize_attention_products, and
// patch_input_bits, the width of the picture itself: 2..16, or 32 to leave it in float; without it as other
// activations.
//
// Every fault of a file is reported at once as `file:line:col: message` with the nearest known key; an unknown key is
// a fault, and nothing that is accepted is ignored: a workload that no trial covers, a trial that fits no workload, and
// seeds or a latency that nothing uses are faults too.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/method/parameters.h"
#include "core/method/scheme.h"
#include "data/catalog/strict_toml.h"

namespace ptq::experiments {

// A position in the spec, for faults found later (an unknown method, a parameter out of range); print with FaultAt.
using SourcePosition = data::SourcePosition;
using data::FaultAt;

// Who runs a plan: LibTorch on fake-quantized operands, or integer kernels (core/exec).
enum class ExecMode { kSimulated, kInteger };
const char* Name(ExecMode mode);  // "simulated", "integer"

struct WorkloadSpec {
  std::string model, dataset;       // names of the catalogues
  std::string calibration_dataset;  // likewise; empty where float_only
  int64_t calibration_images = 0;   // 0 where float_only
  bool float_only = false;          // nothing is calibrated; true of every float32 trial
  SourcePosition position;          // of the model's name
  SourcePosition dataset_position, calibration_position;
};

// One configuration on one workload, still without a seed.
struct TrialSpec {
  WorkloadSpec workload;
  std::string method;                                        // registry id; "float32" for the unquantized model
  std::string label;                                         // empty: the method's published name or id
  method::Scheme scheme;                                     // of no meaning for float32
  std::map<std::string, method::ParameterValue> parameters;  // as given
  ExecMode exec = ExecMode::kSimulated;                      // of no meaning for float32
  std::vector<int64_t> seeds;                                // not empty; {0} for float32, which has no randomness
  SourcePosition position;                                   // of the method's name
  std::map<std::string, SourcePosition> parameter_positions;
};

// One way to time a model.
struct LatencySetting {
  int64_t batch = 1;
  int threads = 1;
};

struct ExperimentSpec {
  std::string path;
  std::string text;  // the file as read
  std::string name;
  std::string question;
  std::vector<std::string> published;   // file names without ".csv"
  std::vector<LatencySetting> latency;  // batch sizes outermost; empty: nothing is timed
  // Expanded sweeps in table order.  Per workload: float32, where its model and data set come for the first time, then
  // the trials as written.  Outermost loop first: model, dataset, calibration_dataset, calibration_images; and within
  // one [[trial]] method, bits, parameters in ascending order of names, exec.
  std::vector<TrialSpec> trials;
};

// InvalidArgument with every fault, one a line; NotFound for an absent file.  A trial that expansion produces twice is
// a fault, and so are more than 20,000 trials, 2,000 workloads or 1,000 [[trial]] tables.
Result<ExperimentSpec> ParseSpec(const std::string& text, const std::string& path);
Result<ExperimentSpec> ReadSpec(const std::string& path);

}  // namespace ptq::experiments
