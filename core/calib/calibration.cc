#include "core/calib/calibration.h"

#include <ATen/ATen.h>

namespace ptq::calib {
namespace {

// Multiplies in float and shows the operands.  The first error stops the observation and is kept.
class ObservingEngine final : public vit::OpEngine {
 public:
  explicit ObservingEngine(OpVisitor& visitor) : visitor_(visitor) {}

  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    at::Tensor output = OpEngine::Linear(op, input, weight, bias);
    Show(op, input, weight, output);
    return output;
  }
  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) override {
    at::Tensor output = OpEngine::MatMul(op, left, right);
    Show(op, left, right, output);
    return output;
  }
  const Status& status() const { return status_; }

 private:
  void Show(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right, const at::Tensor& output) {
    if (status_.ok()) {
      status_ = visitor_.Observe(op, left, right, output);
    }
  }

  OpVisitor& visitor_;
  Status status_;
};

class StatisticsVisitor final : public OpVisitor {
 public:
  explicit StatisticsVisitor(std::map<vit::OperandId, TensorStatistics>& statistics) : statistics_(statistics) {}

  Status Observe(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right, const at::Tensor&) override {
    PTQ_RETURN_IF_ERROR(Add({op, vit::Side::kLeft}, left));
    return Add({op, vit::Side::kRight}, right);
  }

 private:
  Status Add(const vit::OperandId& operand, const at::Tensor& x) {
    const auto it = statistics_.find(operand);
    if (it == statistics_.end()) {
      return OkStatus();
    }
    const Status added = it->second.Add(x);
    return added.ok() ? added : InvalidArgument(added.error().message, operand.name());
  }

  std::map<vit::OperandId, TensorStatistics>& statistics_;
};

}  // namespace

Calibration::Calibration(const vit::VitModel& model, ImageSource& images, Progress& progress, int64_t batch_size)
    : model_(model), images_(images), progress_(progress), batch_size_(batch_size) {
  PTQ_CHECK(batch_size > 0);
}

Status Calibration::Visit(OpVisitor& visitor) {
  if (images_.count() == 0) {
    return InvalidArgument("the calibration set is empty; ask for at least one calibration image");
  }
  const at::NoGradGuard no_grad;
  const vit::VitConfig& config = model_.config();
  ObservingEngine engine(visitor);
  std::vector<at::Tensor> batches;  // the next stage's inputs
  progress_.Begin("calibrate", (config.depth + 2) * images_.count());
  auto after_batch = [&](int64_t images) -> Status {
    progress_.Advance(images);
    PTQ_RETURN_IF_ERROR(engine.status());
    return progress_.stop_requested() ? Status(Interrupted("stopped during calibration")) : OkStatus();
  };
  PTQ_RETURN_IF_ERROR(images_.ForEachBatch(batch_size_, [&](const at::Tensor& images) {
    batches.push_back(model_.Embed(images, engine));
    return after_batch(images.size(0));
  }));
  PTQ_RETURN_IF_ERROR(visitor.EndStage({{vit::OpKind::kPatchEmbed, -1}}));
  for (int64_t block = 0; block < config.depth; ++block) {
    std::vector<vit::OpId> ops;
    for (const vit::OpId& op : vit::AllOps(config)) {
      if (op.block == block) {
        ops.push_back(op);
      }
    }
    for (at::Tensor& x : batches) {
      x = model_.Block(block, x, engine);
      PTQ_RETURN_IF_ERROR(after_batch(x.size(0)));
    }
    PTQ_RETURN_IF_ERROR(visitor.EndStage(ops));
  }
  for (at::Tensor& x : batches) {
    model_.Head(x, engine);
    PTQ_RETURN_IF_ERROR(after_batch(x.size(0)));
    x = at::Tensor();
  }
  std::vector<vit::OpId> head_ops = {{vit::OpKind::kHead, -1}};
  if (config.distilled) {
    head_ops.push_back({vit::OpKind::kHeadDist, -1});
  }
  PTQ_RETURN_IF_ERROR(visitor.EndStage(head_ops));
  progress_.End();
  return OkStatus();
}

Result<std::map<vit::OperandId, TensorStatistics>> Calibration::Collect(const std::vector<vit::OperandId>& operands,
                                                                        const StatisticsOptions& options,
                                                                        RandomStream random) {
  std::map<vit::OperandId, TensorStatistics> statistics;
  for (const vit::OperandId& operand : operands) {
    PTQ_CHECK(!operand.is_weight()) << operand.name();
    statistics.emplace(operand, TensorStatistics(options, random.Child("reservoir/" + operand.name())));
  }
  StatisticsVisitor visitor(statistics);
  PTQ_RETURN_IF_ERROR(Visit(visitor));
  return statistics;
}

}  // namespace ptq::calib
