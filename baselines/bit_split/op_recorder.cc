#include "baselines/bit_split/op_recorder.h"

#include <ATen/ATen.h>

namespace ptq::bit_split {

at::Tensor ReplacedWeights::Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                                   const at::Tensor& bias) {
  const auto replaced = weights_.find(op);
  return OpEngine::Linear(op, input, replaced == weights_.end() ? weight : replaced->second, bias);
}

void OpRecorder::KeepRows(const vit::OpId& op, const std::vector<int64_t>& rows, bool input, bool output) {
  Sample sample;
  sample.rows = rows;
  sample.input = input;
  sample.output = output;
  samples_[op] = std::move(sample);
}

void OpRecorder::Count(const vit::OperandId& activation) {
  tallies_.emplace(
      activation,
      Tally{calib::TensorStatistics(calib::StatisticsOptions(), RandomStream(0, "no reservoir")), Status()});
}

Result<OpRows> OpRecorder::TakeRows(const vit::OpId& op) {
  const auto it = samples_.find(op);
  PTQ_CHECK(it != samples_.end() && it->second.taken == it->second.rows.size()) << op.name();
  OpRows rows = std::move(it->second.kept);
  samples_.erase(it);
  if (rows.input.defined() && !at::isfinite(rows.input).all().item<bool>()) {
    return InvalidArgument("contains a NaN or an infinity", vit::OperandId{op, vit::Side::kLeft}.name());
  }
  if (rows.output.defined() && !at::isfinite(rows.output).all().item<bool>()) {
    return InvalidArgument("the output contains a NaN or an infinity", op.name());
  }
  return rows;
}

Result<calib::TensorStatistics> OpRecorder::Counted(const vit::OperandId& activation) const {
  const Tally& tally = tallies_.at(activation);
  PTQ_RETURN_IF_ERROR(tally.status);
  return tally.statistics;
}

at::Tensor OpRecorder::Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                              const at::Tensor& bias) {
  at::Tensor product = base_.Linear(op, input, weight, bias);
  AddTo({op, vit::Side::kLeft}, input);
  const auto it = samples_.find(op);
  if (it == samples_.end()) {
    return product;
  }
  Sample& sample = it->second;
  const at::Tensor rows = input.reshape({-1, input.size(-1)});
  std::vector<int64_t> here;
  for (size_t i = sample.taken; i < sample.rows.size() && sample.rows[i] < sample.seen + rows.size(0); ++i) {
    here.push_back(sample.rows[i] - sample.seen);
  }
  const auto first = static_cast<int64_t>(sample.taken);
  const auto total = static_cast<int64_t>(sample.rows.size());
  const at::Tensor index = at::tensor(here, at::kLong);
  if (sample.input) {
    Keep(rows, index, first, total, sample.kept.input);
  }
  if (sample.output) {
    Keep(product.reshape({-1, product.size(-1)}) - bias, index, first, total, sample.kept.output);
  }
  sample.seen += rows.size(0);
  sample.taken += here.size();
  return product;
}

at::Tensor OpRecorder::MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) {
  AddTo({op, vit::Side::kLeft}, left);
  AddTo({op, vit::Side::kRight}, right);
  return base_.MatMul(op, left, right);
}

void OpRecorder::Keep(const at::Tensor& batch, const at::Tensor& index, int64_t first, int64_t total,
                      at::Tensor& kept) {
  if (!kept.defined()) {
    kept = at::empty({total, batch.size(1)}, batch.options());
  }
  kept.narrow(0, first, index.size(0)).copy_(batch.index_select(0, index));
}

void OpRecorder::AddTo(const vit::OperandId& activation, const at::Tensor& x) {
  const auto it = tallies_.find(activation);
  if (it == tallies_.end() || !it->second.status.ok()) {
    return;
  }
  const Status added = it->second.statistics.Add(x);
  if (!added.ok()) {
    it->second.status = InvalidArgument(added.error().message, activation.name());
  }
}

}  // namespace ptq::bit_split
