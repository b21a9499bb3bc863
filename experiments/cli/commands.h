// commands.h: the verbs of `ptqbench`.  Each prints its answer to stdout, progress and errors to stderr, and returns
// the exit code: 0 done, 1 some trial failed, 2 usage or spec, 3 input missing or environment, 130 stopped by Ctrl-C.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace ptq::experiments::cli {

enum ExitCode { kExitDone = 0, kExitTrialFailed = 1, kExitUsage = 2, kExitEnvironment = 3, kExitStopped = 130 };

// Flags that every verb takes.
struct GlobalFlags {
  std::string home, data_root, database, models, datasets;
  int threads = 0;           // 0: as many as there are cores
  bool allow_dirty = false;  // whether a program built from uncommitted sources may store numbers
};

struct RunFlags {
  std::string spec;
  std::string format = "table";
  std::string out;  // of the report; empty: stdout
  bool retry_failed = false;
  bool no_checkpoint = false;  // neither finds nor keeps finished parts of calibrations
};

struct DescribeFlags {
  std::string name;          // "plan", or what is described
  std::string plan;          // of "plan" only: a plan file, or a trial's key or the beginning of one
  bool whole_front = false;  // of "plan" only
};

struct PredictFlags {
  std::string model, plan;  // both empty where `packed` names a file
  std::string packed, dataset, out;
};

struct ExportFlags {
  std::string model, plan, out;
};

struct QuantizeFlags {
  std::string model, method, bits = "W8A8", calibration_dataset, out;
  std::string weight_granularity = "per_tensor";
  int patch_input_bits = 0;             // method::Scheme
  std::vector<std::string> parameters;  // "name=value"
  int64_t calibration_images = 32;
  int64_t seed = 0;
  bool no_checkpoint = false;
};

struct LatencyFlags {
  std::string model;
  std::string plan;                        // empty: one is made
  std::optional<uint64_t> random_weights;  // the seed; absent: the model's own weights
  std::vector<int64_t> batches = {1, 8}, threads = {1, 2};
  std::string instruction_set;  // empty: the best that the CPU has
  int64_t runs = 0;             // rounds; 0: the protocol's own rule
  bool explain = false, no_store = false;
};

struct CompareFlags {
  std::string a, b;  // keys of stored trials or the beginnings of them
  std::string format = "table";
};

struct SensitivityFlags {
  std::string model, method = "min_max", by = "op";
  std::string dataset, calibration_dataset;  // empty: the first that is there and fits the model
  std::string weight_granularity = "per_tensor";
  std::vector<int> bits = {8, 6, 4};
  int64_t images = 64, calibration_images = 32;
  int64_t seed = 0;
  std::string format = "table";
  bool no_checkpoint = false;
};

struct ContactSheetFlags {
  std::string dataset, out;
  int64_t rows = 10, columns = 20;
};

int Run(const GlobalFlags& global, const RunFlags& flags);
int Plan(const GlobalFlags& global, const RunFlags& flags);    // what would run, what is done
int Check(const GlobalFlags& global, const RunFlags& flags);   // the spec alone
int Report(const GlobalFlags& global, const RunFlags& flags);  // the table from the store
int List(const GlobalFlags& global, const std::string& what);  // methods, models, datasets, experiments
int Describe(const GlobalFlags& global, const DescribeFlags& flags);
int DescribePlan(const GlobalFlags& global, const DescribeFlags& flags);
int Predict(const GlobalFlags& global, const PredictFlags& flags);
int Quantize(const GlobalFlags& global, const QuantizeFlags& flags);
int Export(const GlobalFlags& global, const ExportFlags& flags);
int Latency(const GlobalFlags& global, const LatencyFlags& flags);
int Compare(const GlobalFlags& global, const CompareFlags& flags);          // two stored trials, image by image
int Sensitivity(const GlobalFlags& global, const SensitivityFlags& flags);  // each part quantized alone
int Reproduce(const GlobalFlags& global, const std::string& key);           // a stored trial once more
int Checklist(const GlobalFlags& global);                                   // the reproducibility checklist, filled in
int ContactSheet(const GlobalFlags& global, const ContactSheetFlags& flags);
int VerifyData(const GlobalFlags& global, const std::vector<std::string>& names);
int VerifyResults(const GlobalFlags& global);
int DbMerge(const std::string& target, const std::string& source);   // results files
int DbExport(const GlobalFlags& global, const std::string& format);  // v_trial to stdout
int DbGc(const GlobalFlags& global);  // drops what no unfinished trial needs, and makes the files smaller

// Prints "ptqbench: <error>" to stderr, one line per line of the message, and returns the exit code of its kind.
int Fail(const Error& error);

}  // namespace ptq::experiments::cli
