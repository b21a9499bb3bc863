#include "data/embedded/trainer.h"

#include <torch/torch.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/random.h"

namespace ptq::data {
namespace {

// Keeps the two heads' logits apart, which VitModel::Head averages.
class HeadRecorder : public vit::OpEngine {
 public:
  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    at::Tensor out = vit::OpEngine::Linear(op, input, weight, bias);
    if (op.kind == vit::OpKind::kHead) {
      head_ = out;
    } else if (op.kind == vit::OpKind::kHeadDist) {
      head_dist_ = out;
    }
    return out;
  }
  const at::Tensor& head() const { return head_; }
  const at::Tensor& head_dist() const { return head_dist_; }

 private:
  at::Tensor head_, head_dist_;
};

// One worker's part of a batch: a model of its own that shares the weights' memory and has its own gradients.
struct Worker {
  vit::VitModel model;
  std::vector<at::Tensor> parameters;
  double loss = 0.0;
};

// A model with tensors of its own.
vit::VitModel CopyOf(const vit::VitModel& model) {
  vit::TensorMap tensors;
  for (const auto& [name, tensor] : model.parameters()) {
    tensors[name] = vit::FromTorch(tensor);
  }
  return vit::VitModel::Create(model.config(), tensors).value();
}

class Trainer {
 public:
  Trainer(const TrainOptions& options, const Pictures& pictures, const at::Tensor& targets, const vit::VitModel& model);

  Status Run(const std::function<void(const TrainStep&)>& report);

 private:
  at::Tensor Order(int64_t epoch) const;
  void Step(int64_t step, const at::Tensor& indices);
  void Accumulate(Worker& worker, int64_t step, int64_t part, const at::Tensor& indices);
  at::Tensor KeepPatches(const at::Tensor& x, RandomStream& random) const;
  double LearningRate(int64_t step) const;
  Status Save(int64_t step);
  Result<int64_t> Restore();

  const TrainOptions& options_;
  const Pictures& pictures_;
  at::Tensor targets_;
  int64_t steps_per_epoch_, steps_;
  // The first works on the caller's tensors, which the optimizer moves; the others' tensors share their memory.
  std::vector<Worker> workers_;
  std::unique_ptr<torch::optim::AdamW> optimizer_;
};

Trainer::Trainer(const TrainOptions& options, const Pictures& pictures, const at::Tensor& targets,
                 const vit::VitModel& model)
    : options_(options),
      pictures_(pictures),
      targets_(targets),
      steps_per_epoch_(pictures.count() / options.batch),
      steps_(steps_per_epoch_ * options.epochs) {
  std::vector<at::Tensor> decayed, plain;
  for (int i = 0; i < options.threads; ++i) {
    Worker worker{i == 0 ? model : CopyOf(model), {}, 0.0};
    for (const auto& [name, shared] : model.parameters()) {
      at::Tensor parameter = worker.model.parameter(name);
      if (i > 0) {
        parameter.set_data(shared.detach());
      }
      parameter.set_requires_grad(true);
      worker.parameters.push_back(parameter);
      if (i == 0) {
        const bool is_matrix = parameter.dim() > 1 && name.find("weight") != std::string::npos;
        (is_matrix ? decayed : plain).push_back(parameter);
      }
    }
    workers_.push_back(std::move(worker));
  }
  using Options = torch::optim::AdamWOptions;
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(decayed, std::make_unique<Options>(Options(0.0).weight_decay(options.weight_decay)));
  groups.emplace_back(plain, std::make_unique<Options>(Options(0.0).weight_decay(0.0)));
  optimizer_ = std::make_unique<torch::optim::AdamW>(std::move(groups), Options(0.0));
}

double Trainer::LearningRate(int64_t step) const {
  const double warm_up = options_.warm_up_fraction * static_cast<double>(steps_);
  const double position = static_cast<double>(step) + 1.0;
  if (position < warm_up) {
    return options_.peak_learning_rate * position / warm_up;
  }
  const double progress = (position - warm_up) / (static_cast<double>(steps_) - warm_up);
  return options_.peak_learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + std::cos(M_PI * progress)));
}

// All pictures in an order of the epoch's own (Fisher-Yates).
at::Tensor Trainer::Order(int64_t epoch) const {
  RandomStream random(options_.seed, "embedded/order/" + std::to_string(epoch));
  at::Tensor order = at::arange(pictures_.count(), at::kLong);
  auto* index = order.data_ptr<int64_t>();
  for (int64_t i = pictures_.count() - 1; i > 0; --i) {
    std::swap(index[i], index[random.NextBelow(static_cast<uint64_t>(i + 1))]);
  }
  return order;
}

// x (B, N, C) with the prefix tokens and kept_patches of the patches, other ones in every row.
at::Tensor Trainer::KeepPatches(const at::Tensor& x, RandomStream& random) const {
  const vit::VitConfig& config = workers_[0].model.config();
  const int64_t prefix = config.prefix_tokens();
  const int64_t kept = prefix + options_.kept_patches;
  at::Tensor rows = at::empty({x.size(0), kept}, at::kLong);
  auto* row = rows.data_ptr<int64_t>();
  for (int64_t b = 0; b < x.size(0); ++b, row += kept) {
    for (int64_t i = 0; i < prefix; ++i) {
      row[i] = i;
    }
    const std::vector<int64_t> patches = SampleWithoutReplacement(random, config.patches(), options_.kept_patches);
    for (int64_t i = 0; i < options_.kept_patches; ++i) {
      row[prefix + i] = prefix + patches[i];
    }
  }
  return x.gather(1, rows.to(x.device()).unsqueeze(-1).expand({-1, -1, x.size(2)}));
}

// The gradients of this worker's share of the batch's mean loss.
void Trainer::Accumulate(Worker& worker, int64_t step, int64_t part, const at::Tensor& indices) {
  const vit::VitModel& model = worker.model;
  const at::Device device = model.parameter("pos_embed").device();
  RandomStream random(options_.seed, "embedded/step/" + std::to_string(step) + "/" + std::to_string(part));
  at::Tensor images = Normalized(pictures_.pixels.index_select(0, indices), device);
  if (random.NextBelow(2) != 0) {
    images = images.flip(3);  // every class looks the same mirrored
  }
  HeadRecorder engine;
  at::Tensor x = model.Embed(images.contiguous(), engine);
  if (static_cast<double>(step) < options_.dropping_fraction * static_cast<double>(steps_)) {
    x = KeepPatches(x, random);
  }
  for (int64_t block = 0; block < model.config().depth; ++block) {
    x = model.Block(block, x, engine);
  }
  model.Head(x, engine);
  const auto cross_entropy = [&](const at::Tensor& logits, const at::Tensor& labels) {
    return at::nll_loss(at::log_softmax(logits, 1), labels.index_select(0, indices).to(device), {}, at::Reduction::Sum);
  };
  at::Tensor loss = cross_entropy(engine.head(), pictures_.labels);
  if (model.config().distilled) {
    loss = (loss + cross_entropy(engine.head_dist(), targets_)) / 2;
  }
  loss = loss / static_cast<double>(options_.batch);
  loss.backward();
  worker.loss += loss.item<double>();
}

void Trainer::Step(int64_t step, const at::Tensor& indices) {
  const std::vector<at::Tensor> parts = indices.chunk(static_cast<int64_t>(workers_.size()));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < parts.size(); ++i) {
    threads.emplace_back([&, i] { Accumulate(workers_[i], step, static_cast<int64_t>(i), parts[i]); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (size_t i = 1; i < parts.size(); ++i) {
    for (size_t p = 0; p < workers_[0].parameters.size(); ++p) {
      at::Tensor gradient = workers_[i].parameters[p].mutable_grad();
      workers_[0].parameters[p].mutable_grad().add_(gradient);
      gradient.zero_();
    }
  }
  torch::nn::utils::clip_grad_norm_(workers_[0].parameters, 1.0);
  for (auto& group : optimizer_->param_groups()) {
    static_cast<torch::optim::AdamWOptions&>(group.options()).lr(LearningRate(step));
  }
  optimizer_->step();
  optimizer_->zero_grad();
}

Status Trainer::Save(int64_t step) {
  torch::serialize::OutputArchive archive, optimizer;
  archive.write("step", at::tensor(step, at::kLong));
  archive.write("steps", at::tensor(steps_, at::kLong));
  std::vector<at::Tensor> flat;
  for (const at::Tensor& parameter : workers_[0].parameters) {
    flat.push_back(parameter.detach().reshape(-1));
  }
  archive.write("parameters", at::cat(flat));
  optimizer_->save(optimizer);
  archive.write("optimizer", optimizer);
  const std::string partial = options_.checkpoint + ".partial";
  archive.save_to(partial);
  std::error_code error;
  std::filesystem::rename(partial, options_.checkpoint, error);
  return error ? Status(IoError(error.message(), options_.checkpoint)) : OkStatus();
}

// The step to go on with.
Result<int64_t> Trainer::Restore() {
  if (options_.checkpoint.empty() || !std::filesystem::exists(options_.checkpoint)) {
    return int64_t{0};
  }
  torch::serialize::InputArchive archive, optimizer;
  archive.load_from(options_.checkpoint);
  at::Tensor step, steps, flat;
  archive.read("step", step);
  archive.read("steps", steps);
  archive.read("parameters", flat);
  if (steps.item<int64_t>() != steps_) {
    return Corrupt("this checkpoint belongs to a training of " + std::to_string(steps.item<int64_t>()) +
                       " steps, not " + std::to_string(steps_) + "; remove it to begin anew",
                   options_.checkpoint);
  }
  const torch::NoGradGuard no_grad;
  int64_t begin = 0;
  for (at::Tensor& parameter : workers_[0].parameters) {
    parameter.copy_(flat.narrow(0, begin, parameter.numel()).view(parameter.sizes()));
    begin += parameter.numel();
  }
  archive.read("optimizer", optimizer);
  optimizer_->load(optimizer);
  return step.item<int64_t>();
}

Status Trainer::Run(const std::function<void(const TrainStep&)>& report) {
  constexpr int64_t kReportEvery = 100;
  PTQ_ASSIGN_OR_RETURN(const int64_t first, Restore());
  at::Tensor order = Order(first / steps_per_epoch_);
  auto since = std::chrono::steady_clock::now();
  int64_t reported = first;
  for (int64_t step = first; step < steps_; ++step) {
    if (step % steps_per_epoch_ == 0) {
      order = Order(step / steps_per_epoch_);
    }
    Step(step, order.narrow(0, step % steps_per_epoch_ * options_.batch, options_.batch));
    const int64_t done = step + 1;
    if (done % kReportEvery == 0 || done == steps_) {
      double loss = 0.0;
      for (Worker& worker : workers_) {
        loss += std::exchange(worker.loss, 0.0);
      }
      const auto now = std::chrono::steady_clock::now();
      const double seconds = std::chrono::duration<double>(now - std::exchange(since, now)).count();
      const auto count = static_cast<double>(done - std::exchange(reported, done));
      report({done, steps_, loss / count, count * static_cast<double>(options_.batch) / seconds});
    }
    if (!options_.checkpoint.empty() && (done % options_.checkpoint_every == 0 || done == steps_)) {
      PTQ_RETURN_IF_ERROR(Save(done));
    }
  }
  return OkStatus();
}

}  // namespace

Status Train(const TrainOptions& options, const Pictures& pictures, const at::Tensor& targets, vit::VitModel& model,
             const std::function<void(const TrainStep&)>& report) {
  PTQ_CHECK(targets.defined() == model.config().distilled);
  Trainer trainer(options, pictures, targets, model);
  const Status status = trainer.Run(report);
  for (const auto& [name, parameter] : model.parameters()) {
    at::Tensor(parameter).set_requires_grad(false);
  }
  return status;
}

}  // namespace ptq::data
