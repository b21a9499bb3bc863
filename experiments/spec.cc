#include "experiments/spec.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "core/base/nearest_name.h"
#include "core/quant/quant_params.h"
#include "experiments/bit_widths.h"
#include "experiments/spec_expansion.h"

namespace ptq::experiments {
namespace {

using data::Need;
using data::Placed;
using data::TextRule;
using data::TomlTable;

constexpr int64_t kMaxSeed = std::numeric_limits<int64_t>::max();
constexpr int64_t kMaxCalibrationImages = 10'000'000;
constexpr int64_t kMaxLatencyBatch = 1024;
constexpr int64_t kMaxLatencyThreads = 1024;
constexpr size_t kMaxWorkloads = 2000;
constexpr size_t kMaxTrialTables = 1000;

std::vector<BitWidths> ReadBits(TomlTable& table) {
  std::vector<BitWidths> list;
  for (const auto& text : table.Texts("bits", TextRule::kLine, Need::kRequired)) {
    if (text.value == "W32A32") {
      table.Fault(text.position, "'bits' lists W32A32; the float row always runs, so leave it out");
      continue;
    }
    const Result<BitWidths> bits = ParseBitWidths(text.value, "'bits'");
    if (bits.ok()) {
      list.push_back(*bits);
    } else {
      table.Fault(text.position, bits.error().message);
    }
  }
  return list;
}

std::vector<int64_t> ReadSeeds(TomlTable& table, Need need) {
  std::vector<int64_t> seeds;
  for (const auto& seed : table.Ints("seeds", 0, kMaxSeed, need)) {
    seeds.push_back(seed.value);
  }
  return seeds;
}

// Appends every combination of the lists of one [[workload]].
void ReadWorkload(TomlTable& table, std::vector<WorkloadSpec>* workloads) {
  const auto models = table.Texts("model", TextRule::kName, Need::kRequired);
  const auto datasets = table.Texts("dataset", TextRule::kName, Need::kRequired);
  const bool float_only = table.Bool("float_only", false);
  const Need need = float_only ? Need::kOptional : Need::kRequired;
  auto calibration_datasets = table.Texts("calibration_dataset", TextRule::kName, need);
  auto calibration_images = table.Ints("calibration_images", 1, kMaxCalibrationImages, need);
  if (float_only) {
    for (const char* key : {"calibration_dataset", "calibration_images"}) {
      if (table.Has(key)) {
        table.Fault(table.PositionOf(key), std::string("'") + key + "' is not used where float_only is true");
      }
    }
    calibration_datasets = {{"", table.position()}};
    calibration_images = {{0, table.position()}};
  }
  size_t count = 1;
  for (const size_t factor : {models.size(), datasets.size(), calibration_datasets.size(), calibration_images.size()}) {
    count = std::min(count * factor, kMaxWorkloads + 1);
  }
  if (workloads->size() + count > kMaxWorkloads) {
    table.Fault(table.position(), "the sweeps make more than 2000 workloads; split the experiment");
    return;
  }
  for (const auto& model : models) {
    for (const auto& dataset : datasets) {
      for (const auto& calibration : calibration_datasets) {
        for (const auto& images : calibration_images) {
          workloads->push_back({model.value, dataset.value, calibration.value, images.value, float_only, model.position,
                                dataset.position, calibration.position});
        }
      }
    }
  }
}

// The fields of the scheme, without bits; each width of `bits` has to make a legal scheme with them.
method::Scheme ReadScheme(TomlTable& trial, const std::vector<BitWidths>& bits) {
  method::Scheme scheme;
  std::optional<TomlTable> table = trial.Table("scheme", Need::kOptional);
  if (!table) {
    return scheme;
  }
  const std::string per_tensor = quant::Name(quant::Granularity::kPerTensor);
  const std::string per_channel = quant::Name(quant::Granularity::kPerChannel);
  const std::string granularity =
      table->Choice("weight_granularity", {per_tensor, per_channel}, Need::kOptional, per_tensor);
  scheme.weight_granularity =
      granularity == per_channel ? quant::Granularity::kPerChannel : quant::Granularity::kPerTensor;
  scheme.quantize_patch_embed = table->Bool("quantize_patch_embed", scheme.quantize_patch_embed);
  scheme.quantize_head = table->Bool("quantize_head", scheme.quantize_head);
  scheme.quantize_attention_products = table->Bool("quantize_attention_products", scheme.quantize_attention_products);
  scheme.patch_input_bits = static_cast<int>(table->Int("patch_input_bits", 0, 32, Need::kOptional, 0));
  Status legal = method::Validate(scheme);
  for (size_t i = 0; i < bits.size() && legal.ok(); ++i) {
    method::Scheme asked = scheme;
    asked.weight_bits = bits[i].weight;
    asked.activation_bits = bits[i].activation;
    asked.mixed = bits[i].mixed;
    legal = method::Validate(asked);
  }
  if (legal.ok() && !scheme.quantize_patch_embed && table->Has("patch_input_bits")) {
    legal = InvalidArgument("patch_input_bits is not used where quantize_patch_embed is false");
  }
  if (!legal.ok()) {
    table->Fault(table->PositionOf("patch_input_bits"), legal.error().message);
  }
  return scheme;
}

std::vector<ExecMode> ReadExecs(TomlTable& trial) {
  const std::vector<std::string> names = {Name(ExecMode::kSimulated), Name(ExecMode::kInteger)};
  std::vector<ExecMode> execs;
  for (const auto& text : trial.Texts("exec", TextRule::kLine, Need::kOptional)) {
    if (text.value == names[0] || text.value == names[1]) {
      execs.push_back(text.value == names[1] ? ExecMode::kInteger : ExecMode::kSimulated);
    } else {
      trial.Fault(text.position, "'exec' is '" + text.value + "'; it must be one of simulated, integer" +
                                     DidYouMean(text.value, names));
    }
  }
  return execs.empty() ? std::vector<ExecMode>{ExecMode::kSimulated} : execs;
}

// [latency]: every combination of its lists.
std::vector<LatencySetting> ReadLatency(TomlTable& root, const std::vector<TrialTable>& trials) {
  std::vector<LatencySetting> settings;
  std::optional<TomlTable> table = root.Table("latency", Need::kOptional);
  if (!table) {
    return settings;
  }
  const auto threads = table->Ints("threads", 1, kMaxLatencyThreads, Need::kRequired);
  for (const auto& batch : table->Ints("batch", 1, kMaxLatencyBatch, Need::kRequired)) {
    for (const auto& count : threads) {
      settings.push_back({batch.value, static_cast<int>(count.value)});
    }
  }
  const auto is_timed = [](const TrialTable& trial) {
    return std::find(trial.execs.begin(), trial.execs.end(), ExecMode::kInteger) != trial.execs.end();
  };
  if (std::none_of(trials.begin(), trials.end(), is_timed)) {
    root.Fault(root.PositionOf("latency"), "'latency' is not used: no [[trial]] has exec = \"integer\"");
  }
  return settings;
}

TrialTable ReadTrial(TomlTable& table) {
  TrialTable trial;
  trial.position = table.position();
  for (const auto& method : table.Texts("method", TextRule::kName, Need::kRequired)) {
    if (method.value == "float32") {
      table.Fault(method.position, "'method' lists float32; the float row always runs, so leave it out");
    } else {
      trial.methods.push_back(method);
    }
  }
  trial.bits = ReadBits(table);
  trial.label = table.Text("label", TextRule::kLine, Need::kOptional);
  trial.models = table.Texts("models", TextRule::kName, Need::kOptional);
  trial.datasets = table.Texts("datasets", TextRule::kName, Need::kOptional);
  trial.seeds = ReadSeeds(table, Need::kOptional);
  trial.scheme = ReadScheme(table, trial.bits);
  trial.execs = ReadExecs(table);
  if (std::optional<TomlTable> parameters = table.Table("parameters", Need::kOptional)) {
    for (const std::string& name : parameters->Keys()) {
      trial.parameters[name] = parameters->Scalars(name, Need::kRequired);
    }
  }
  return trial;
}

// Every [[trial]].  The file's seeds go to those that name none; where they reach no trial they are a fault.
std::vector<TrialTable> ReadTrials(TomlTable& root) {
  std::vector<TomlTable> tables = root.Tables("trial", Need::kOptional);
  if (tables.size() > kMaxTrialTables) {
    root.Fault(tables[kMaxTrialTables].position(), "more than 1000 [[trial]] tables; split the experiment");
    tables.erase(tables.begin() + kMaxTrialTables, tables.end());
  }
  bool needed = false;
  for (const TomlTable& table : tables) {
    needed = needed || !table.Has("seeds");
  }
  const std::vector<int64_t> shared = ReadSeeds(root, needed ? Need::kRequired : Need::kOptional);
  if (!needed && !shared.empty()) {
    root.Fault(root.PositionOf("seeds"), "'seeds' of the file is not used: no [[trial]] is without its own");
  }
  std::vector<TrialTable> trials;
  for (TomlTable& table : tables) {
    trials.push_back(ReadTrial(table));
    if (!table.Has("seeds")) {
      trials.back().seeds = shared;
    }
  }
  return trials;
}

}  // namespace

const char* Name(ExecMode mode) { return mode == ExecMode::kInteger ? "integer" : "simulated"; }

Result<ExperimentSpec> ParseSpec(const std::string& text, const std::string& path) {
  PTQ_ASSIGN_OR_RETURN(data::TomlDocument document, data::TomlDocument::Parse(text, path));
  TomlTable root = document.Root();
  ExperimentSpec spec;
  spec.path = path;
  spec.text = text;
  spec.name = root.Text("name", TextRule::kName, Need::kRequired);
  spec.question = root.Text("question", TextRule::kText, Need::kRequired);
  for (const auto& name : root.Texts("published", TextRule::kName, Need::kOptional)) {
    spec.published.push_back(name.value);
  }
  std::vector<WorkloadSpec> workloads;
  const size_t before_workloads = document.fault_count();
  for (TomlTable& table : root.Tables("workload", Need::kRequired)) {
    ReadWorkload(table, &workloads);
  }
  const size_t before_trials = document.fault_count();
  const std::vector<TrialTable> trials = ReadTrials(root);
  const size_t after_trials = document.fault_count();
  spec.latency = ReadLatency(root, trials);
  ExpandedTrials expanded;
  if (before_trials == before_workloads) {
    expanded = ExpandTrials(workloads, trials, after_trials == before_trials);
  }
  for (const auto& [position, message] : expanded.faults) {
    root.Fault(position, message);
  }
  PTQ_RETURN_IF_ERROR(document.Finish());
  spec.trials = std::move(expanded.trials);
  return spec;
}

Result<ExperimentSpec> ReadSpec(const std::string& path) {
  PTQ_ASSIGN_OR_RETURN(const std::string text, data::ReadToml(path));
  return ParseSpec(text, path);
}

}  // namespace ptq::experiments
