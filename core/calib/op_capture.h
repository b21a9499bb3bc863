// op_capture.h: one op's operands and products over all calibration images: what a search over an op works on.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/base/error.h"
#include "core/calib/calibration.h"

namespace ptq::calib {

// float32, contiguous.  n images.
struct CapturedOp {
  vit::OpId op;
  // (n, N, K) of a linear op, N = 1 for the heads; (n, H, M, K) of qk and pv.
  at::Tensor left;
  // (O, K), the weight; of qk and pv (n, H, columns, K): the right operand transposed.
  at::Tensor right;
  // The float model's product, without bias: (n, N, O), (n, H, M, columns).
  at::Tensor output;
};

// Captures an op of the stage.  With a prefix engine the operands are those of the second stream, as `prefix`
// multiplies in it up to this op, and the output stays the float model's. Errors: those of Stage::Run; InvalidArgument
// naming the operand where it is not finite.
Result<CapturedOp> CaptureOp(Stage& stage, const vit::OpId& op, const vit::VitModel& model, vit::OpEngine* prefix);

// What an op of the stage puts out over the first images, bias included, while `engine` multiplies; whole batches.
// outputs, where given: the stage's own, as Stage::Run gives them.
Result<at::Tensor> CaptureOutput(Stage& stage, const vit::OpId& op, vit::OpEngine& engine, int64_t first_images,
                                 std::vector<at::Tensor>* outputs = nullptr);

}  // namespace ptq::calib
