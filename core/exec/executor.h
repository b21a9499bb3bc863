// executor.h: runs a plan on images.  Every executor answers the same question; tests hold them to each other.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "core/base/error.h"
#include "core/method/plan.h"
#include "core/vit/model.h"

namespace ptq::exec {

class Executor {
 public:
  virtual ~Executor() = default;
  // images (B, channels, S, S) float32, normalised -> logits (B, classes) float32.
  // Safe to call from several threads at once.
  virtual at::Tensor Run(const at::Tensor& images) = 0;
};

// The plan in float32 LibTorch with fake-quantized operands: exec mode "simulated".  With an empty plan the logits are
// bit for bit those of the float model.
// Errors: those of method::Validate and VitModel::WithReplaced.
Result<std::unique_ptr<Executor>> MakeSimulatedExecutor(const vit::VitModel& model, const method::Plan& plan);

}  // namespace ptq::exec
