#include "baselines/lapq/lapq.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/exec/executor.h"
#include "tests/testing/memory_checkpoint.h"
#include "tests/testing/tiny_model.h"

namespace ptq::baselines {
namespace {

using ::testing::HasSubstr;
using Given = std::map<std::string, method::ParameterValue>;

class Images final : public calib::ImageSource {
 public:
  Images(at::Tensor images, std::vector<int64_t> labels) : images_(std::move(images)), labels_(std::move(labels)) {}
  int64_t count() const override { return images_.count(); }
  Status ForEachBatch(int64_t batch_size, const std::function<Status(const at::Tensor&)>& visit) override {
    return images_.ForEachBatch(batch_size, visit);
  }
  Result<std::vector<int64_t>> Labels() override {
    ++label_reads;
    return labels_.empty() ? calib::ImageSource::Labels() : labels_;
  }
  int label_reads = 0;

 private:
  testing::MemoryImages images_;
  const std::vector<int64_t> labels_;
};

// The classes that the float model sees, so that quantization can only lose.
std::vector<int64_t> ClassesSeen(const vit::VitModel& model, const at::Tensor& images) {
  vit::OpEngine engine;
  const at::Tensor classes = model.Forward(images, engine).argmax(1).contiguous();
  return {classes.data_ptr<int64_t>(), classes.data_ptr<int64_t>() + classes.numel()};
}

class LapqTest : public ::testing::Test {
 protected:
  LapqTest()
      : method_(MakeLapq()),
        model_(testing::TinyModel()),
        pixels_(testing::RandomImages(model_.config(), 16)),
        images_(pixels_, ClassesSeen(model_, pixels_)) {
    scheme_.weight_bits = scheme_.activation_bits = 4;
  }
  Result<method::Plan> Run(Given given = {}, Progress* progress = nullptr, Checkpoint* checkpoint = nullptr) {
    if (given.count("joint") == 0) {
      given.emplace("evaluations", int64_t{60});
    }
    PTQ_ASSIGN_OR_RETURN(const auto parameters, method::Parameters::Resolve(method_->info().parameters, given));
    PTQ_RETURN_IF_ERROR(CheckSupport(*method_, scheme_, parameters, model_.config()));
    NullProgress quiet;
    NullCheckpoint forgetful;
    Progress& told = progress != nullptr ? *progress : quiet;
    calib::Calibration calibration(model_, images_, told);
    return method_->Quantize({model_, calibration, scheme_, parameters, RandomStream(1, "lapq"), told,
                              checkpoint != nullptr ? *checkpoint : forgetful});
  }
  static double Number(const method::Plan& plan, const std::string& note) { return std::stod(plan.notes.at(note)); }

  std::unique_ptr<method::Method> method_;
  vit::VitModel model_;
  at::Tensor pixels_;
  Images images_;
  method::Scheme scheme_;
};

bool SamePlan(const method::Plan& a, const method::Plan& b) { return a.operands == b.operands && a.notes == b.notes; }

TEST_F(LapqTest, TheJointStageLowersTheLossOfBothParts) {
  const method::Plan plan = Run({{"evaluations", int64_t{200}}}).value();
  EXPECT_LT(Number(plan, "loss"), Number(plan, "p_loss"));
  EXPECT_LE(Number(plan, "held_out_loss"), Number(plan, "held_out_loss_before"));
  EXPECT_EQ(plan.notes.at("evaluations"), "200");
  EXPECT_EQ(plan.notes.at("held_out_images"), "4");
  EXPECT_EQ(Number(plan, "held_out_evaluations"), 1 + Number(plan, "accepted") + Number(plan, "rejected"));
  EXPECT_GT(Number(plan, "accepted"), 0);
}

// What the notes promise is what an executor measures.
TEST_F(LapqTest, TheLossOfThePlanIsTheNotedOne) {
  const method::Plan plan = Run({{"holdout", 0.0}}).value();
  const at::Tensor logits = exec::MakeSimulatedExecutor(model_, plan).value()->Run(pixels_).to(at::kDouble);
  const std::vector<int64_t> labels = ClassesSeen(model_, pixels_);
  double sum = 0;
  for (int64_t i = 0; i < pixels_.size(0); ++i) {
    sum -= at::log_softmax(logits[i], 0)[labels[i]].item<double>();
  }
  EXPECT_NEAR(Number(plan, "loss"), sum / static_cast<double>(pixels_.size(0)), 1e-4);
  EXPECT_EQ(plan.notes.count("held_out_loss"), 0U);
}

TEST_F(LapqTest, StopsAfterTheChoiceOfPWhereToldTo) {
  const method::Plan plan = Run({{"joint", false}}).value();
  EXPECT_EQ(plan.notes.count("evaluations"), 0U);
  EXPECT_GE(Number(plan, "p"), 2);
  EXPECT_LE(Number(plan, "p"), 4);
  EXPECT_FALSE(plan.notes.at("p_rule").empty());
}

TEST_F(LapqTest, ReadsNoLabelWhereTheLossNeedsNone) {
  const auto needs = [&](const Given& given) {
    return method_->NeedsLabels(method::Parameters::Resolve(method_->info().parameters, given).value());
  };
  EXPECT_TRUE(needs({}));
  EXPECT_FALSE(needs({{"loss", std::string("kl")}}));
  ASSERT_TRUE(Run({{"loss", std::string("kl")}}).ok());
  EXPECT_EQ(images_.label_reads, 0);
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(images_.label_reads, 1);
}

TEST_F(LapqTest, WithoutLabelsTheErrorNamesTheMend) {
  Images unlabelled(pixels_, {});
  NullProgress progress;
  NullCheckpoint checkpoint;
  calib::Calibration calibration(model_, unlabelled, progress);
  const auto parameters = method::Parameters::Resolve(method_->info().parameters, {}).value();
  const auto plan =
      method_->Quantize({model_, calibration, scheme_, parameters, RandomStream(1, "lapq"), progress, checkpoint});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(plan.error().message, HasSubstr("loss = kl"));
}

TEST_F(LapqTest, AClassThatTheModelDoesNotKnowIsAnError) {
  Images foreign(pixels_, std::vector<int64_t>(16, model_.config().classes));
  NullProgress progress;
  NullCheckpoint checkpoint;
  calib::Calibration calibration(model_, foreign, progress);
  const auto parameters = method::Parameters::Resolve(method_->info().parameters, {}).value();
  const auto plan =
      method_->Quantize({model_, calibration, scheme_, parameters, RandomStream(1, "lapq"), progress, checkpoint});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(plan.error().message, HasSubstr("image 0"));
}

TEST_F(LapqTest, BiasCorrectionNeedsPerChannelWeights) {
  const auto refused = Run({{"bias_correction", true}});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  scheme_.weight_granularity = quant::Granularity::kPerChannel;
  const method::Plan plan = Run({{"bias_correction", true}}).value();
  for (const auto& [operand, params] : plan.operands) {
    EXPECT_EQ(params.correction.size(), operand.is_weight() ? params.scale.size() : 0U) << operand.name();
  }
}

TEST_F(LapqTest, EveryOptimizerAnswersAndRepeatsItself) {
  for (const char* optimizer : {"praxis", "sbplx", "bobyqa", "cobyla"}) {
    const Given given = {{"optimizer", std::string(optimizer)}};
    const int threads = at::get_num_threads();
    at::set_num_threads(1);
    const method::Plan one = Run(given).value();
    at::set_num_threads(2);
    const method::Plan two = Run(given).value();
    at::set_num_threads(threads);
    EXPECT_TRUE(SamePlan(one, two)) << optimizer;
    EXPECT_LE(Number(one, "loss"), Number(one, "p_loss")) << optimizer;
  }
}

// Every loss is kept as it is known: a killed run replays them and ends at the same plan.
TEST_F(LapqTest, AKilledRunReplaysItsEvaluations) {
  const method::Plan undisturbed = Run().value();
  testing::MemoryCheckpoint checkpoint;
  for (const int64_t steps : {70, 90, 120}) {
    testing::StoppingProgress stopping(steps);
    const auto stopped = Run({}, &stopping, &checkpoint);
    ASSERT_FALSE(stopped.ok());
    EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted);
    testing::MemoryCheckpoint resumed = checkpoint;
    EXPECT_TRUE(SamePlan(Run({}, nullptr, &resumed).value(), undisturbed));
    for (const auto& [key, value] : checkpoint.kept()) {
      EXPECT_EQ(resumed.found().count(key), 1U) << key << " was computed again";
    }
  }
  EXPECT_GT(checkpoint.kept().size(), 10U);
}

TEST_F(LapqTest, AKeptLossThatIsDamagedIsAnError) {
  testing::MemoryCheckpoint checkpoint;
  ASSERT_TRUE(Run({}, nullptr, &checkpoint).ok());
  testing::MemoryCheckpoint damaged;
  for (const auto& [key, value] : checkpoint.kept()) {
    ASSERT_TRUE(damaged.Keep(key, value + "x").ok());
  }
  const auto plan = Run({}, nullptr, &damaged);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace ptq::baselines
