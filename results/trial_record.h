// trial_record.h: what is kept of a trial, and what is read back of it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ptq::results {

// Where a trial ran.  Rows with equal fields are stored once.
struct HostRecord {
  std::string cpu_model;
  std::string cpu_flags;  // space separated, ascending
  int64_t logical_cores = 0;
  int64_t memory_bytes = 0;
  std::string os;  // kernel and distribution
};

// What ran.  Rows with equal fields are stored once.
struct BuildRecord {
  std::string version;   // of ptqbench
  std::string revision;  // of the source tree, with "-dirty" behind it where no commit has it; empty where unknown
  std::string compiler;
  std::string flags;
  std::string libraries;  // "LibTorch 1.13.1; OpenBLAS ...; oneDNN 2.6.3; SQLite ..."
};

// The evaluated images in order; stored once per name and manifest hash.  Both lists empty: not known.
struct DatasetRecord {
  std::string name;
  std::string manifest_sha256;
  std::vector<std::string> image_ids;
  std::vector<int64_t> labels;
};

// One quantized operand of the executed plan, or the quantized input of a LayerNorm.
struct OperandRecord {
  std::string op;    // "blocks.3.attn.qkv"; of a LayerNorm's input "blocks.3.norm1"
  std::string side;  // "left", "right"; empty for a LayerNorm's input
  std::string grid;  // "affine", ...
  int num_bits = 0;
  std::string granularity;  // "per_tensor", "per_channel"
  int axis = -1;
  std::vector<float> scale;
  std::vector<int32_t> zero_point;
  // Empty, or as many as in scale (quant::QuantParams).
  std::vector<float> second_scale = {};
  std::vector<int32_t> channel_bits = {};
  std::vector<float> correction = {};

  // "blocks.3.attn.qkv.left", "blocks.3.norm1".
  std::string name() const { return side.empty() ? op : op + "." + side; }
};

enum class TrialStatus { kDone, kFailed, kUnsupported };
const char* Name(TrialStatus status);  // "done", "failed", "unsupported"

struct Prediction {
  std::array<int32_t, 5> top = {-1, -1, -1, -1, -1};  // classes by descending logit; -1 where there are fewer
};

struct TrialRecord {
  std::string trial_key;   // SHA-256 of trial_text
  std::string trial_text;  // canonical text of all that changes a number
  std::string experiment;  // name of the spec
  std::string spec_text;
  std::string spec_sha256;  // of spec_text; empty where unknown
  std::string model, weights_sha256, geometry;
  std::string preprocessing;
  DatasetRecord dataset;
  std::string calibration_dataset;  // empty for float32
  std::string calibration_manifest_sha256;
  std::vector<std::string> calibration_ids;  // the drawn images, ascending
  std::string method;                        // "percentile"; "float32" for the unquantized model
  int method_version = 1;
  std::string parameters, scheme;  // canonical texts
  int w_bits = 32, a_bits = 32;    // asked for
  bool mixed = false;
  int64_t seed = 0;
  std::string exec_mode;  // "float32", "simulated", "integer"
  int numerics_version = 1;
  TrialStatus status = TrialStatus::kDone;
  std::string reason;                        // one sentence unless done
  std::vector<OperandRecord> operands;       // of the plan; empty for float32
  std::vector<OperandRecord> norm_inputs;    // of the plan, likewise
  std::vector<std::string> simulated_only;   // grids of the plan that no integer kernel can run, each once, ascending
  std::map<std::string, std::string> notes;  // of the plan, by name; values on one line
  std::string allocation_json;               // how a mixed-precision method chose its bits; empty: no such choice
  std::vector<Prediction> predictions;       // done: one per dataset image, in its order; else empty
  // A figure that is 0, negative or not finite was not measured and is stored as NULL.
  double size_bytes = 0;         // true bytes of the quantized model
  double paper_size_bytes = 0;   // by the paper's accounting
  double calibrate_seconds = 0;  // wall time of the method
  double evaluate_seconds = 0;
  int64_t peak_rss_bytes = 0;             // of the process up to the trial's end
  std::string started_utc, finished_utc;  // ISO 8601, "2026-01-31T12:00:00Z"
  int threads = 1;
  std::string affinity;  // CPUs that the process could run on, "0-3,8"; empty where unknown
  HostRecord host;
  BuildRecord build;
};

// One row of v_trial, in its column order; then what a report needs besides.
struct TrialSummary {
  std::string experiment, trial_key, model, dataset, method;
  int w_bits = 0, a_bits = 0;
  bool mixed = false;
  int64_t seed = 0;
  std::string exec_mode;
  int64_t calib_images = 0, images = 0;
  std::optional<double> top1_fraction;        // absent unless done
  std::optional<double> float_top1_fraction;  // of the float32 trial: same weights, images, preprocessing
  std::optional<double> size_bytes, calibrate_seconds, peak_rss_bytes, latency_ns_median;
  TrialStatus status = TrialStatus::kDone;
  std::string reason;
  // Not in v_trial: what a spec says about a trial, and the size by the paper's accounting.
  std::string calibration_dataset, parameters, scheme;
  int method_version = 1;
  std::optional<double> paper_size_bytes;
  std::string weights_sha256, dataset_manifest_sha256;
  std::string revision;                     // BuildRecord
  std::vector<std::string> simulated_only;  // v_trial has whether there are any; none in a file older than such records
  std::map<std::string, std::string> notes;  // likewise none
};

}  // namespace ptq::results
