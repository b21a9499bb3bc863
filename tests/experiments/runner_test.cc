#include "experiments/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

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

TEST_F(RunnerTest, PartsAreKeptFoundAndCharged) {
  const Trial trial = Trials(kStaged)[1];
  const vit::VitModel& model = *models_.Load(trial.workload->model, trial.workload->weights).value();
  results::CheckpointStore store = OpenCheckpoints();
  double now = 0;
  const auto clock = [&now] { return now += 1; };  // each look at it is a second later
  const auto quantize = [&] {
    TrialCheckpoint checkpoint(&store, CheckpointScope(trial), clock);
    return QuantizeTrial(trial, model, checkpoint, progress_).value();
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
