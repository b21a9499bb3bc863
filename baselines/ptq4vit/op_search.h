// op_search.h: the intervals of one op, one operand after the other (Yuan et al. 2022, Section 3.3 and Algorithm 1).
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "baselines/ptq4vit/op_loss.h"
#include "core/calib/op_capture.h"

namespace ptq::baselines::ptq4vit {

struct SearchSettings {
  Metric metric = Metric::kHessian;
  int64_t candidates = 100;  // per operand: initial interval * (alpha + i (beta - alpha) / candidates), i from 0
  int64_t rounds = 3;        // at most; a round that moves nothing is the last
  double alpha = 0.01, beta = 1.2;
  bool twin_ranges = true;  // for softmax and GELU outputs; else they are as other activations
  bool random_image_weights = false;
};

struct OpBits {
  int left = 8, right = 8;
  bool float_left = false;  // the left operand stays in float
};

struct FoundOp {
  quant::QuantParams left;  // meaningless where the left operand stays in float
  quant::QuantParams right;
};

// gradient: at the op's output, as large as captured.output; read for kHessian.  bias: of a linear op.  The answer does
// not depend on the number of threads.  Errors: Interrupted once `stop` says so.
Result<FoundOp> SearchOp(const calib::CapturedOp& captured, const at::Tensor& gradient, const at::Tensor& bias,
                         OpBits bits, const SearchSettings& settings, const std::function<bool()>& stop);

}  // namespace ptq::baselines::ptq4vit
