#include "experiments/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/exec/integer/instruction_set.h"
#include "experiments/evaluate.h"
#include "experiments/image_source.h"
#include "experiments/trial_latency.h"
#include "results/latency_record.h"
#include "tests/e2e/program.h"
#include "tests/e2e/small_data.h"
#include "tests/testing/staged_method.h"
#include "tests/testing/tiny_model.h"

namespace ptq::experiments {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// The embedded model, a hundred pictures, and a method that mixes bits and keeps parts.
class RunnerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = e2e::FreshFolder(::testing::UnitTest::GetInstance()->current_test_info()->name());
    WorkspaceOptions options;
    options.home = e2e::Home();
    options.data_root = folder_;
    options.extra_datasets = e2e::WriteSmallData(folder_);
    workspace_ = std::make_unique<Workspace>(Workspace::Open(options).value());
    PTQ_CHECK(registry_.Add(testing::MakeStaged()).ok());
  }

  std::vector<Trial> Trials(const std::string& trial) {
    spec_ = ParseSpec(
                "name = \"t\"\nquestion = \"?\"\nseeds = [0]\n[[workload]]\nmodel = \"micro_vit\"\n"
                "dataset = \"small_test\"\ncalibration_dataset = \"small_calibration\"\ncalibration_images = 8\n" +
                    trial,
                "t.toml")
                .value();
    return ResolveTrials(spec_, registry_, *workspace_).value();
  }
  results::Store OpenStore() {
    return results::Store::Open(folder_ + "/r.sqlite", results::Store::Mode::kReadWrite).value();
  }
  results::CheckpointStore OpenCheckpoints() {
    return results::CheckpointStore::Open(folder_ + "/r.sqlite.calibration").value();
  }
  int64_t KeptParts() {
    return std::stoll(e2e::Query(folder_ + "/r.sqlite.calibration", "SELECT count(*) FROM kept")[0]);
  }

  std::string folder_;
  method::Registry registry_;
  std::unique_ptr<Workspace> workspace_;
  ExperimentSpec spec_;
  NullProgress progress_;
  ModelLoader models_;
  PictureCache pictures_;
};

constexpr char kStaged[] = "[[trial]]\nmethod = \"staged\"\nbits = [\"W8A8\", \"W8A8 MP\"]\n";

TEST_F(RunnerTest, MixedPrecisionIsStoredWithItsAllocation) {
  const std::vector<Trial> trials = Trials(kStaged);
  ASSERT_THAT(trials, SizeIs(3));
  results::Store store = OpenStore();
  std::vector<std::string> announced;
  const RunSummary summary = RunTrials(trials, spec_, {}, store, progress_, [&](int64_t, int64_t, const Trial& trial) {
                               announced.push_back(trial.Describe());
                             }).value();
  EXPECT_EQ(summary.done_now, 3);
  EXPECT_THAT(announced[2], HasSubstr("staged W8A8 MP, seed 0"));
  EXPECT_FALSE(store.Find(trials[1].key).value()->mixed);
  EXPECT_EQ(store.Allocation(trials[1].key).value(), std::nullopt);
  const results::TrialSummary mixed = *store.Find(trials[2].key).value();
  EXPECT_TRUE(mixed.mixed);
  EXPECT_EQ(mixed.w_bits, 8);
  EXPECT_LT(*mixed.paper_size_bytes, *store.Find(trials[1].key).value()->paper_size_bytes);
  const method::BitAllocation allocation =
      method::BitAllocationFromJson(store.Allocation(trials[2].key).value().value()).value();
  EXPECT_EQ(allocation.choice().bits.size(), allocation.groups.size());
  EXPECT_NEAR(allocation.choice().size_bytes, *mixed.paper_size_bytes, 1);
  EXPECT_THAT(store.Operands(trials[2].key).value(), SizeIs(76));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/r.sqlite.calibration"));
}

TEST_F(RunnerTest, ACollapsedTrialNamesItsWorstOps) {
  const std::vector<Trial> trials = Trials("[[trial]]\nmethod = \"staged\"\nbits = [\"W8A8\", \"W2A2\"]\n");
  ASSERT_THAT(trials, SizeIs(3));
  results::Store store = OpenStore();
  ASSERT_TRUE(RunTrials(trials, spec_, {}, store, progress_, [](int64_t, int64_t, const Trial&) {}).ok());
  const results::TrialSummary fine = *store.Find(trials[1].key).value(), collapsed = *store.Find(trials[2].key).value();
  ASSERT_LT(*collapsed.top1_fraction, *collapsed.float_top1_fraction / 2);
  EXPECT_EQ(fine.notes.count("worst_ops"), 0U);
  const std::string worst = collapsed.notes.at("worst_ops");
  EXPECT_EQ(std::count(worst.begin(), worst.end(), ','), 2) << worst;
  EXPECT_THAT(worst, HasSubstr(" dB"));
}

// Stops the first evaluation after its first batch, and counts the images that evaluations began with.
class StopInEvaluation final : public Progress {
 public:
  explicit StopInEvaluation(bool stops) : stops_(stops) {}
  void Begin(const std::string& label, int64_t total) override {
    evaluates_ = label == "evaluate";
    begun_ += evaluates_ ? total : 0;
  }
  void Advance(int64_t) override { stopped_ = stopped_ || (evaluates_ && stops_); }
  void End() override {}
  bool stop_requested() const override { return stopped_; }
  int64_t begun() const { return begun_; }

 private:
  const bool stops_;
  bool evaluates_ = false, stopped_ = false;
  int64_t begun_ = 0;
};

TEST_F(RunnerTest, AStoppedEvaluationGoesOnFromItsLastBatch) {
  const std::vector<Trial> trials = Trials("[[trial]]\nmethod = \"staged\"\nbits = \"W8A8\"\n");
  const std::vector<Trial> one = {trials[0]};
  results::Store store = OpenStore();
  results::CheckpointStore checkpoints = OpenCheckpoints();
  RunOptions options;
  options.checkpoints = &checkpoints;
  const auto nothing = [](int64_t, int64_t, const Trial&) {};
  StopInEvaluation stops(true), goes_on(false);
  const auto stopped = RunTrials(one, spec_, options, store, stops, nothing);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(stops.begun(), 100);
  EXPECT_EQ(KeptParts(), 1);
  ASSERT_TRUE(RunTrials(one, spec_, options, store, goes_on, nothing).ok());
  EXPECT_EQ(goes_on.begun(), 100 - EvaluationBatchSize(one[0].workload->model.config));

  results::Store undisturbed =
      results::Store::Open(folder_ + "/other.sqlite", results::Store::Mode::kReadWrite).value();
  ASSERT_TRUE(RunTrials(one, spec_, {}, undisturbed, progress_, nothing).ok());
  const auto answers = store.Predictions(one[0].key).value(), expected = undisturbed.Predictions(one[0].key).value();
  ASSERT_THAT(answers, SizeIs(100));
  for (size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(answers[i].top, expected[i].top) << i;
  EXPECT_EQ(store.Find(one[0].key).value()->top1_fraction, undisturbed.Find(one[0].key).value()->top1_fraction);
}

TEST_F(RunnerTest, ATrialThatAnotherRunHasIsLeftToIt) {
  const std::vector<Trial> trials = Trials(kStaged);
  results::Store store = OpenStore();
  TrialClaims mine = TrialClaims::Open(folder_ + "/claims").value(),
              other = TrialClaims::Open(folder_ + "/claims").value();
  ASSERT_TRUE(other.Claim(trials[0].key).value());
  EXPECT_FALSE(mine.Claim(trials[0].key).value());
  EXPECT_TRUE(other.Claim(trials[0].key).value()) << "one's own";
  RunOptions options;
  options.claims = &mine;
  std::vector<std::string> order;
  const RunSummary summary =
      RunTrials(trials, spec_, options, store, progress_, [&](int64_t, int64_t, const Trial& trial) {
        order.push_back(trial.key);
        if (order.size() == 2) other.Release(trials[0].key);
      }).value();
  EXPECT_EQ(summary.done_now, 3);
  EXPECT_EQ(order, (std::vector<std::string>{trials[1].key, trials[2].key, trials[0].key}));
  EXPECT_TRUE(other.Claim(trials[1].key).value()) << "let go of when it was done";
}

constexpr char kInteger[] = "[[trial]]\nmethod = \"staged\"\nbits = \"W8A8\"\nexec = [\"simulated\", \"integer\"]\n";

// Few rounds: what is tested is that there are times, not what they say.
RunOptions FewRounds() {
  RunOptions options;
  options.latency.warmup_runs = 1;
  options.latency.warmup_seconds = options.latency.seconds = 0;
  options.latency.min_rounds = options.latency.max_rounds = 3;
  return options;
}

TEST_F(RunnerTest, IntegerKernelsAgreeWithTheSimulationAndAreTimedOnce) {
  const std::vector<Trial> trials = Trials(std::string(kInteger) + "[latency]\nbatch = [1, 3]\nthreads = [1, 2]\n");
  ASSERT_THAT(trials, SizeIs(3));
  results::Store store = OpenStore();
  const auto run = [&] {
    return RunTrials(trials, spec_, FewRounds(), store, progress_, [](int64_t, int64_t, const Trial&) {}).value();
  };
  EXPECT_THAT(MissingLatencies(trials[1], spec_, store).value(), SizeIs(0)) << "a simulation is not timed";
  EXPECT_THAT(MissingLatencies(trials[2], spec_, store).value(), SizeIs(4));
  const RunSummary first = run();
  EXPECT_EQ(first.done_now, 3);
  EXPECT_EQ(first.latencies_now, 4);

  const results::TrialSummary integer = *store.Find(trials[2].key).value();
  EXPECT_EQ(integer.status, results::TrialStatus::kDone) << integer.reason;
  EXPECT_EQ(integer.exec_mode, "integer");
  EXPECT_EQ(integer.notes.at("int8_coverage_percent"), "100.0");
  EXPECT_EQ(integer.notes.at("instruction_set"), exec::Name(exec::BestInstructionSet()));
  EXPECT_EQ(store.Find(trials[1].key).value()->notes.count("instruction_set"), 0U);
  EXPECT_NEAR(*integer.top1_fraction, *store.Find(trials[1].key).value()->top1_fraction, 0.05);

  const std::vector<results::LatencyRecord> times = store.Latencies(trials[2].key).value();
  ASSERT_THAT(times, SizeIs(4));
  EXPECT_EQ(times[1].batch, 1);
  EXPECT_EQ(times[1].threads, 2);
  EXPECT_EQ(times[2].batch, 3);
  for (const results::LatencyRecord& record : times) {
    EXPECT_EQ(record.model, "micro_vit");
    EXPECT_EQ(record.weights_sha256, trials[2].workload->weights.sha256);
    EXPECT_EQ(record.plan_sha256.size(), 64U);
    EXPECT_THAT(record.plan_text, HasSubstr("staged@"));
    EXPECT_EQ(record.instruction_set, exec::Name(exec::BestInstructionSet()));
    EXPECT_EQ(record.int8_coverage, 1);
    EXPECT_THAT(record.float32.ns, SizeIs(3));
    EXPECT_THAT(record.kernels, SizeIs(vit::AllOps(trials[2].workload->model.config).size()));
    EXPECT_DOUBLE_EQ(record.ratio, record.float32.median_ns / record.integer.median_ns);
    EXPECT_LE(record.ratio_interval.low, record.ratio_interval.high);
  }
  EXPECT_GT(*integer.latency_ns_median, 0);

  const RunSummary second = run();
  EXPECT_EQ(second.done_now, 0);
  EXPECT_EQ(second.latencies_now, 0);
  EXPECT_THAT(store.Latencies(trials[2].key).value(), SizeIs(4));
}

TEST_F(RunnerTest, ASettingThatIsAddedLaterIsTimedWithoutMeasuringAgain) {
  const std::vector<Trial> before = Trials(kInteger);
  results::Store store = OpenStore();
  const auto silent = [](int64_t, int64_t, const Trial&) {};
  ASSERT_TRUE(RunTrials(before, spec_, FewRounds(), store, progress_, silent).ok());
  EXPECT_THAT(store.Latencies(before[2].key).value(), SizeIs(0));
  const std::vector<Trial> trials = Trials(std::string(kInteger) + "[latency]\nbatch = 2\nthreads = 1\n");
  ASSERT_EQ(trials[2].key, before[2].key);
  const RunSummary summary = RunTrials(trials, spec_, FewRounds(), store, progress_, silent).value();
  EXPECT_EQ(summary.done_now, 0);
  EXPECT_EQ(summary.done_before, 3);
  EXPECT_EQ(summary.latencies_now, 1);
  EXPECT_EQ(store.Latencies(trials[2].key).value().at(0).batch, 2);
}

TEST_F(RunnerTest, AGridWithoutAnIntegerKernelIsUnsupportedThereAlone) {
  const std::vector<Trial> trials =
      Trials(std::string(kInteger) + "parameters = { extras = true }\n[latency]\nbatch = 1\nthreads = 1\n");
  results::Store store = OpenStore();
  const RunSummary summary =
      RunTrials(trials, spec_, FewRounds(), store, progress_, [](int64_t, int64_t, const Trial&) {}).value();
  EXPECT_EQ(summary.unsupported, 1);
  EXPECT_EQ(summary.latencies_now, 0);
  EXPECT_EQ(store.Find(trials[1].key).value()->status, results::TrialStatus::kDone);
  const results::TrialSummary integer = *store.Find(trials[2].key).value();
  EXPECT_EQ(integer.status, results::TrialStatus::kUnsupported);
  EXPECT_THAT(integer.reason, HasSubstr("log2"));
}

TEST_F(RunnerTest, APlanIsStoredWhole) {
  const std::vector<Trial> trials = Trials(
      "[[trial]]\nmethod = \"staged\"\nbits = \"W8A8\"\nparameters = { extras = true, read_labels = true }\n"
      "scheme = { weight_granularity = \"per_channel\" }\n"
      "[[trial]]\nmethod = \"staged\"\nbits = \"W8A8\"\n");
  results::Store store = OpenStore();
  ASSERT_TRUE(RunTrials(trials, spec_, {}, store, progress_, [](int64_t, int64_t, const Trial&) {}).ok());
  const vit::VitModel& model = *models_.Load(trials[1].workload->model, trials[1].workload->weights).value();
  TrialCheckpoint checkpoint(nullptr, "", "");
  const method::Plan plan = QuantizeTrial(trials[1], model, pictures_, checkpoint, progress_).value().plan;
  const results::TrialSummary stored = *store.Find(trials[1].key).value();
  EXPECT_EQ(stored.status, results::TrialStatus::kDone) << stored.reason;
  EXPECT_EQ(stored.notes, plan.notes);
  EXPECT_THAT(stored.simulated_only, ::testing::ElementsAre("log2"));
  const auto expect_params = [](const results::OperandRecord& record, const quant::QuantParams& params) {
    EXPECT_EQ(record.grid, quant::Name(params.grid)) << record.name();
    EXPECT_EQ(record.num_bits, params.num_bits);
    EXPECT_EQ(record.granularity, quant::Name(params.granularity));
    EXPECT_EQ(record.axis, params.axis);
    EXPECT_EQ(record.scale, params.scale);
    EXPECT_EQ(record.zero_point, params.zero_point);
    EXPECT_EQ(record.second_scale, params.second_scale);
    EXPECT_EQ(record.channel_bits, params.channel_bits);
    EXPECT_EQ(record.correction, params.correction);
  };
  const auto operands = store.Operands(trials[1].key).value();
  ASSERT_EQ(operands.size(), plan.operands.size());
  size_t i = 0;
  for (const auto& [operand, params] : plan.operands) {
    EXPECT_EQ(operands[i].name(), operand.name());
    expect_params(operands[i++], params);
  }
  const auto norm_inputs = store.NormInputs(trials[1].key).value();
  ASSERT_EQ(norm_inputs.size(), plan.norm_inputs.size());
  ASSERT_GT(norm_inputs.size(), 2U);
  i = 0;
  for (const auto& [norm, params] : plan.norm_inputs) {
    EXPECT_EQ(norm_inputs[i].name(), norm.name());
    expect_params(norm_inputs[i++], params);
  }
  const results::TrialSummary plain = *store.Find(trials[2].key).value();
  EXPECT_THAT(plain.simulated_only, SizeIs(0));
  EXPECT_THAT(plain.notes, SizeIs(1));
  EXPECT_THAT(store.NormInputs(trials[2].key).value(), SizeIs(0));
}

TEST_F(RunnerTest, LabelsOfTheDrawnImagesReachAMethodThatNeedsThem) {
  const Trial trial =
      Trials("[[trial]]\nmethod = \"staged\"\nbits = \"W8A8\"\nparameters = { read_labels = true }\n")[1];
  const vit::VitModel& model = *models_.Load(trial.workload->model, trial.workload->weights).value();
  TrialCheckpoint checkpoint(nullptr, "", "");
  const method::Plan plan = QuantizeTrial(trial, model, pictures_, checkpoint, progress_).value().plan;
  std::string expected;
  for (const int64_t index : trial.calibration_indices) {
    expected +=
        (expected.empty() ? "" : " ") + std::to_string(trial.workload->calibration.dataset->samples()[index].label);
  }
  EXPECT_EQ(plan.notes.at("labels"), expected);
}

// Asks for labels and does not say so.
class Curious final : public method::Method {
 public:
  Curious() {
    info_.id = "curious";
    info_.summary = info_.citation = "made for this test";
  }
  const method::MethodInfo& info() const override { return info_; }
  Status Supports(const method::Scheme&, const method::Parameters&, const vit::VitConfig&) const override {
    return OkStatus();
  }
  Result<method::Plan> Quantize(const method::QuantizeInputs& inputs) const override {
    PTQ_ASSIGN_OR_RETURN([[maybe_unused]] const std::vector<int64_t> labels, inputs.calibration.Labels());
    return method::Plan();
  }

 private:
  method::MethodInfo info_;
};

TEST_F(RunnerTest, AMethodThatDoesNotSaySoGetsNoLabels) {
  ASSERT_TRUE(registry_.Add(std::make_unique<Curious>()).ok());
  const std::vector<Trial> trials = Trials("[[trial]]\nmethod = \"curious\"\nbits = \"W8A8\"\n");
  results::Store store = OpenStore();
  ASSERT_TRUE(RunTrials(trials, spec_, {}, store, progress_, [](int64_t, int64_t, const Trial&) {}).ok());
  const results::TrialSummary stored = *store.Find(trials[1].key).value();
  EXPECT_EQ(stored.status, results::TrialStatus::kUnsupported);
  EXPECT_THAT(stored.reason, HasSubstr("the calibration images have no labels here"));
}

TEST_F(RunnerTest, LabelsAreGivenForCalibrationAlone) {
  const Trial trial = Trials(kStaged)[1];
  const Workload& w = *trial.workload;
  DatasetImageSource hidden(*w.calibration.dataset, {3, 1}, w.calibration_preprocessing());
  ASSERT_FALSE(hidden.Labels().ok());
  EXPECT_EQ(hidden.Labels().error().code, ErrorCode::kUnsupported);
  DatasetImageSource shown(*w.calibration.dataset, {3, 1}, w.calibration_preprocessing(), LabelAccess::kCalibration);
  const auto& samples = w.calibration.dataset->samples();
  EXPECT_THAT(shown.Labels().value(), ::testing::ElementsAre(samples[3].label, samples[1].label));
  EXPECT_DEATH(DatasetImageSource(*w.images.dataset, {0}, w.preprocessing(), LabelAccess::kCalibration),
               "small_test is evaluated; its labels stay hidden");
}

// Pictures without classes.
class Unlabelled final : public data::Dataset {
 public:
  Unlabelled() {
    entry_.name = "photographs";
    entry_.role = data::DatasetRole::kCalibration;
    samples_ = {{"a.png", 2}, {"b.png", -1}};
  }
  Result<data::Image> Load(int64_t) const override { return data::Image(); }
};

TEST_F(RunnerTest, ADataSetWithoutLabelsSaysWhich) {
  const Unlabelled dataset;
  DatasetImageSource source(dataset, {0, 1}, {}, LabelAccess::kCalibration);
  const auto labels = source.Labels();
  ASSERT_FALSE(labels.ok());
  EXPECT_EQ(labels.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(labels.error().message, HasSubstr("data set photographs does not know that of b.png"));
  EXPECT_THAT(DatasetImageSource(dataset, {0}, {}, LabelAccess::kCalibration).Labels().value(),
              ::testing::ElementsAre(2));
}

// Grey pictures of 8 x 6 pixels, whose brightness is their index; counts what it is asked.
class Counted final : public data::Dataset {
 public:
  explicit Counted(int count) {
    for (int i = 0; i < count; ++i) {
      samples_.push_back({std::to_string(i), i});
    }
  }
  Result<data::Image> Load(int64_t index) const override {
    ++loads;
    if (index == 3) {
      return Corrupt("picture 3 is broken");
    }
    return data::Image{8, 6, std::vector<uint8_t>(8 * 6 * 3, static_cast<uint8_t>(index))};
  }
  mutable int loads = 0;
};

data::Preprocessing SmallCrop(int64_t crop) {
  data::Preprocessing preprocessing;
  preprocessing.resize = crop + 1;
  preprocessing.crop = crop;
  return preprocessing;
}

TEST(PictureCacheTest, APictureIsPreparedOnceAndIsTheSame) {
  const Counted dataset(3);
  PictureCache cache;
  const data::Preprocessing preprocessing = SmallCrop(4);
  for (int pass = 0; pass < 2; ++pass) {
    const auto opened = cache.Open(dataset, preprocessing, 3);
    for (int64_t i = 0; i < 3; ++i) {
      const data::Image expected = data::ResizeAndCrop(Counted(3).Load(i).value(), preprocessing);
      const data::Image image = opened->Load(i).value();
      EXPECT_EQ(image.pixels, expected.pixels);
      EXPECT_EQ(data::ResizeAndCrop(image, AfterCrop(preprocessing)).pixels, expected.pixels);
    }
  }
  EXPECT_EQ(dataset.loads, 3);
  EXPECT_EQ(cache.kept_bytes(), 3 * 4 * 4 * 3);
  EXPECT_EQ(cache.Open(dataset, SmallCrop(5), 3)->Load(0).value().width, 5) << "another preprocessing";
  EXPECT_EQ(dataset.loads, 4);
}

TEST(PictureCacheTest, AnErrorIsNotKept) {
  const Counted dataset(4);
  PictureCache cache;
  const auto opened = cache.Open(dataset, SmallCrop(4), 4);
  EXPECT_FALSE(opened->Load(3).ok());
  EXPECT_FALSE(opened->Load(3).ok());
  EXPECT_EQ(dataset.loads, 2);
}

TEST(PictureCacheTest, MemoryIsBounded) {
  constexpr int64_t kPicture = 4 * 4 * 3;
  const Counted small(2), large(3), larger(4);
  PictureCache cache(3 * kPicture);
  const auto read = [&](const Counted& dataset, int64_t count) {
    const auto opened = cache.Open(dataset, SmallCrop(4), count);
    for (int64_t i = 0; i < std::min<int64_t>(count, 3); ++i) {
      EXPECT_TRUE(opened->Load(i).ok());
    }
    EXPECT_LE(cache.kept_bytes(), 3 * kPicture);
  };
  read(small, 2);
  EXPECT_EQ(cache.kept_bytes(), 2 * kPicture);
  read(large, 3);
  EXPECT_EQ(cache.kept_bytes(), 3 * kPicture) << "the older set made room";
  read(large, 3);
  EXPECT_EQ(large.loads, 3);
  read(larger, 4);
  read(larger, 4);
  EXPECT_EQ(larger.loads, 6) << "a set that does not fit whole is not kept";
  const auto held = cache.Open(large, SmallCrop(4), 3);
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(held->Load(i).ok());
  }
  const int loads = small.loads;
  read(small, 2);
  read(small, 2);
  EXPECT_EQ(small.loads, loads + 4) << "what is in use keeps its room";
}

TEST_F(RunnerTest, PartsAreKeptFoundAndCharged) {
  const Trial trial = Trials(kStaged)[1];
  const vit::VitModel& model = *models_.Load(trial.workload->model, trial.workload->weights).value();
  results::CheckpointStore store = OpenCheckpoints();
  double now = 0;
  const auto clock = [&now] { return now += 1; };  // each look at it is a second later
  const auto quantize = [&] {
    TrialCheckpoint checkpoint(&store, CheckpointScope(trial), trial.key, clock);
    return QuantizeTrial(trial, model, pictures_, checkpoint, progress_).value();
  };
  const QuantizedTrial first = quantize();
  EXPECT_EQ(first.saved_seconds, 0);
  const int64_t parts = KeptParts();
  EXPECT_GT(parts, 20);
  const QuantizedTrial second = quantize();
  EXPECT_EQ(second.saved_seconds, parts) << "a second each";
  EXPECT_GT(second.calibrate_seconds, second.saved_seconds);
  EXPECT_LT(second.calibrate_seconds, second.saved_seconds + 60);
  EXPECT_EQ(method::Encode(second.plan).metadata, method::Encode(first.plan).metadata);
  EXPECT_EQ(second.plan.operands, first.plan.operands);
  EXPECT_EQ(KeptParts(), parts);
}

TEST_F(RunnerTest, AStoppedRunGoesOnFromWhatItKept) {
  const std::vector<Trial> trials = Trials(kStaged);
  results::CheckpointStore checkpoints = OpenCheckpoints();
  RunOptions options;
  options.checkpoints = &checkpoints;
  const auto silent = [](int64_t, int64_t, const Trial&) {};
  results::Store undisturbed =
      results::Store::Open(folder_ + "/undisturbed.sqlite", results::Store::Mode::kReadWrite).value();
  ASSERT_TRUE(RunTrials(trials, spec_, {}, undisturbed, progress_, silent).ok());
  results::Store store = OpenStore();
  // float32: 100 images; then 8 images in each of the stages, and the weights
  testing::StoppingProgress stopping(100 + 8 * (workspace_->models().Find("micro_vit")->config.depth + 2) + 30);
  const auto stopped = RunTrials(trials, spec_, options, store, stopping, silent);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted);
  EXPECT_THAT(store.Trials().value(), SizeIs(1));
  EXPECT_GT(KeptParts(), 0);
  ASSERT_TRUE(RunTrials(trials, spec_, options, store, progress_, silent).ok());
  for (const Trial& trial : trials) {
    const auto expected = undisturbed.Predictions(trial.key).value();
    const auto actual = store.Predictions(trial.key).value();
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) {
      EXPECT_EQ(actual[i].top, expected[i].top);
    }
  }
}

TEST_F(RunnerTest, ABrokenCheckpointFileStopsTheRunAndFailsNoTrial) {
  const std::vector<Trial> trials = Trials(kStaged);
  results::CheckpointStore checkpoints = OpenCheckpoints();
  e2e::WriteText(folder_ + "/r.sqlite.calibration", "this came while the run was on its way, and is no database");
  RunOptions options;
  options.checkpoints = &checkpoints;
  results::Store store = OpenStore();
  const auto ran = RunTrials(trials, spec_, options, store, progress_, [](int64_t, int64_t, const Trial&) {});
  ASSERT_FALSE(ran.ok());
  EXPECT_EQ(ran.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(ran.error().ToString(), HasSubstr("r.sqlite.calibration"));
  EXPECT_THAT(store.Trials().value(), SizeIs(1)) << "the float32 trial alone";
}

}  // namespace
}  // namespace ptq::experiments
