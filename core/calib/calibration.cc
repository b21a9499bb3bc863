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

// The ops that run together: of the patch embedding, of one block, or of the head.
struct StageOps {
  int64_t index = 0;
  std::vector<vit::OpId> ops;
};

std::vector<StageOps> Stages(const vit::VitConfig& config) {
  std::vector<StageOps> stages(config.depth + 2);
  for (size_t i = 0; i < stages.size(); ++i) {
    stages[i].index = static_cast<int64_t>(i);
  }
  for (const vit::OpId& op : vit::AllOps(config)) {
    const bool is_first = op.kind == vit::OpKind::kPatchEmbed;
    stages[is_first ? 0 : (op.block >= 0 ? op.block + 1 : config.depth + 1)].ops.push_back(op);
  }
  return stages;
}

}  // namespace

class Calibration::StageOfImages final : public Stage {
 public:
  StageOfImages(Calibration& calibration, const StageOps& stage, const std::vector<at::Tensor>& inputs,
                const std::vector<at::Tensor>* prefix_inputs)
      : calibration_(calibration), stage_(stage), inputs_(inputs), prefix_inputs_(prefix_inputs) {}

  const std::vector<vit::OpId>& ops() const override { return stage_.ops; }
  int64_t image_count() const override { return calibration_.image_count(); }

  Status Run(vit::OpEngine& engine, std::vector<at::Tensor>* outputs, int64_t first_images) override {
    return RunOn(inputs_, engine, outputs, first_images);
  }
  Status RunBehindPrefix(vit::OpEngine& engine, std::vector<at::Tensor>* outputs) override {
    PTQ_CHECK(prefix_inputs_ != nullptr) << "ForEachStage was given no prefix engine";
    return RunOn(*prefix_inputs_, engine, outputs, kAllImages);
  }

 private:
  Status RunOn(const std::vector<at::Tensor>& inputs, vit::OpEngine& engine, std::vector<at::Tensor>* outputs,
               int64_t first_images) {
    const auto after_batch = [](int64_t) { return OkStatus(); };
    return calibration_.RunStage(stage_.index, inputs, engine, after_batch, outputs, first_images);
  }

  Calibration& calibration_;
  const StageOps& stage_;
  const std::vector<at::Tensor>& inputs_;
  const std::vector<at::Tensor>* prefix_inputs_;
};

Calibration::Calibration(const vit::VitModel& model, ImageSource& images, Progress& progress, int64_t batch_size)
    : model_(model), images_(images), progress_(progress), batch_size_(batch_size) {
  PTQ_CHECK(batch_size > 0);
}

Result<std::vector<int64_t>> ImageSource::Labels() { return Unsupported("the calibration images have no labels here"); }

Status Calibration::ForEachImageBatch(const std::function<Status(const at::Tensor&)>& visit) {
  PTQ_RETURN_IF_ERROR(CheckHasImages());
  return images_.ForEachBatch(batch_size_, visit);
}

Status Calibration::Visit(OpVisitor& visitor) {
  ObservingEngine engine(visitor);
  progress_.Begin("calibrate", (model_.config().depth + 2) * images_.count());
  std::vector<at::Tensor> inputs;
  size_t batches_done = 0;
  const auto after_batch = [&](int64_t images) {
    if (batches_done < inputs.size()) {
      inputs[batches_done++] = at::Tensor();  // one copy of a stage's activations is enough
    }
    progress_.Advance(images);
    return engine.status();
  };
  PTQ_RETURN_IF_ERROR(CheckHasImages());
  for (const StageOps& stage : Stages(model_.config())) {
    std::vector<at::Tensor> outputs;
    batches_done = 0;
    PTQ_RETURN_IF_ERROR(RunStage(stage.index, inputs, engine, after_batch, &outputs));
    PTQ_RETURN_IF_ERROR(visitor.EndStage(stage.ops));
    inputs = std::move(outputs);
  }
  progress_.End();
  return OkStatus();
}

Status Calibration::ForEachStage(vit::OpEngine* prefix, const std::function<Status(Stage&)>& visit) {
  PTQ_RETURN_IF_ERROR(CheckHasImages());
  vit::OpEngine float_engine;
  std::vector<at::Tensor> inputs, prefix_inputs;
  const std::vector<StageOps> stages = Stages(model_.config());
  for (const StageOps& each : stages) {
    StageOfImages stage(*this, each, inputs, prefix != nullptr ? &prefix_inputs : nullptr);
    PTQ_RETURN_IF_ERROR(visit(stage));
    if (each.index + 1 == static_cast<int64_t>(stages.size())) {
      break;  // nothing reads what the head puts out
    }
    std::vector<at::Tensor> outputs;
    if (prefix != nullptr) {
      PTQ_RETURN_IF_ERROR(stage.RunBehindPrefix(*prefix, &outputs));
      prefix_inputs = std::move(outputs);
      outputs.clear();
    }
    PTQ_RETURN_IF_ERROR(stage.Run(float_engine, &outputs, Stage::kAllImages));
    inputs = std::move(outputs);
  }
  return OkStatus();
}

Status Calibration::CheckHasImages() const {
  if (images_.count() == 0) {
    return InvalidArgument("the calibration set is empty; ask for at least one calibration image");
  }
  return OkStatus();
}

Status Calibration::RunStage(int64_t stage, const std::vector<at::Tensor>& inputs, vit::OpEngine& engine,
                             const std::function<Status(int64_t)>& after_batch, std::vector<at::Tensor>* outputs,
                             int64_t first_images) {
  const at::NoGradGuard no_grad;
  const auto finish = [&](const at::Tensor& output) -> Status {
    if (outputs != nullptr) {
      outputs->push_back(output);
    }
    PTQ_RETURN_IF_ERROR(after_batch(output.size(0)));
    return progress_.stop_requested() ? Status(Interrupted("stopped during calibration")) : OkStatus();
  };
  if (stage == 0) {
    return images_.ForEachBatch(batch_size_,
                                [&](const at::Tensor& images) { return finish(model_.Embed(images, engine)); });
  }
  const bool is_head = stage == model_.config().depth + 1;
  int64_t images = 0;
  for (const at::Tensor& x : inputs) {
    if (images >= first_images) {
      break;
    }
    images += x.size(0);
    PTQ_RETURN_IF_ERROR(finish(is_head ? model_.Head(x, engine) : model_.Block(stage - 1, x, engine)));
  }
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
