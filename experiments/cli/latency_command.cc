// The verb latency: float32 against integer kernels on one model.
#include <ATen/Parallel.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "core/exec/integer/integer_executor.h"
#include "data/files/sha256.h"
#include "experiments/cli/session.h"
#include "experiments/image_source.h"
#include "experiments/latency_comparison.h"
#include "experiments/random_weights.h"
#include "experiments/revision.h"
#include "experiments/runner.h"
#include "experiments/terminal_progress.h"
#include "results/latency_table.h"
#include "results/store.h"
#include "results/text_grid.h"

namespace ptq::experiments::cli {
namespace {

constexpr int64_t kCalibrationImages = 8;
constexpr char kEmbeddedCalibration[] = "embedded_calibration";
constexpr int64_t kMaxBatch = 1024;
constexpr int64_t kMaxThreads = 1024;
constexpr int64_t kMinRuns = 3;

// What is timed, read or made.
struct Subject {
  data::ModelEntry entry;
  std::string weights_sha256;
  std::string weights_text;  // "random weights, seed 0"; empty: its own
  std::shared_ptr<const vit::VitModel> model;
  method::Plan plan;
  std::string plan_sha256;
  std::string plan_title;  // for the table: "min_max W8A8", or the file's name
  std::string plan_text;   // for the line above it
};

// Calibration images that nobody photographed.
class NormalImages final : public calib::ImageSource {
 public:
  explicit NormalImages(at::Tensor images) : images_(std::move(images)) {}
  int64_t count() const override { return images_.size(0); }
  Status ForEachBatch(int64_t batch_size, const std::function<Status(const at::Tensor&)>& visit) override {
    for (int64_t begin = 0; begin < count(); begin += batch_size) {
      PTQ_RETURN_IF_ERROR(visit(images_.slice(0, begin, std::min(begin + batch_size, count()))));
    }
    return OkStatus();
  }

 private:
  at::Tensor images_;
};

Status CheckRange(const char* flag, const std::vector<int64_t>& values, int64_t max) {
  for (const int64_t value : values) {
    if (value < 1 || value > max) {
      return InvalidArgument(std::string(flag) + " is " + std::to_string(value) + "; it must lie in 1.." +
                             std::to_string(max));
    }
  }
  return OkStatus();
}

Status CheckFlags(const LatencyFlags& flags) {
  PTQ_RETURN_IF_ERROR(CheckRange("--batch", flags.batches, kMaxBatch));
  PTQ_RETURN_IF_ERROR(CheckRange("--threads", flags.threads, kMaxThreads));
  if (flags.runs != 0 && flags.runs < kMinRuns) {
    return InvalidArgument("--runs is " + std::to_string(flags.runs) + "; it must be at least " +
                           std::to_string(kMinRuns));
  }
  return OkStatus();
}

Result<exec::InstructionSet> SetOf(const LatencyFlags& flags) {
  if (flags.instruction_set.empty()) {
    return exec::BestInstructionSet();
  }
  PTQ_ASSIGN_OR_RETURN(const exec::InstructionSet set, exec::ParseInstructionSet(flags.instruction_set));
  PTQ_RETURN_IF_ERROR(exec::CheckAvailable(set));
  return set;
}

// Loads the model, or draws its weights.
Status FindModel(const LatencyFlags& flags, Workspace& workspace, Subject& subject) {
  PTQ_ASSIGN_OR_RETURN(subject.entry, AsUsage(workspace.models().Find(flags.model)));
  if (!flags.random_weights) {
    Result<WeightsFile> weights = workspace.FindWeights(subject.entry);
    if (!weights.ok()) {
      const Error& error = weights.error();
      const bool absent = error.code == ErrorCode::kNotFound;
      return Error{error.code, error.message + (absent ? "; or time the geometry with --random-weights" : ""),
                   error.where};
    }
    subject.weights_sha256 = weights->sha256;
    ModelLoader loader;
    PTQ_ASSIGN_OR_RETURN(subject.model, loader.Load(subject.entry, *weights));
    return OkStatus();
  }
  const vit::TensorMap tensors = RandomWeights(subject.entry.config, *flags.random_weights, at::get_num_threads());
  PTQ_ASSIGN_OR_RETURN(vit::VitModel model, vit::VitModel::Create(subject.entry.config, tensors));
  subject.model = std::make_shared<const vit::VitModel>(std::move(model));
  subject.weights_sha256 = "random " + std::to_string(*flags.random_weights);
  subject.weights_text = "random weights, seed " + std::to_string(*flags.random_weights);
  return OkStatus();
}

Result<method::Plan> Calibrate(const vit::VitModel& model, calib::ImageSource& images, Progress& progress) {
  const method::Registry registry = Methods();
  PTQ_ASSIGN_OR_RETURN(const method::Method* const min_max, registry.Find("min_max"));
  method::Scheme scheme;  // W8A8
  scheme.weight_granularity = quant::Granularity::kPerChannel;
  PTQ_ASSIGN_OR_RETURN(const method::Parameters parameters,
                       method::Parameters::Resolve(min_max->info().parameters, {}, scheme.mixed));
  calib::Calibration calibration(model, images, progress);
  TrialCheckpoint checkpoint(nullptr, "", "");
  PTQ_ASSIGN_OR_RETURN(method::Plan plan, min_max->Quantize({model, calibration, scheme, parameters,
                                                             RandomStream(0, "min_max"), progress, checkpoint}));
  plan.method = min_max->info().versioned_id();
  plan.scheme = scheme.ToString();
  plan.parameters = parameters.ToString();
  return plan;
}

// Reads the plan, or makes one.
Status FindPlan(const LatencyFlags& flags, Workspace& workspace, Progress& progress, Subject& subject) {
  if (!flags.plan.empty()) {
    PTQ_ASSIGN_OR_RETURN(subject.plan, ReadPlanFor(flags.plan, subject.entry.name, subject.weights_sha256));
    PTQ_ASSIGN_OR_RETURN(subject.plan_sha256, data::Sha256OfFile(flags.plan));
    subject.plan_title = std::filesystem::path(flags.plan).stem().string();
    subject.plan_text = "plan " + flags.plan + " of " + subject.plan.method + ", " + subject.plan.scheme;
    return OkStatus();
  }
  const std::string count = std::to_string(kCalibrationImages);
  std::string images_text = count + " random normal images";
  Result<method::Plan> plan = Internal("no plan was made");
  if (subject.entry.embedded) {
    PTQ_ASSIGN_OR_RETURN(const data::DatasetEntry dataset, workspace.datasets().Find(kEmbeddedCalibration));
    PTQ_ASSIGN_OR_RETURN(const OpenedDataset opened, workspace.Dataset(dataset));
    DatasetImageSource images(*opened.dataset, DrawCalibrationImages(*opened.dataset, kCalibrationImages, 0),
                              data::EffectivePreprocessing(subject.entry.preprocessing, dataset));
    images_text = count + " images of " + dataset.name;
    plan = Calibrate(*subject.model, images, progress);
  } else {
    NormalImages images(RandomImages(subject.entry.config, kCalibrationImages));
    plan = Calibrate(*subject.model, images, progress);
  }
  PTQ_ASSIGN_OR_RETURN(subject.plan, std::move(plan));
  subject.plan.weights_sha256 = subject.weights_sha256;
  subject.plan_sha256 = PlanSha256(subject.plan);
  subject.plan_title = "min_max W8A8";
  subject.plan_text = "a plan made for this: " + subject.plan.method + " W8A8 per_channel on " + images_text;
  return OkStatus();
}

void PrintOps(const exec::IntegerExecutor& integer) {
  results::TextGrid grid;
  grid.header = {"op", "runs in", "kernel", "MACs per image"};
  grid.first_right_aligned = 3;
  for (const exec::OpExecution& op : integer.ops()) {
    grid.rows.push_back(
        {op.op.name(), op.integer ? "int8" : "f32", op.kernel, std::to_string(op.multiply_accumulates)});
  }
  std::printf("%s\n", results::RenderGrid(grid).c_str());
}

void PrintProfile(const LatencySetting& setting, const WorkTimes& times) {
  std::printf(
      "int8 at batch %lld, threads %d, milliseconds of one run by class of work (images side by side: added up):\n",
      static_cast<long long>(setting.batch), setting.threads);
  for (const auto& [name, seconds] : times) {
    std::printf("  %-24s %10.3f\n", name.c_str(), 1e3 * seconds);
  }
  std::printf("\n");
}

class Session {
 public:
  Session(const LatencyFlags& flags, Subject subject, exec::InstructionSet set, results::Store* store)
      : flags_(flags), subject_(std::move(subject)), store_(store) {
    latency_.model = subject_.entry.name;
    latency_.weights_sha256 = subject_.weights_sha256;
    latency_.plan_sha256 = subject_.plan_sha256;
    latency_.set = set;
    if (flags.runs != 0) {
      protocol_.min_rounds = protocol_.max_rounds = flags.runs;
    }
  }

  // Times one setting, stores it, and prints what --explain asks for.
  Status Measure(const LatencySetting& setting, TerminalProgress& progress) {
    latency_.setting = setting;
    progress.SetTask(subject_.entry.name + ", batch " + std::to_string(setting.batch) + ", threads " +
                     std::to_string(setting.threads));
    PTQ_ASSIGN_OR_RETURN(const ExecutorPair pair, MakeExecutors(*subject_.model, subject_.plan, latency_));
    PTQ_ASSIGN_OR_RETURN(results::LatencyRecord record,
                         CompareLatency(pair, subject_.entry.config, subject_.plan, latency_, protocol_, progress));
    if (store_ != nullptr) {
      PTQ_RETURN_IF_ERROR(store_->InsertLatency(record));
    }
    if (flags_.explain || record.ratio <= 1) {
      const WorkTimes times =
          ProfileInteger(*pair.integer, RandomImages(subject_.entry.config, setting.batch), setting.threads);
      if (flags_.explain) {
        Explain(*pair.integer, times);
      }
      const std::string why = WhyNotFaster(record, times);
      if (!why.empty()) {
        reasons_.push_back(why);
      }
    }
    rows_.push_back({subject_.entry.title, subject_.plan_title, std::move(record)});
    return OkStatus();
  }

  void PrintHeader() const {
    const std::string& weights = subject_.weights_text;
    std::printf("%s%s; %s\n\n", subject_.entry.name.c_str(), weights.empty() ? "" : (" (" + weights + ")").c_str(),
                subject_.plan_text.c_str());
    std::fflush(stdout);
  }

  void PrintTable() const {
    std::fputs(results::RenderLatency(rows_, results::LatencyFormat::kText).c_str(), stdout);
    for (const std::string& reason : reasons_) {
      std::printf("%s\n", reason.c_str());
    }
  }

 private:
  void Explain(const exec::IntegerExecutor& integer, const WorkTimes& times) const {
    if (rows_.empty()) {
      PrintOps(integer);
    }
    PrintProfile(latency_.setting, times);
    std::fflush(stdout);
  }

  const LatencyFlags& flags_;
  const Subject subject_;
  results::Store* const store_;
  LatencySubject latency_;
  LatencyProtocol protocol_;
  std::vector<results::LatencyRow> rows_;
  std::vector<std::string> reasons_;
};

Result<int> LatencyChecked(const GlobalFlags& global, const LatencyFlags& flags) {
  PTQ_RETURN_IF_ERROR(CheckFlags(flags));
  PTQ_ASSIGN_OR_RETURN(const exec::InstructionSet set, SetOf(flags));
  PTQ_ASSIGN_OR_RETURN(Workspace workspace, OpenWorkspace(global));
  InstallStopHandler();
  TerminalProgress progress;
  progress.SetTask(flags.model);
  Subject subject;
  PTQ_RETURN_IF_ERROR(FindModel(flags, workspace, subject));
  PTQ_RETURN_IF_ERROR(FindPlan(flags, workspace, progress, subject));
  std::optional<results::Store> store;
  if (!flags.no_store) {
    PTQ_RETURN_IF_ERROR(CheckRevision(Revision(), global.allow_dirty));
    PTQ_ASSIGN_OR_RETURN(store, results::Store::Open(workspace.database(), results::Store::Mode::kReadWrite));
  }
  Session session(flags, std::move(subject), set, store ? &*store : nullptr);
  session.PrintHeader();
  for (const int64_t batch : flags.batches) {
    for (const int64_t threads : flags.threads) {
      PTQ_RETURN_IF_ERROR(session.Measure({batch, static_cast<int>(threads)}, progress));
    }
  }
  session.PrintTable();
  if (store) {
    std::fprintf(stderr, "stored in %s\n", workspace.database().c_str());
  }
  return static_cast<int>(kExitDone);
}

}  // namespace

int Latency(const GlobalFlags& global, const LatencyFlags& flags) { return Finish(LatencyChecked(global, flags)); }

}  // namespace ptq::experiments::cli
