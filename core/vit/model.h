// model.h: the DeiT/ViT forward pass, exact to timm's.
//
// Pre-norm blocks, erf GELU, class token, optional distillation token with the mean of two heads (Touvron et al. 2021).
// The pass is cut into stages (embed, blocks, head) so that calibration can hold one block's activations at a time.
// Nothing here switches gradients on or off: executors run under a no-grad guard, the trainer of the embedded models
// does not.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "core/base/error.h"
#include "core/vit/config.h"
#include "core/vit/op_engine.h"
#include "core/vit/tensor_map.h"

namespace ptq::vit {

class VitModel {
 public:
  // Takes the tensors of a weight file under canonical names (data/weights/checkpoint.h), widened to float32.
  // Errors: those of CheckParameters.
  static Result<VitModel> Create(const VitConfig& config, const TensorMap& tensors);

  const VitConfig& config() const { return config_; }
  // Parameters by canonical name, float32.  Shared with copies of this model; never written to.
  const std::map<std::string, at::Tensor>& parameters() const { return parameters_; }
  const at::Tensor& parameter(const std::string& name) const;

  // A model with some parameters replaced; the others are shared.  Errors: unknown name, other shape, not finite.
  Result<VitModel> WithReplaced(const TensorMap& replacements) const;

  // Copies the parameters to a device (the trainer's GPU).
  void MoveTo(const at::Device& device);

  // images (B, channels, S, S) float32, already normalised -> logits (B, classes).
  at::Tensor Forward(const at::Tensor& images, OpEngine& engine) const;

  // The stages of Forward.  x: (B, N, C).
  at::Tensor Embed(const at::Tensor& images, OpEngine& engine) const;
  at::Tensor Block(int64_t block, const at::Tensor& x, OpEngine& engine) const;
  at::Tensor Head(const at::Tensor& x, OpEngine& engine) const;

 private:
  explicit VitModel(const VitConfig& config) : config_(config) {}
  at::Tensor ApplyLinear(const OpId& op, const at::Tensor& input, OpEngine& engine) const;
  at::Tensor LayerNorm(const std::string& path, const at::Tensor& x) const;

  VitConfig config_;
  std::map<std::string, at::Tensor> parameters_;
};

// A tensor outside LibTorch as a float32 LibTorch tensor (copied), and back.
at::Tensor ToTorch(const HostTensor& tensor);
HostTensor FromTorch(const at::Tensor& tensor);  // float32 and int32; others are CHECKed

}  // namespace ptq::vit
