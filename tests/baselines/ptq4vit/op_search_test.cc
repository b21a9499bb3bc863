// The alternating search against the same search in plain LibTorch calls.
#include "baselines/ptq4vit/op_search.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/quant/fake_quant.h"
#include "tests/testing/tiny_model.h"

namespace ptq::baselines::ptq4vit {
namespace {

using quant::Grid;
using quant::QuantParams;

calib::CapturedOp Linear() {
  calib::CapturedOp op;
  op.op = {vit::OpKind::kFc1, 0};
  op.left = testing::RandomTensor({4, 6, 24}, 1);
  op.right = testing::RandomTensor({18, 24}, 2);
  op.output = at::matmul(op.left, op.right.t());
  return op;
}

calib::CapturedOp Attention() {
  calib::CapturedOp op;
  op.op = {vit::OpKind::kPv, 0};
  op.left = at::softmax(testing::RandomTensor({4, 2, 6, 6}, 3) * 3, -1);
  op.right = testing::RandomTensor({4, 2, 5, 6}, 4);
  op.output = at::matmul(op.left, op.right.transpose(-2, -1));
  return op;
}

QuantParams Params(Grid grid, int bits, float scale) {
  QuantParams params;
  params.grid = grid;
  params.num_bits = bits;
  params.scale = {scale};
  params.zero_point = {0};
  return params;
}

QuantParams Covering(const at::Tensor& x, int bits, float factor = 1) {
  const float step = x.abs().max().item<float>() / (static_cast<float>(1 << (bits - 1)) - 0.5F);
  return Params(Grid::kSymmetricFull, bits, step * factor);
}

double Loss(const calib::CapturedOp& op, const at::Tensor& gradient, const at::Tensor& left, const at::Tensor& right) {
  const at::Tensor error = gradient * (at::matmul(left, right.transpose(-2, -1)) - op.output);
  return error.to(at::kDouble).pow(2).sum().item<double>();
}

// The best covering interval times 0.01 + 0.0119 i, i < 100, of x; loss gets x quantized.
template <typename LossOf>
QuantParams Best(const at::Tensor& x, int bits, const LossOf& loss) {
  QuantParams best;
  double least = INFINITY;
  for (int i = 0; i < 100; ++i) {
    const QuantParams params = Covering(x, bits, static_cast<float>(0.01 + i * (1.2 - 0.01) / 100));
    const double found = loss(quant::FakeQuantize(x, params));
    if (found < least) {
      least = found;
      best = params;
    }
  }
  return best;
}

TEST(OpSearchTest, TheWeightFirstThreeRounds) {
  const calib::CapturedOp op = Linear();
  const at::Tensor gradient = testing::RandomTensor(op.output.sizes(), 5);
  QuantParams left = Covering(op.left, 4), right = Covering(op.right, 4);
  for (int round = 0; round < 3; ++round) {
    const at::Tensor fixed_left = quant::FakeQuantize(op.left, left);
    right = Best(op.right, 4, [&](const at::Tensor& w) { return Loss(op, gradient, fixed_left, w); });
    const at::Tensor fixed_right = quant::FakeQuantize(op.right, right);
    left = Best(op.left, 4, [&](const at::Tensor& x) { return Loss(op, gradient, x, fixed_right); });
    SearchSettings settings;
    settings.rounds = round + 1;
    const Result<FoundOp> found = SearchOp(op, gradient, at::zeros({18}), {4, 4, false}, settings, nullptr);
    ASSERT_TRUE(found.ok());
    EXPECT_FLOAT_EQ(found->right.scale[0], right.scale[0]) << "after round " << round;
    EXPECT_FLOAT_EQ(found->left.scale[0], left.scale[0]) << "after round " << round;
  }
}

TEST(OpSearchTest, TheSplitBesideAFloatOperandThenTheOther) {
  const calib::CapturedOp op = Attention();
  const at::Tensor gradient = testing::RandomTensor(op.output.sizes(), 6);
  QuantParams left;
  double least = INFINITY;
  for (int i = 0; i < 20; ++i) {
    QuantParams params = Params(Grid::kTwinSoftmax, 4, std::ldexp(1.0F, -i) / 7);
    params.second_scale = {1.0F / 7};
    const double loss = Loss(op, gradient, quant::FakeQuantize(op.left, params), op.right);
    if (loss < least) {
      least = loss;
      left = params;
    }
  }
  const at::Tensor fixed = quant::FakeQuantize(op.left, left);
  const Result<FoundOp> found = SearchOp(op, gradient, at::Tensor(), {4, 4, false}, {}, nullptr);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->left, left);
  // Every head has the interval that is best for it alone.
  ASSERT_EQ(found->right.axis, 1);
  ASSERT_EQ(static_cast<int64_t>(found->right.scale.size()), op.right.size(1));
  for (int64_t head = 0; head < op.right.size(1); ++head) {
    calib::CapturedOp alone = op;
    alone.output = op.output.select(1, head);
    const QuantParams right = Best(op.right.select(1, head), 4, [&](const at::Tensor& v) {
      return Loss(alone, gradient.select(1, head), fixed.select(1, head), v);
    });
    EXPECT_FLOAT_EQ(found->right.scale[head], right.scale[0]) << "head " << head;
  }
}

TEST(OpSearchTest, EveryRowOfThePatchEmbeddingHasItsInterval) {
  calib::CapturedOp op = Linear();
  op.op = {vit::OpKind::kPatchEmbed, -1};
  op.right.select(0, 3).mul_(8);
  const FoundOp found = SearchOp(op, at::ones_like(op.output), at::zeros({18}), {8, 4, true}, {}, nullptr).value();
  ASSERT_EQ(found.right.axis, 0);
  ASSERT_EQ(found.right.scale.size(), 18U);
  for (int64_t row = 0; row < 18; ++row) {
    calib::CapturedOp alone = op;
    alone.output = op.output.slice(-1, row, row + 1);
    const QuantParams expected = Best(op.right.slice(0, row, row + 1), 4, [&](const at::Tensor& w) {
      return Loss(alone, at::ones_like(alone.output), op.left, w);
    });
    EXPECT_FLOAT_EQ(found.right.scale[row], expected.scale[0]) << "row " << row;
  }
}

TEST(OpSearchTest, AZeroGradientCountsEveryOutputTheSame) {
  const calib::CapturedOp op = Linear();
  const auto search = [&](const at::Tensor& gradient) {
    return SearchOp(op, gradient, at::zeros({18}), {4, 4, false}, {}, nullptr).value();
  };
  const FoundOp zero = search(at::zeros_like(op.output));
  const FoundOp one = search(at::ones_like(op.output));
  EXPECT_EQ(zero.left, one.left);
  EXPECT_EQ(zero.right, one.right);
}

TEST(OpSearchTest, AllZeroOperandsGetAPositiveStep) {
  calib::CapturedOp op = Linear();
  op.right = at::zeros_like(op.right);
  op.output = at::zeros_like(op.output);
  const FoundOp found = SearchOp(op, at::ones_like(op.output), at::zeros({18}), {4, 4, false}, {}, nullptr).value();
  EXPECT_TRUE(quant::Validate(found.left).ok());
  EXPECT_TRUE(quant::Validate(found.right).ok());
}

}  // namespace
}  // namespace ptq::baselines::ptq4vit
