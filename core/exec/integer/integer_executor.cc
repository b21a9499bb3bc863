#include "core/exec/integer/integer_executor.h"

#include <ATen/ATen.h>
#include <omp.h>

#include <atomic>
#include <mutex>

#include "core/base/check.h"
#include "core/exec/integer/workspace.h"

namespace ptq::exec {
namespace {

// Sets the number of OpenMP threads that this thread asks for, for as long as it lives.
class OmpThreads {
 public:
  explicit OmpThreads(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~OmpThreads() { omp_set_num_threads(before_); }

 private:
  const int before_;
};

// Workspaces that nobody is using; as many are made as are ever used at once.
class WorkspacePool {
 public:
  explicit WorkspacePool(std::unique_ptr<LoweredModel> model) : model_(std::move(model)) {}

  const LoweredModel& model() const { return *model_; }
  Workspace* Take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) {
      all_.push_back(std::make_unique<Workspace>(*model_));
      free_.reserve(all_.size());
      return all_.back().get();
    }
    Workspace* workspace = free_.back();
    free_.pop_back();
    return workspace;
  }
  void Return(Workspace* workspace) {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(workspace);
  }
  // Of all workspaces; nobody uses them.
  void AddProfile(std::vector<std::pair<std::string, double>>& total) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& workspace : all_) {
      for (const auto& [work, seconds] : workspace->TakeProfile()) {
        auto it = std::find_if(total.begin(), total.end(), [&, name = work](const auto& e) { return e.first == name; });
        if (it == total.end()) {
          total.emplace_back(work, seconds);
        } else {
          it->second += seconds;
        }
      }
    }
  }

 private:
  const std::unique_ptr<LoweredModel> model_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> all_;
  std::vector<Workspace*> free_;
};

class Executor8 final : public IntegerExecutor {
 public:
  Executor8(const vit::VitModel& model, const method::Plan& plan, const IntegerOptions& options)
      : threads_(options.threads), single_(Lower(model, plan, options.set, 1)) {
    if (threads_ > 1) {
      shared_ = std::make_unique<WorkspacePool>(Lower(model, plan, options.set, threads_));
    }
  }

  at::Tensor Run(const at::Tensor& images) override {
    const vit::VitConfig& config = single_.model().config;
    PTQ_CHECK(images.dim() == 4 && images.size(1) == config.channels && images.size(2) == config.image_size &&
              images.size(3) == config.image_size);
    const at::Tensor dense = images.contiguous();
    at::Tensor logits = at::empty({images.size(0), config.classes});
    const float* in = dense.data_ptr<float>();
    auto* out = logits.data_ptr<float>();
    const int64_t count = images.size(0);
    const int64_t elements = config.channels * config.image_size * config.image_size;
    if (count < threads_) {
      const OmpThreads scope(threads_);
      Workspace* workspace = shared_->Take();
      for (int64_t i = 0; i < count; ++i) {
        workspace->Run(in + i * elements, out + i * config.classes, profiling_);
      }
      shared_->Return(workspace);
      return logits;
    }
    if (threads_ == 1) {
      const OmpThreads scope(1);
      RunImages(in, out, 0, count, elements, config.classes);
      return logits;
    }
#pragma omp parallel for num_threads(threads_) schedule(static, 1)
    for (int part = 0; part < threads_; ++part) {
      const OmpThreads scope(1);
      RunImages(in, out, count * part / threads_, count * (part + 1) / threads_, elements, config.classes);
    }
    return logits;
  }

  const std::vector<OpExecution>& ops() const override { return single_.model().ops; }
  void SetProfiling(bool on) override { profiling_ = on; }
  std::vector<std::pair<std::string, double>> TakeProfile() override {
    std::vector<std::pair<std::string, double>> total;
    single_.AddProfile(total);
    if (shared_) {
      shared_->AddProfile(total);
    }
    return total;
  }

 private:
  void RunImages(const float* in, float* out, int64_t begin, int64_t end, int64_t elements, int64_t classes) {
    Workspace* workspace = single_.Take();
    for (int64_t i = begin; i < end; ++i) {
      workspace->Run(in + i * elements, out + i * classes, profiling_);
    }
    single_.Return(workspace);
  }

  const int threads_;
  WorkspacePool single_;                   // an image on one thread
  std::unique_ptr<WorkspacePool> shared_;  // an image on all threads
  std::atomic<bool> profiling_{false};
};

Status CheckGrids(const method::Plan& plan) {
  const auto check = [](const quant::QuantParams& params, const std::string& name) -> Status {
    if (quant::SimulatedOnly(params.grid)) {
      return {Unsupported("the plan puts " + name + " on the grid " + quant::Name(params.grid) +
                          ", which no integer kernel can run; the simulated executor can")};
    }
    return OkStatus();
  };
  for (const auto& [operand, params] : plan.operands) {
    PTQ_RETURN_IF_ERROR(check(params, operand.name()));
  }
  for (const auto& [norm, params] : plan.norm_inputs) {
    PTQ_RETURN_IF_ERROR(check(params, norm.name()));
  }
  return OkStatus();
}

}  // namespace

double IntegerExecutor::int8_coverage() const {
  int64_t integer = 0, all = 0;
  for (const OpExecution& op : ops()) {
    all += op.multiply_accumulates;
    integer += op.integer ? op.multiply_accumulates : 0;
  }
  return all == 0 ? 0 : static_cast<double>(integer) / static_cast<double>(all);
}

Result<std::unique_ptr<IntegerExecutor>> MakeIntegerExecutor(const vit::VitModel& model, const method::Plan& plan,
                                                             const IntegerOptions& options) {
  PTQ_CHECK(options.threads > 0);
  PTQ_RETURN_IF_ERROR(CheckAvailable(options.set));
  PTQ_RETURN_IF_ERROR(method::Validate(plan, model.config()));
  PTQ_RETURN_IF_ERROR(CheckGrids(plan));
  PTQ_ASSIGN_OR_RETURN(const vit::VitModel replaced, model.WithReplaced(plan.replaced_parameters));
  return std::unique_ptr<IntegerExecutor>(std::make_unique<Executor8>(replaced, plan, options));
}

}  // namespace ptq::exec
