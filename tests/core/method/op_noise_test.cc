#include "core/method/op_noise.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/range_plan.h"
#include "tests/testing/tiny_model.h"

namespace ptq::method {
namespace {

using quant::Grid;

TEST(OpNoiseTest, WithoutAPlanThereIsNone) {
  const vit::VitModel model = testing::TinyModel();
  const auto noise = MeasureOpNoise(model, {}, testing::RandomImages(model.config(), 2));
  ASSERT_EQ(noise.size(), vit::AllOps(model.config()).size());
  for (const OpNoise& op : noise) {
    EXPECT_EQ(op.signal_to_noise_db, INFINITY) << op.op.name();
  }
}

// The op that is quantized more coarsely comes first, and what others do does not change its figure.
TEST(OpNoiseTest, AnOpAnswersForItsOwnNoiseAlone) {
  const vit::VitModel model = testing::TinyModel();
  const at::Tensor images = testing::RandomImages(model.config(), 2);
  const Plan four = testing::RangePlan(model, images, {Grid::kAffine, Grid::kSymmetricFull, 4, 4, true});
  const vit::OpId op{vit::OpKind::kFc1, 1};
  Plan only;
  for (const vit::Side side : {vit::Side::kLeft, vit::Side::kRight}) {
    only.operands[{op, side}] = four.operands.at({op, side});
  }
  const auto alone = MeasureOpNoise(model, only, images);
  EXPECT_EQ(alone[0].op, op);
  EXPECT_GT(alone[0].signal_to_noise_db, 5);
  EXPECT_LT(alone[0].signal_to_noise_db, 30);
  EXPECT_EQ(alone[1].signal_to_noise_db, INFINITY);
  Plan mixed = testing::RangePlan(model, images, {Grid::kAffine, Grid::kSymmetricFull, 8, 8, true});
  for (const auto& [operand, params] : only.operands) {
    mixed.operands[operand] = params;
  }
  const auto among_others = MeasureOpNoise(model, mixed, images);
  EXPECT_EQ(among_others[0].op, op);
  EXPECT_EQ(among_others[0].signal_to_noise_db, alone[0].signal_to_noise_db);
  EXPECT_GT(among_others[1].signal_to_noise_db, 25);
}

}  // namespace
}  // namespace ptq::method
