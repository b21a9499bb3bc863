#include "baselines/lapq/network_loss.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "core/base/parallel.h"

namespace ptq::baselines::lapq {
namespace {

// Small enough that the images of a usual calibration set keep several threads busy evenly.
constexpr int64_t kTokensPerBatch = 1024;

// An even number of batches that differ by one image at most.
std::vector<int64_t> BatchSizes(int64_t images, int64_t tokens) {
  const int64_t target = std::clamp<int64_t>(kTokensPerBatch / tokens, 1, 64);
  int64_t batches = (images + target - 1) / target;
  batches = std::min(images, batches + batches % 2);
  std::vector<int64_t> sizes;
  for (int64_t b = 0; b < batches; ++b) {
    sizes.push_back(images / batches + (b < images % batches ? 1 : 0));
  }
  return sizes;
}

int64_t StageOf(const vit::OpId& op, int64_t stages) {
  if (op.kind == vit::OpKind::kPatchEmbed) {
    return 0;
  }
  return op.block >= 0 ? op.block + 1 : stages - 1;
}

}  // namespace

NetworkLoss::NetworkLoss(const vit::VitModel& model, const std::vector<ScoredImages>& parts)
    : model_(model), stages_(model.config().depth + 2), stride_((stages_ + 3) / 4), engine_(model) {
  for (const ScoredImages& part : parts) {
    parts_.push_back(MakePart(part));
  }
}

NetworkLoss::Part NetworkLoss::MakePart(const ScoredImages& scored) const {
  PTQ_CHECK(scored.images.size(0) > 0);
  Part part;
  part.images = scored.images.size(0);
  int64_t first = 0;
  for (const int64_t size : BatchSizes(part.images, model_.config().tokens())) {
    Batch& batch = part.batches.emplace_back();
    batch.inputs.resize(stages_);
    batch.inputs[0] = scored.images.narrow(0, first, size).contiguous();
    batch.losses.resize(size);
    if (!scored.labels.empty()) {
      batch.labels.assign(scored.labels.begin() + first, scored.labels.begin() + first + size);
    }
    first += size;
  }
  if (scored.labels.empty()) {
    ForEachBatch(part, [&](Batch& batch) {
      vit::OpEngine float_engine;
      at::Tensor x = batch.inputs[0];
      for (int64_t stage = 0; stage < stages_; ++stage) {
        x = RunStage(stage, x, float_engine);
      }
      batch.log_probabilities = at::log_softmax(x.to(at::kDouble), -1).contiguous();
    });
  }
  return part;
}

void NetworkLoss::Set(const vit::OperandId& operand, const quant::QuantParams& params) {
  const at::NoGradGuard no_grad;
  engine_.Set(operand, params);
  for (Part& part : parts_) {
    part.valid = std::min(part.valid, StageOf(operand.op, stages_));
  }
}

double NetworkLoss::Of(size_t index) {
  Part& part = parts_[index];
  if (part.valid == stages_) {
    return part.loss;
  }
  ForEachBatch(part, [&](Batch& batch) { RunBatch(batch, part.valid); });
  part.valid = stages_;
  double sum = 0;
  for (const Batch& batch : part.batches) {
    for (const double loss : batch.losses) {
      sum += loss;
    }
  }
  part.loss = sum / static_cast<double>(part.images);
  return part.loss;
}

void NetworkLoss::ForEachBatch(Part& part, const std::function<void(Batch&)>& run) {
  const int threads = at::get_num_threads();
  ParallelFor(threads, static_cast<int64_t>(part.batches.size()), [&](int64_t b) {
    const at::NoGradGuard no_grad;
    at::set_num_threads(1);
    run(part.batches[static_cast<size_t>(b)]);
  });
  at::set_num_threads(threads);
}

at::Tensor NetworkLoss::RunStage(int64_t stage, const at::Tensor& x, vit::OpEngine& engine) const {
  if (stage == 0) {
    return model_.Embed(x, engine);
  }
  return stage + 1 == stages_ ? model_.Head(x, engine) : model_.Block(stage - 1, x, engine);
}

void NetworkLoss::RunBatch(Batch& batch, int64_t changed) {
  int64_t first = changed;
  while (!batch.inputs[first].defined()) {
    --first;
  }
  at::Tensor x = batch.inputs[first];
  for (int64_t stage = 0; stage < stages_; ++stage) {
    const bool keeps = Keeps(stage, changed);
    if (stage < first) {
      batch.inputs[stage] = keeps ? batch.inputs[stage] : at::Tensor();
      continue;
    }
    batch.inputs[stage] = keeps ? x : at::Tensor();
    x = RunStage(stage, x, engine_);
    ++stages_run_;
  }
  const at::Tensor log_probabilities = at::log_softmax(x.to(at::kDouble), -1).contiguous();
  const int64_t classes = log_probabilities.size(1);
  for (int64_t i = 0; i < log_probabilities.size(0); ++i) {
    const double* row = log_probabilities.data_ptr<double>() + i * classes;
    double& loss = batch.losses[i];
    if (!batch.labels.empty()) {
      loss = -row[batch.labels[i]];
      continue;
    }
    const double* expected = batch.log_probabilities.data_ptr<double>() + i * classes;
    loss = 0;
    for (int64_t c = 0; c < classes; ++c) {
      loss += std::exp(expected[c]) * (expected[c] - row[c]);
    }
  }
}

}  // namespace ptq::baselines::lapq
