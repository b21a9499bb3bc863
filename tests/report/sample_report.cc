#include "tests/report/sample_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ptq::results {
namespace {

constexpr int kBlocks = 12;
constexpr const char* kKinds[] = {"attn.qkv", "attn.qk", "attn.pv", "attn.proj", "mlp.fc1", "mlp.fc2"};

struct Model {
  const char* name;
  const char* title;
  double float_top1;
  double parameters;
};
constexpr Model kTiny = {"deit_tiny_patch16_224", "DeiT-T", 0.7215, 5.72e6};
constexpr Model kSmall = {"vit_small_patch16_224", "ViT-S", 0.8139, 22.05e6};

// loss: points of accuracy that 6 bits cost; a third of it at 8 bits and four times at 4 bits.
struct Method {
  const char* id;
  const char* title;
  double loss;
};
constexpr Method kMethods[] = {{"min_max", "MinMax", 9.1},
                               {"percentile", "Percentile", 4.0},
                               {"kl", "KL", 4.6},
                               {"mse", "MSE", 3.1},
                               {"aciq", "ACIQ", 5.2},
                               {"easyquant", "EasyQuant", 2.6},
                               {"lapq", "LAPQ", 2.9},
                               {"bit_split", "Bit-Split", 2.3},
                               {"fq_vit", "FQ-ViT", 1.9},
                               {"ptq4vit", "PTQ4ViT", 1.4},
                               {"repq_vit", "RepQ-ViT", 1.1},
                               {"easyquant_bias", "EasyQuant + bias", 2.2},
                               {"liu2021", "Liu2021", 1.7}};

// A number in [0, 1) that any machine draws alike.
double Draw(const std::string& text) {
  uint64_t hash = 1469598103934665603U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9U;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebU;
  return static_cast<double>((hash ^ (hash >> 31)) >> 11) * 0x1p-53;
}

std::string Hex(const std::string& text) {
  std::string hex;
  for (int i = 0; i < 4; ++i) {
    hex += fmt::format("{:016x}", static_cast<uint64_t>(Draw(fmt::format("{} {}", text, i)) * 0x1p63) * 2 + i % 2);
  }
  return hex;
}

std::vector<std::string> Ops() {
  std::vector<std::string> ops = {"patch_embed.proj"};
  for (int block = 0; block < kBlocks; ++block) {
    for (const char* kind : kKinds) ops.push_back(fmt::format("blocks.{}.{}", block, kind));
  }
  ops.emplace_back("head");
  return ops;
}

std::vector<OperandRecord> Operands(int bits, bool mixed) {
  std::vector<OperandRecord> operands;
  for (const std::string& op : Ops()) {
    const int own = mixed ? bits + (Draw(op) < 0.4 ? 2 : Draw(op) > 0.75 ? -2 : 0) : bits;
    operands.push_back({op, "left", "affine", own, "per_tensor", -1, {0.5f}, {3}});
    operands.push_back({op, "right", "symmetric_full", own, "per_channel", 0, {0.5f, 0.25f}, {0, 0}});
  }
  return operands;
}

TrialRecord Record(const Model& model, const Method& method, int bits, bool mixed, int64_t seed) {
  TrialRecord trial;
  trial.trial_text = fmt::format("model {}\nmethod {}\nscheme W{}A{}{}\nseed {}\n", model.name, method.id, bits, bits,
                                 mixed ? " mixed" : "", seed);
  trial.trial_key = Hex(trial.trial_text);
  trial.experiment = "sample";
  trial.spec_text = "name = \"sample\"\n[[trial]]\nmethods = [\"percentile\", \"liu2021\"]\n";
  trial.spec_sha256 = Hex(trial.spec_text);
  trial.model = model.name;
  trial.weights_sha256 = Hex(model.name);
  trial.geometry = "patch 16, 12 blocks";
  trial.preprocessing = "resize 256 bicubic, crop 224";
  trial.dataset = {"imagenet_val1300", Hex("val"), std::vector<std::string>(1300, "image"), {}};
  trial.method = method.id;
  trial.exec_mode = bits == 32 ? "float32" : "simulated";
  trial.w_bits = trial.a_bits = bits;
  trial.mixed = mixed;
  trial.seed = seed;
  trial.size_bytes = trial.paper_size_bytes = model.parameters * bits / 8;
  if (bits < 32) {
    trial.size_bytes *= 1.02 + 0.06 * Draw(method.id);
    trial.calibration_dataset = "imagenet_calib";
    trial.calibration_manifest_sha256 = Hex("calib");
    trial.calibration_ids.assign(32, "image");
    trial.parameters = "rounds=3";
    trial.scheme = fmt::format("W{}A{}", bits, bits);
    trial.calibrate_seconds = 2 + 300 * Draw(trial.trial_text);
    trial.operands = Operands(bits, mixed);
    trial.notes = {{"evaluations", "412"}};
  }
  trial.evaluate_seconds = 61.5;
  trial.peak_rss_bytes = int64_t{1400} << 20;
  trial.started_utc = "2026-01-31T12:00:00Z";
  trial.finished_utc = "2026-01-31T12:07:04Z";
  trial.threads = 2;
  trial.affinity = "0-1";
  trial.host = {"A CPU of 3 GHz", "avx avx2 avx512f fma sse2", 8, int64_t{16} << 30, "Linux 6.1 Debian 12"};
  trial.build = {"0.4.0", "0123456789abcdef0123456789abcdef01234567", "g++ 12.2.0", "-O3 -march=x86-64-v3",
                 "LibTorch 1.13.1; oneDNN 2.6.3; SQLite 3.40.1"};
  return trial;
}

double Accuracy(const Model& model, const Method& method, int bits, bool mixed, int64_t seed) {
  if (bits == 32) return model.float_top1;
  const double factor = bits == 8 ? 0.33 : bits == 6 ? 1 : 4;
  const double jitter = 0.6 * (Draw(fmt::format("{}{}{}{}", model.name, method.id, bits, seed)) - 0.5);
  const double loss = factor * method.loss * (mixed ? 0.55 : 1) + jitter;
  return std::round(std::max(model.float_top1 - loss / 100, 0.004) * 1300) / 1300;
}

TrialSummary Summary(const TrialRecord& record, const Model& model, double top1) {
  TrialSummary trial;
  trial.experiment = record.experiment;
  trial.trial_key = record.trial_key;
  trial.model = record.model;
  trial.dataset = record.dataset.name;
  trial.method = record.method;
  trial.w_bits = trial.a_bits = record.w_bits;
  trial.mixed = record.mixed;
  trial.seed = record.seed;
  trial.exec_mode = record.exec_mode;
  trial.calib_images = static_cast<int64_t>(record.calibration_ids.size());
  trial.images = 1300;
  trial.top1_fraction = top1;
  trial.float_top1_fraction = model.float_top1;
  trial.size_bytes = record.size_bytes;
  trial.paper_size_bytes = record.paper_size_bytes;
  if (record.calibrate_seconds > 0) trial.calibrate_seconds = record.calibrate_seconds;
  trial.revision = record.build.revision;
  trial.notes = record.notes;
  return trial;
}

TableRow Row(Report& report, const Model& model, const Method& method, int bits, bool mixed, int64_t seeds) {
  TableRow row;
  row.model = model.title;
  row.dataset = "ImageNet, 1300 images";
  row.method = method.title;
  row.w_bits = row.a_bits = bits;
  row.mixed = mixed;
  double sum = 0;
  for (int64_t seed = 0; seed < seeds; ++seed) {
    TrialRecord record = Record(model, method, bits, mixed, seed);
    const double top1 = Accuracy(model, method, bits, mixed, seed);
    sum += top1;
    row.trials.push_back(Summary(record, model, top1));
    report.trials.emplace(record.trial_key, std::move(record));
  }
  const double mean = sum / static_cast<double>(seeds);
  row.interval = Interval{mean - 0.024, mean + 0.024};
  return row;
}

void Fail(Report& report, TrialSummary& trial, TrialStatus status, const std::string& reason) {
  trial.status = report.trials.at(trial.trial_key).status = status;
  trial.reason = report.trials.at(trial.trial_key).reason = reason;
  trial.images = 0;
  trial.top1_fraction = trial.size_bytes = trial.paper_size_bytes = trial.calibrate_seconds = std::nullopt;
}

LatencyRecord Latency(double integer_ms, double float_ms, int64_t threads) {
  LatencyRecord record;
  record.batch = 1;
  record.threads = threads;
  record.float32.median_ns = float_ms * 1e6;
  record.integer.median_ns = integer_ms * 1e6;
  for (TimeSample* sample : {&record.float32, &record.integer}) {
    sample->p5_ns = sample->median_ns * 0.97;
    sample->p95_ns = sample->median_ns * 1.08;
    sample->ns.assign(50, static_cast<int64_t>(sample->median_ns));
  }
  record.ratio = float_ms / integer_ms;
  record.ratio_interval = {record.ratio * 0.98, record.ratio * 1.02};
  record.int8_coverage = 0.993;
  record.instruction_set = "avx512_vnni";
  record.affinity = "0-1";
  record.host = {"A CPU of 3 GHz", "avx avx2 avx512f fma sse2", 8, int64_t{16} << 30, "Linux 6.1 Debian 12"};
  return record;
}

void Publish(TableRow& row, double percent, const std::string& verdict, const std::string& reason) {
  row.published = PublishedRow{
      row.model, row.dataset, row.method, row.w_bits, row.a_bits, row.mixed, {}, percent, "Liu et al. 2021, Table 1",
      "src"};
  row.verdict = verdict;
  row.verdict_reason = reason;
}

void SetStanding(TableRow& row) {
  if (row.method == std::string("RepQ-ViT")) row.standing = row.w_bits == 4 ? Standing::kBest : Standing::kTied;
  if (row.method == std::string("PTQ4ViT") && row.w_bits > 4) row.standing = Standing::kTied;
  if (row.standing == Standing::kNone) row.adjusted_p = row.method == std::string("MinMax") ? 1e-9 : 0.0123;
}

void AddModel(Report& report, const Model& model) {
  std::vector<TableRow>& rows = report.table.rows;
  rows.push_back(Row(report, model, {"float32", "FP32", 0}, 32, false, 1));
  Publish(rows.back(), model.float_top1 * 100 + 0.05, "agrees", "the published figure is inside the 95 % interval");
  for (const Method& method : kMethods) {
    for (const int bits : {8, 6, 4}) {
      rows.push_back(Row(report, model, method, bits, false, bits == 4 ? 1 : 3));
      SetStanding(rows.back());
      if (bits != 8) continue;
      const double integer_ms = 3.1 + 2 * Draw(method.id);
      rows.back().latencies = {Latency(integer_ms, 8.2, 1), Latency(integer_ms / 1.8, 4.6, 2)};
    }
  }
  for (const int bits : {6, 4}) rows.push_back(Row(report, model, kMethods[12], bits, true, 2));
}

TableRow& Find(Report& report, const std::string& model, const std::string& method, int bits) {
  for (TableRow& row : report.table.rows) {
    if (row.model == model && row.method == method && row.w_bits == bits) return row;
  }
  return report.table.rows.front();
}

// A row with nothing measured.
void NotRun(TableRow& row, const std::string& reason) {
  row.trials.clear();
  row.latencies.clear();
  row.interval = std::nullopt;
  row.adjusted_p = std::nullopt;
  row.standing = Standing::kNone;
  row.not_run = reason;
}

void AddTroubles(Report& report) {
  TableRow& failed = Find(report, "ViT-S", "LAPQ", 4);
  Fail(report, failed.trials[0], TrialStatus::kFailed, "the scale of blocks.3.mlp.fc2 is not finite");
  failed.interval = std::nullopt;
  failed.adjusted_p = std::nullopt;
  TableRow& unsupported = Find(report, "ViT-S", "FQ-ViT", 4);
  Fail(report, unsupported.trials[0], TrialStatus::kUnsupported, "log2 grids need at least 6 bits");
  unsupported.interval = std::nullopt;
  unsupported.adjusted_p = std::nullopt;
  Fail(report, Find(report, "DeiT-T", "Percentile", 6).trials[1], TrialStatus::kFailed, "out of memory");
  NotRun(Find(report, "ViT-S", "Bit-Split", 6), "weights missing: put vit_small.safetensors under models");
  NotRun(Find(report, "ViT-S", "Bit-Split", 4), "weights missing: put vit_small.safetensors under models");
  TableRow& warned = Find(report, "DeiT-T", "ACIQ", 8);
  warned.warning = "the float32 accuracy of these weights is far from the published one";
  TrialRecord& dirty = report.trials.at(Find(report, "DeiT-T", "KL", 4).trials[0].trial_key);
  dirty.build.revision += "-dirty";
  dirty.notes["path"] = "<b>not bold</b>";
  Find(report, "DeiT-T", "KL", 4).trials[0].revision = dirty.build.revision;
  Find(report, "DeiT-T", "MSE", 8).trials[0].float_top1_fraction = std::nullopt;
  for (TrialSummary& trial : Find(report, "DeiT-T", "FQ-ViT", 8).trials) trial.simulated_only = {"log2"};
  Find(report, "DeiT-T", "EasyQuant", 8).latencies[0].clock_drift = 0.09;
  Find(report, "DeiT-T", "FQ-ViT", 8).latencies.clear();
}

void AddPublished(Report& report) {
  Publish(Find(report, "DeiT-T", "Percentile", 8), 71.10, "agrees", "the published figure is inside the 95 % interval");
  Publish(Find(report, "DeiT-T", "Liu2021", 6), 68.02, "higher", "ours is above it by more than the interval");
  Publish(Find(report, "ViT-S", "EasyQuant", 6), 81.20, "lower", "ours is below it by more than the interval");
  Publish(Find(report, "ViT-S", "Liu2021", 8), 81.00, "not comparable", "published of another calibration set");
  Find(report, "ViT-S", "EasyQuant", 6).published_elsewhere = true;
}

SensitivityCell Cell(const std::string& unit, int bits) {
  const double noise = 7.0 * bits - 12 * Draw(unit + "noise");
  const auto changed = static_cast<int64_t>(std::max(0.0, 30 - noise));
  return {unit, bits, noise > 54 ? std::nullopt : std::optional<double>(noise), changed, 184 - changed / 2};
}

SensitivityRecord Sensitivity(const Model& model, const std::string& grouping, const std::vector<std::string>& units) {
  SensitivityRecord record;
  record.model = model.name;
  record.weights_sha256 = Hex(model.name);
  record.dataset = {"imagenet_val1300", Hex("val"), {}, {}};
  record.images = 256;
  record.calibration_dataset = "imagenet_calib";
  record.calibration_manifest_sha256 = Hex("calib");
  record.calib_images = 32;
  record.method = "min_max";
  record.grouping = grouping;
  record.float_top1_correct = 184;
  for (const std::string& unit : units) {
    for (const int bits : {8, 6, 4}) record.cells.push_back(Cell(unit, bits));
  }
  record.finished_utc = "2026-01-31T14:00:00Z";
  return record;
}

}  // namespace

Report SampleReport() {
  Report report;
  report.table.title = "Sample: two vision transformers on 1300 images of ImageNet";
  report.table.latencies_missing = 2;
  report.created_utc = "2026-02-01T08:00:00Z";
  report.spec_text = "name = \"sample\"\n[[trial]]\nmethods = [\"percentile\", \"liu2021\"]\n";
  AddModel(report, kTiny);
  AddModel(report, kSmall);
  AddTroubles(report);
  AddPublished(report);
  std::vector<std::string> blocks;
  for (int block = 0; block < kBlocks; ++block) blocks.push_back(fmt::format("blocks.{}", block));
  report.sensitivities = {Sensitivity(kTiny, "op", Ops()), Sensitivity(kSmall, "block", blocks)};
  return report;
}

}  // namespace ptq::results
