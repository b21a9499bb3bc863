// op_engine.h: who multiplies.  The forward pass hands both operands of every op to an OpEngine and takes its product.
//
// The float engine multiplies; an executor quantizes the operands first; calibration looks at them on the way.  It also
// hands over the residual stream wherever a LayerNorm reads it.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/vit/op.h"

namespace ptq::vit {

class OpEngine {
 public:
  virtual ~OpEngine() = default;

  // input (..., K) x weight (O, K) transposed + bias (O), all float32.  Called for ops with has_weight().
  virtual at::Tensor Linear(const OpId& op, const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias);

  // left (B, H, M, K) x right (B, H, K, N).  Called for qk and pv.
  virtual at::Tensor MatMul(const OpId& op, const at::Tensor& left, const at::Tensor& right);

  // The residual stream x (B, N, C) that a LayerNorm reads; what comes back replaces it, for the LayerNorm and for the
  // branch around it (of kFinal: the class tokens alone).  Returns x itself unless overridden.
  virtual at::Tensor NormInput(const NormId& norm, const at::Tensor& x);
};

}  // namespace ptq::vit
