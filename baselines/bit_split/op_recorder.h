// op_recorder.h: forward passes with some weights replaced, that keep sampled rows of linear ops and count activations.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <vector>

#include "core/calib/statistics.h"
#include "core/vit/op_engine.h"

namespace ptq::bit_split {

// Multiplies by replaced weights where there are any; activations stay in float.
class ReplacedWeights final : public vit::OpEngine {
 public:
  // weight: (O, K)
  void Set(const vit::OpId& op, const at::Tensor& weight) { weights_[op] = weight; }
  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override;

 private:
  std::map<vit::OpId, at::Tensor> weights_;
};

// Rows of a linear op: one per token, images one after another.
struct OpRows {
  at::Tensor input;   // (P, K), where wanted
  at::Tensor output;  // (P, O) without bias, where wanted
};

// Lets another engine multiply.  For one pass over all images, batches in order.
class OpRecorder final : public vit::OpEngine {
 public:
  explicit OpRecorder(vit::OpEngine& base) : base_(base) {}

  // Before the pass.  rows: ascending.
  void KeepRows(const vit::OpId& op, const std::vector<int64_t>& rows, bool input, bool output);
  void Count(const vit::OperandId& activation);

  // After the pass.  InvalidArgument naming the operand where a value was not finite.
  Result<OpRows> TakeRows(const vit::OpId& op);
  Result<calib::TensorStatistics> Counted(const vit::OperandId& activation) const;

  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override;
  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) override;

 private:
  struct Sample {
    std::vector<int64_t> rows;
    bool input = false, output = false;
    int64_t seen = 0;  // rows that have passed
    size_t taken = 0;  // of `rows`
    OpRows kept;
  };
  struct Tally {
    calib::TensorStatistics statistics;
    Status status;
  };

  static void Keep(const at::Tensor& batch, const at::Tensor& index, int64_t first, int64_t total, at::Tensor& kept);
  void AddTo(const vit::OperandId& activation, const at::Tensor& x);

  vit::OpEngine& base_;
  std::map<vit::OpId, Sample> samples_;
  std::map<vit::OperandId, Tally> tallies_;
};

}  // namespace ptq::bit_split
