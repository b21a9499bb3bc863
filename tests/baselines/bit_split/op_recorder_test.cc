#include "baselines/bit_split/op_recorder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/tiny_model.h"

namespace ptq::bit_split {
namespace {

const vit::OpId kFc1{vit::OpKind::kFc1, 0};
const vit::OpId kQk{vit::OpKind::kQk, 0};

TEST(OpRecorderTest, KeepsTheRowsThatWereAskedForAcrossBatches) {
  const at::Tensor x = testing::RandomTensor({6, 5, 3}, 1);  // 30 rows
  const at::Tensor weight = testing::RandomTensor({4, 3}, 2);
  const at::Tensor bias = testing::RandomTensor({4}, 3);
  vit::OpEngine engine;
  OpRecorder recorder(engine);
  const std::vector<int64_t> rows = {0, 3, 9, 10, 21, 29};
  recorder.KeepRows(kFc1, rows, true, true);
  at::Tensor last;
  for (const auto& [first, count] : {std::pair{0, 2}, std::pair{2, 2}, std::pair{4, 2}}) {
    last = recorder.Linear(kFc1, x.narrow(0, first, count), weight, bias);
  }
  EXPECT_TRUE(at::equal(last, at::linear(x.narrow(0, 4, 2), weight, bias)));
  const OpRows kept = recorder.TakeRows(kFc1).value();
  const at::Tensor wanted = x.view({30, 3}).index_select(0, at::tensor(rows, at::kLong));
  EXPECT_TRUE(at::equal(kept.input, wanted));
  EXPECT_TRUE(at::allclose(kept.output, at::matmul(wanted, weight.t()), 1e-5, 1e-5));
}

TEST(OpRecorderTest, MultipliesByReplacedWeights) {
  const at::Tensor x = testing::RandomTensor({2, 5, 3}, 1);
  const at::Tensor weight = testing::RandomTensor({4, 3}, 2);
  const at::Tensor bias = testing::RandomTensor({4}, 3);
  const at::Tensor other = testing::RandomTensor({4, 3}, 4);
  ReplacedWeights engine;
  EXPECT_TRUE(at::equal(engine.Linear(kFc1, x, weight, bias), at::linear(x, weight, bias)));
  engine.Set(kFc1, other);
  EXPECT_TRUE(at::equal(engine.Linear(kFc1, x, weight, bias), at::linear(x, other, bias)));
  EXPECT_TRUE(at::equal(engine.Linear({vit::OpKind::kFc1, 1}, x, weight, bias), at::linear(x, weight, bias)));
}

TEST(OpRecorderTest, CountsActivationsOnBothSidesOfAProduct) {
  vit::OpEngine engine;
  OpRecorder recorder(engine);
  recorder.Count({kQk, vit::Side::kRight});
  const at::Tensor left = testing::RandomTensor({1, 2, 3, 4}, 1);
  const at::Tensor right = testing::RandomTensor({1, 2, 4, 3}, 2);
  recorder.MatMul(kQk, left, right);
  recorder.MatMul(kQk, left, 2 * right);
  const calib::TensorStatistics seen = recorder.Counted({kQk, vit::Side::kRight}).value();
  EXPECT_EQ(seen.count(), 48);
  EXPECT_EQ(seen.max(), 2 * right.max().item<float>());
}

TEST(OpRecorderTest, WhatIsNotFiniteIsNamed) {
  vit::OpEngine engine;
  OpRecorder recorder(engine);
  recorder.KeepRows(kFc1, {0, 1}, true, false);
  recorder.Count({kFc1, vit::Side::kLeft});
  at::Tensor x = testing::RandomTensor({1, 2, 3}, 1);
  x[0][1][1] = std::nanf("");
  recorder.Linear(kFc1, x, testing::RandomTensor({4, 3}, 2), at::zeros({4}));
  for (const Error& error : {recorder.TakeRows(kFc1).error(), recorder.Counted({kFc1, vit::Side::kLeft}).error()}) {
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(error.where, error.where.empty() ? "" : "blocks.0.mlp.fc1.left");
    EXPECT_NE(error.ToString().find("blocks.0.mlp.fc1.left"), std::string::npos);
  }
}

}  // namespace
}  // namespace ptq::bit_split
