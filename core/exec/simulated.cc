#include <ATen/ATen.h>

#include "core/exec/executor.h"
#include "core/method/fake_quant_engine.h"

namespace ptq::exec {
namespace {

class SimulatedExecutor final : public Executor {
 public:
  SimulatedExecutor(vit::VitModel model, const method::Plan& plan) : model_(std::move(model)), engine_(model_, plan) {}

  at::Tensor Run(const at::Tensor& images) override {
    const at::NoGradGuard no_grad;
    return model_.Forward(images, engine_);
  }

 private:
  const vit::VitModel model_;
  method::FakeQuantEngine engine_;
};

}  // namespace

Result<std::unique_ptr<Executor>> MakeSimulatedExecutor(const vit::VitModel& model, const method::Plan& plan) {
  PTQ_RETURN_IF_ERROR(method::Validate(plan, model.config()));
  PTQ_ASSIGN_OR_RETURN(vit::VitModel replaced, model.WithReplaced(plan.replaced_parameters));
  return std::unique_ptr<Executor>(std::make_unique<SimulatedExecutor>(std::move(replaced), plan));
}

}  // namespace ptq::exec
