#include "core/calib/op_capture.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/tiny_model.h"

namespace ptq::calib {
namespace {

using testing::MemoryImages;
using testing::RandomImages;
using testing::TinyModel;

// Halves what enters every block's fc2, so that a prefix can be told from the float model.
class HalvingEngine final : public vit::OpEngine {
 public:
  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    return OpEngine::Linear(op, op.kind == vit::OpKind::kFc2 ? input / 2 : input, weight, bias);
  }
};

class StageTest : public ::testing::Test {
 protected:
  StageTest() : model_(TinyModel(true)), pixels_(RandomImages(model_.config(), 5)), images_(pixels_) {}

  vit::VitModel model_;
  at::Tensor pixels_;
  MemoryImages images_;
  NullProgress progress_;
};

TEST_F(StageTest, StagesFollowTheForwardPassAndCoverEveryOp) {
  Calibration calibration(model_, images_, progress_, 2);
  vit::OpEngine engine;
  std::vector<vit::OpId> ops;
  std::vector<at::Tensor> last;
  ASSERT_TRUE(calibration
                  .ForEachStage(nullptr,
                                [&](Stage& stage) {
                                  ops.insert(ops.end(), stage.ops().begin(), stage.ops().end());
                                  last.clear();
                                  return stage.Run(engine, &last);
                                })
                  .ok());
  EXPECT_EQ(ops, vit::AllOps(model_.config()));
  EXPECT_TRUE(at::allclose(at::cat(last), model_.Forward(pixels_, engine), 1e-5, 1e-6));
}

TEST_F(StageTest, FirstImagesRunsWholeBatches) {
  Calibration calibration(model_, images_, progress_, 2);
  vit::OpEngine engine;
  ASSERT_TRUE(calibration
                  .ForEachStage(nullptr,
                                [&](Stage& stage) -> Status {
                                  std::vector<at::Tensor> outputs;
                                  PTQ_RETURN_IF_ERROR(stage.Run(engine, &outputs, 3));
                                  const bool embeds = stage.ops()[0].kind == vit::OpKind::kPatchEmbed;
                                  EXPECT_EQ(at::cat(outputs).size(0), embeds ? 5 : 4);
                                  return OkStatus();
                                })
                  .ok());
}

TEST_F(StageTest, CapturesOperandsAndProductsOfEveryOp) {
  Calibration calibration(model_, images_, progress_, 2);
  ASSERT_TRUE(calibration
                  .ForEachStage(nullptr,
                                [&](Stage& stage) -> Status {
                                  for (const vit::OpId& op : stage.ops()) {
                                    SCOPED_TRACE(op.name());
                                    PTQ_ASSIGN_OR_RETURN(const CapturedOp got, CaptureOp(stage, op, model_, nullptr));
                                    const vit::OpShape shape = vit::ShapeOf(op, model_.config());
                                    EXPECT_EQ(got.left.size(0), 5);
                                    EXPECT_EQ(got.left.size(-1), shape.inner);
                                    EXPECT_EQ(got.right.size(-2), shape.columns);
                                    EXPECT_EQ(got.left.dim(), op.has_weight() ? 3 : 4);
                                    EXPECT_TRUE(got.left.is_contiguous() && got.right.is_contiguous());
                                    const at::Tensor product = at::matmul(got.left, got.right.transpose(-2, -1));
                                    EXPECT_TRUE(at::allclose(product, got.output, 1e-5, 1e-5));
                                  }
                                  return OkStatus();
                                })
                  .ok());
}

TEST_F(StageTest, BehindAPrefixOperandsAreItsOwnAndOutputsTheFloatModels) {
  Calibration calibration(model_, images_, progress_, 2);
  HalvingEngine prefix;
  const vit::OpId qkv{vit::OpKind::kQkv, 1};
  int compared = 0;
  ASSERT_TRUE(
      calibration
          .ForEachStage(&prefix,
                        [&](Stage& stage) -> Status {
                          if (stage.ops()[0] == qkv) {
                            PTQ_ASSIGN_OR_RETURN(const CapturedOp plain, CaptureOp(stage, qkv, model_, nullptr));
                            PTQ_ASSIGN_OR_RETURN(const CapturedOp behind, CaptureOp(stage, qkv, model_, &prefix));
                            EXPECT_FALSE(at::allclose(plain.left, behind.left, 1e-3, 1e-3));
                            EXPECT_TRUE(testing::BitEqual(plain.output, behind.output));
                            ++compared;
                          }
                          return OkStatus();
                        })
          .ok());
  EXPECT_EQ(compared, 1);
}

TEST_F(StageTest, WhatIsNotFiniteIsNamed) {
  pixels_[1][0][0][0] = std::nanf("");
  Calibration calibration(model_, images_, progress_, 2);
  const Status status = calibration.ForEachStage(nullptr, [&](Stage& stage) -> Status {
    const Result<CapturedOp> captured = CaptureOp(stage, stage.ops()[0], model_, nullptr);
    return captured.ok() ? OkStatus() : Status(captured.error());
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().where, "patch_embed.proj.left");
}

TEST_F(StageTest, RefusesAnEmptySetAndPassesErrorsOn) {
  MemoryImages none(pixels_.narrow(0, 0, 0));
  const auto visit = [](Stage&) { return OkStatus(); };
  EXPECT_EQ(Calibration(model_, none, progress_).ForEachStage(nullptr, visit).error().code,
            ErrorCode::kInvalidArgument);
  const auto refuse = [](Stage&) -> Status { return Unsupported("no"); };
  EXPECT_EQ(Calibration(model_, images_, progress_).ForEachStage(nullptr, refuse).error().message, "no");
}

}  // namespace
}  // namespace ptq::calib
