#include "data/embedded/trainer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "data/embedded/weights_file.h"

namespace ptq::data {
namespace {

// Squares of one colour a class: learned in a few steps.
Pictures ColouredPictures(int64_t count) {
  Pictures pictures;
  pictures.labels = at::arange(count, at::kLong).remainder(10);
  const at::Tensor level = (pictures.labels * 25).to(at::kByte).view({count, 1, 1, 1});
  pictures.pixels = level.expand({count, 3, 32, 32}).contiguous();
  return pictures;
}

TrainOptions ShortTraining() {
  TrainOptions options;
  options.epochs = 2;
  options.batch = 16;
  options.checkpoint_every = 2;
  return options;
}

vit::VitModel Begin(const std::string& name) { return InitialModel(EmbeddedConfig(name).value(), 3).value(); }

void ExpectSameWeights(const vit::VitModel& a, const vit::VitModel& b) {
  for (const auto& [name, parameter] : a.parameters()) {
    EXPECT_TRUE(at::equal(parameter, b.parameter(name))) << name;
  }
}

class TrainerTest : public ::testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }
  static void Ignore(const TrainStep&) {}
};

TEST_F(TrainerTest, SameSeedSameWeights) {
  const Pictures pictures = ColouredPictures(64);
  vit::VitModel first = Begin("micro_vit");
  vit::VitModel second = Begin("micro_vit");
  ASSERT_TRUE(Train(ShortTraining(), pictures, at::Tensor(), first, Ignore).ok());
  ASSERT_TRUE(Train(ShortTraining(), pictures, at::Tensor(), second, Ignore).ok());
  ExpectSameWeights(first, second);
  EXPECT_FALSE(at::equal(first.parameter("head.weight"), Begin("micro_vit").parameter("head.weight")));
}

TEST_F(TrainerTest, OtherSeedOtherWeights) {
  const Pictures pictures = ColouredPictures(64);
  vit::VitModel first = Begin("micro_vit");
  vit::VitModel second = Begin("micro_vit");
  TrainOptions options = ShortTraining();
  ASSERT_TRUE(Train(options, pictures, at::Tensor(), first, Ignore).ok());
  options.seed = 99;
  ASSERT_TRUE(Train(options, pictures, at::Tensor(), second, Ignore).ok());
  EXPECT_FALSE(at::equal(first.parameter("head.weight"), second.parameter("head.weight")));
}

// Coloured squares are their own mirror images: where every patch is shown, two workers compute what one does, but for
// the order of the additions.
TEST_F(TrainerTest, TwoWorkersLearnWhatOneLearns) {
  const Pictures pictures = ColouredPictures(32);
  TrainOptions options = ShortTraining();
  options.epochs = 1;
  options.dropping_fraction = 0.0;
  vit::VitModel one = Begin("micro_vit");
  vit::VitModel two = Begin("micro_vit");
  options.threads = 1;
  ASSERT_TRUE(Train(options, pictures, at::Tensor(), one, Ignore).ok());
  options.threads = 2;
  ASSERT_TRUE(Train(options, pictures, at::Tensor(), two, Ignore).ok());
  EXPECT_TRUE(at::allclose(one.parameter("head.bias"), two.parameter("head.bias"), 0.0, 2e-4));
  EXPECT_FALSE(at::equal(one.parameter("head.bias"), at::zeros({10})));
}

TEST_F(TrainerTest, LearnsAnEasyTask) {
  const Pictures pictures = ColouredPictures(320);
  TrainOptions options = ShortTraining();
  options.epochs = 4;
  options.batch = 32;
  vit::VitModel model = Begin("micro_vit");
  ASSERT_TRUE(Train(options, pictures, at::Tensor(), model, Ignore).ok());
  EXPECT_GT(AccuracyFraction(model, pictures, 2), 0.3);
}

TEST_F(TrainerTest, DistillationTokenLearnsTheTargetsAndTheClassTokenTheLabels) {
  const Pictures pictures = ColouredPictures(64);
  const at::Tensor targets = at::zeros({64}, at::kLong);  // a teacher that sees class 0 everywhere
  vit::VitModel model = Begin("micro_deit");
  TrainOptions options = ShortTraining();
  options.epochs = 4;
  ASSERT_TRUE(Train(options, pictures, targets, model, Ignore).ok());
  const at::Tensor imitated = model.parameter("head_dist.bias");
  EXPECT_EQ(imitated.argmax().item<int64_t>(), 0);
  EXPECT_GT((imitated[0] - imitated.narrow(0, 1, 9).max()).item<float>(), 1e-3F);
  EXPECT_FALSE(at::equal(model.parameter("head.bias"), imitated));
}

TEST_F(TrainerTest, ContinuesFromACheckpointToTheSameWeights) {
  const Pictures pictures = ColouredPictures(64);
  TrainOptions options = ShortTraining();  // 8 steps
  vit::VitModel whole = Begin("micro_vit");
  ASSERT_TRUE(Train(options, pictures, at::Tensor(), whole, Ignore).ok());

  options.checkpoint = ::testing::TempDir() + "/half_way.ckpt";
  options.checkpoint_every = 5;
  std::filesystem::remove(options.checkpoint);
  const std::string half_way = options.checkpoint + ".kept";
  vit::VitModel saved = Begin("micro_vit");
  // The last step is reported before the last checkpoint is saved: the file is still the one of step 5 then.
  ASSERT_TRUE(Train(options, pictures, at::Tensor(), saved, [&](const TrainStep&) {
                std::filesystem::copy_file(options.checkpoint, half_way,
                                           std::filesystem::copy_options::overwrite_existing);
              }).ok());
  std::filesystem::rename(half_way, options.checkpoint);

  vit::VitModel continued = Begin("micro_vit");
  int64_t steps_reported = 0;
  ASSERT_TRUE(Train(options, pictures, at::Tensor(), continued, [&](const TrainStep& step) {
                steps_reported = step.step;
              }).ok());
  EXPECT_EQ(steps_reported, 8);
  ExpectSameWeights(whole, continued);
}

TEST_F(TrainerTest, CheckpointOfAnotherTrainingIsRefused) {
  const Pictures pictures = ColouredPictures(64);
  TrainOptions options = ShortTraining();
  options.checkpoint = ::testing::TempDir() + "/other.ckpt";
  std::filesystem::remove(options.checkpoint);
  vit::VitModel model = Begin("micro_vit");
  ASSERT_TRUE(Train(options, pictures, at::Tensor(), model, Ignore).ok());
  options.epochs = 3;
  const Status status = Train(options, pictures, at::Tensor(), model, Ignore);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(status.error().message.find("8 steps, not 12"), std::string::npos) << status.error().message;
}

TEST_F(TrainerTest, LeavesNoGradientsOn) {
  vit::VitModel model = Begin("micro_vit");
  ASSERT_TRUE(Train(ShortTraining(), ColouredPictures(32), at::Tensor(), model, Ignore).ok());
  for (const auto& [name, parameter] : model.parameters()) {
    EXPECT_FALSE(parameter.requires_grad()) << name;
  }
}

}  // namespace
}  // namespace ptq::data
