#include "core/calib/calibration.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/tiny_model.h"

namespace ptq::calib {
namespace {

using ::testing::HasSubstr;
using testing::MemoryImages;
using testing::RandomImages;
using testing::TinyConfig;
using testing::TinyModel;

// Writes down what it sees; checks that the output is the product of the operands.
class Recorder final : public OpVisitor {
 public:
  Status Observe(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right,
                 const at::Tensor& output) override {
    lines.push_back(op.name() + " " + std::to_string(left.size(0)));
    const at::Tensor product = op.has_weight() ? at::linear(left, right) : at::matmul(left, right);
    EXPECT_EQ(product.sizes(), output.sizes()) << op.name();
    if (!op.has_weight()) {
      EXPECT_TRUE(testing::BitEqual(product, output)) << op.name();
    }
    const vit::OpShape shape = vit::ShapeOf(op, TinyConfig(true));
    EXPECT_EQ(output.numel(), left.size(0) * shape.count * shape.rows * shape.columns) << op.name();
    EXPECT_EQ(left.size(-1), shape.inner) << op.name();
    return OkStatus();
  }
  Status EndStage(const std::vector<vit::OpId>& ops) override {
    std::string line = "end";
    for (const vit::OpId& op : ops) {
      line += " " + op.name();
    }
    lines.push_back(line);
    return OkStatus();
  }
  std::vector<std::string> lines;
};

TEST(VisitTest, EveryOpOncePerBatchStageByStage) {
  const vit::VitModel model = TinyModel(true);
  MemoryImages images(RandomImages(model.config(), 5));
  NullProgress progress;
  Calibration calibration(model, images, progress, 3);
  EXPECT_EQ(calibration.image_count(), 5);
  Recorder recorder;
  ASSERT_TRUE(calibration.Visit(recorder).ok());

  std::vector<std::string> expected;
  std::vector<std::vector<vit::OpId>> stages = {
      {{vit::OpKind::kPatchEmbed, -1}}, {}, {}, {{vit::OpKind::kHead, -1}, {vit::OpKind::kHeadDist, -1}}};
  for (const vit::OpId& op : vit::AllOps(model.config())) {
    if (op.block >= 0) {
      stages[op.block + 1].push_back(op);
    }
  }
  for (const std::vector<vit::OpId>& stage : stages) {
    std::string end = "end";
    for (const char* batch : {" 3", " 2"}) {
      for (const vit::OpId& op : stage) {
        expected.push_back(op.name() + batch);
      }
    }
    for (const vit::OpId& op : stage) {
      end += " " + op.name();
    }
    expected.push_back(end);
  }
  EXPECT_EQ(recorder.lines, expected);
}

// Keeps the operands of one op.
class Keeper final : public OpVisitor {
 public:
  explicit Keeper(vit::OpId op) : op_(op) {}
  Status Observe(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right,
                 const at::Tensor& output) override {
    if (op == op_) {
      left_.push_back(left);
      right_.push_back(right);
      output_.push_back(output);
    }
    return OkStatus();
  }
  at::Tensor left() const { return at::cat(left_); }
  at::Tensor right() const { return at::cat(right_); }
  at::Tensor output() const { return at::cat(output_); }

 private:
  vit::OpId op_;
  std::vector<at::Tensor> left_, right_, output_;
};

TEST(VisitTest, TheHeadsOutputIsTheForwardPass) {
  const vit::VitModel model = TinyModel();
  const at::Tensor pixels = RandomImages(model.config(), 4);
  MemoryImages images(pixels);
  NullProgress progress;
  Calibration calibration(model, images, progress, 4);
  Keeper head({vit::OpKind::kHead, -1});
  ASSERT_TRUE(calibration.Visit(head).ok());
  vit::OpEngine engine;
  EXPECT_TRUE(testing::BitEqual(head.output(), model.Forward(pixels, engine)));
}

TEST(VisitTest, AnEmptySetIsRefused) {
  const vit::VitModel model = TinyModel();
  MemoryImages images(RandomImages(model.config(), 0));
  NullProgress progress;
  Calibration calibration(model, images, progress);
  Recorder recorder;
  const Status status = calibration.Visit(recorder);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(status.error().message, HasSubstr("calibration set is empty"));
}

// 4 stages of 6 images: whichever of the 24 steps asks to stop, the visit ends with Interrupted.
TEST(VisitTest, StopsAtEveryStep) {
  const vit::VitModel model = TinyModel(true);
  MemoryImages images(RandomImages(model.config(), 6));
  for (const int64_t steps : {1, 6, 7, 12, 18, 23, 24}) {
    testing::StoppingProgress progress(steps);
    Calibration calibration(model, images, progress, 2);
    Recorder recorder;
    const Status status = calibration.Visit(recorder);
    ASSERT_FALSE(status.ok()) << steps;
    EXPECT_EQ(status.error().code, ErrorCode::kInterrupted);
  }
  testing::StoppingProgress never(25);
  Calibration calibration(model, images, never, 2);
  Recorder recorder;
  EXPECT_TRUE(calibration.Visit(recorder).ok());
}

class Refuser final : public OpVisitor {
 public:
  Status Observe(const vit::OpId& op, const at::Tensor&, const at::Tensor&, const at::Tensor&) override {
    EXPECT_FALSE(refused_) << "observed after an error";
    if (op.kind == vit::OpKind::kPv) {
      refused_ = true;
      return Unsupported("no pv", op.name());
    }
    return OkStatus();
  }

 private:
  bool refused_ = false;
};

TEST(VisitTest, TheFirstErrorOfAVisitorEndsIt) {
  const vit::VitModel model = TinyModel();
  MemoryImages images(RandomImages(model.config(), 6));
  NullProgress progress;
  Calibration calibration(model, images, progress, 2);
  Refuser refuser;
  EXPECT_EQ(calibration.Visit(refuser).error().ToString(), "blocks.0.attn.pv: no pv");
}

class BrokenImages final : public ImageSource {
 public:
  int64_t count() const override { return 3; }
  Status ForEachBatch(int64_t, const std::function<Status(const at::Tensor&)>&) override {
    return Corrupt("not a JPEG", "a.jpg");
  }
};

TEST(VisitTest, ErrorsOfTheImagesPassThrough) {
  const vit::VitModel model = TinyModel();
  BrokenImages images;
  NullProgress progress;
  Calibration calibration(model, images, progress);
  Recorder recorder;
  EXPECT_EQ(calibration.Visit(recorder).error().ToString(), "a.jpg: not a JPEG");
}

class CollectTest : public ::testing::Test {
 protected:
  Result<std::map<vit::OperandId, TensorStatistics>> Collect(const at::Tensor& pixels, int64_t batch_size = 4) {
    MemoryImages images(pixels);
    NullProgress progress;
    Calibration calibration(model_, images, progress, batch_size);
    StatisticsOptions options;
    options.reservoir = 50;
    return calibration.Collect(operands_, options, RandomStream(1, "test"));
  }
  const vit::VitModel model_ = TinyModel();
  const vit::OperandId fc2_{{vit::OpKind::kFc2, 1}, vit::Side::kLeft};
  const vit::OperandId key_{{vit::OpKind::kQk, 0}, vit::Side::kRight};
  const vit::OperandId probabilities_{{vit::OpKind::kPv, 1}, vit::Side::kLeft};
  std::vector<vit::OperandId> operands_ = {fc2_, key_, probabilities_};
};

TEST_F(CollectTest, StatisticsAreThoseOfTheOperands) {
  const at::Tensor pixels = RandomImages(model_.config(), 10);
  const auto statistics = Collect(pixels).value();
  ASSERT_EQ(statistics.size(), 3U);
  MemoryImages images(pixels);
  NullProgress progress;
  Calibration calibration(model_, images, progress, 4);
  Keeper keeper(key_.op);
  ASSERT_TRUE(calibration.Visit(keeper).ok());
  const at::Tensor keys = keeper.right();
  EXPECT_EQ(statistics.at(key_).count(), keys.numel());
  EXPECT_EQ(statistics.at(key_).min(), keys.min().item<float>());
  EXPECT_EQ(statistics.at(key_).max(), keys.max().item<float>());
  EXPECT_NEAR(statistics.at(key_).mean(), keys.to(at::kDouble).mean().item<double>(), 1e-12);
  EXPECT_GE(statistics.at(probabilities_).min(), 0);
  EXPECT_NEAR(statistics.at(probabilities_).mean(), 1.0 / 5, 1e-6) << "rows of 5 sum to 1";
  EXPECT_GE(statistics.at(fc2_).min(), -0.169972F) << "the minimum of GELU";
  EXPECT_EQ(statistics.at(fc2_).reservoir().size(), 50U);
}

TEST_F(CollectTest, AskingForMoreOperandsDoesNotChangeTheOthers) {
  const at::Tensor pixels = RandomImages(model_.config(), 6);
  const auto all = Collect(pixels).value();
  operands_ = {key_};
  const auto alone = Collect(pixels).value();
  EXPECT_EQ(alone.at(key_).reservoir(), all.at(key_).reservoir());
  EXPECT_EQ(alone.at(key_).histogram().bins(), all.at(key_).histogram().bins());
}

// One stream per operand, under a frozen name: a change moves the numbers of every method that samples.
TEST_F(CollectTest, ReservoirsDrawFromTheStreamOfTheirOperand) {
  const at::Tensor pixels = RandomImages(model_.config(), 6);
  const auto statistics = Collect(pixels).value();
  MemoryImages images(pixels);
  NullProgress progress;
  Calibration calibration(model_, images, progress, 4);
  Keeper keeper(key_.op);
  ASSERT_TRUE(calibration.Visit(keeper).ok());
  const at::Tensor keys = keeper.right().contiguous();
  Reservoir reservoir(50, RandomStream(1, "test").Child("reservoir/blocks.0.attn.qk.right"));
  reservoir.Add(keys.data_ptr<float>(), keys.numel());
  EXPECT_EQ(statistics.at(key_).reservoir(), reservoir.values());
}

TEST_F(CollectTest, NaNAndInfinityNameTheOperand) {
  operands_ = {{{vit::OpKind::kPatchEmbed, -1}, vit::Side::kLeft}, fc2_};
  for (const float poison : {std::nanf(""), INFINITY}) {
    at::Tensor pixels = RandomImages(model_.config(), 6);
    pixels[4][1][2][3] = poison;
    const auto statistics = Collect(pixels);
    ASSERT_FALSE(statistics.ok());
    EXPECT_EQ(statistics.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(statistics.error().where, "patch_embed.proj.left");
  }
  operands_ = {fc2_};
  at::Tensor pixels = RandomImages(model_.config(), 6);
  pixels[4][1][2][3] = std::nanf("");
  EXPECT_EQ(Collect(pixels).error().where, "blocks.1.mlp.fc2.left");
}

TEST(CalibrationDeathTest, BugsOfTheCallerAbort) {
  const vit::VitModel model = TinyModel();
  MemoryImages images(RandomImages(model.config(), 1));
  NullProgress progress;
  EXPECT_DEATH(Calibration(model, images, progress, 0), "batch_size > 0");
  Calibration calibration(model, images, progress);
  EXPECT_DEATH((void)calibration.Collect({{{vit::OpKind::kFc1, 0}, vit::Side::kRight}}, {}, RandomStream(1, "x")),
               "blocks.0.mlp.fc1.right");
}

}  // namespace
}  // namespace ptq::calib
