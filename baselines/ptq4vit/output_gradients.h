// output_gradients.h: how a scalar of the float model's prediction changes with every op's output.
//
// The scalar is the expected logit sum_k p_k z_k with the prediction p held fixed: what the authors' KL gradient comes
// to (README.md).  Reverse mode, one stage at a time: only gradients at stage boundaries are kept between stages.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <vector>

#include "core/calib/calibration.h"
#include "core/vit/model.h"

namespace ptq::baselines::ptq4vit {

class OutputGradients {
 public:
  // Runs the model forward and backward once over the calibration images.  image_weights: a factor of each image's
  // scalar, in their order; empty: 1.  Errors: those of the images; Interrupted.
  static Result<OutputGradients> Create(calib::Calibration& calibration, const std::vector<float>& image_weights,
                                        const Progress& progress);

  // d(scalar) / d(output) of each op of a stage, (n, N, O) of a linear op, N = 1 for the heads, and (n, H, M, columns)
  // of qk and pv.  stage: 0 is the patch embedding, depth + 1 the head; inputs: what enters the stage, a tensor a batch
  // in the order of the calibration images (of stage 0: unused).
  Result<std::map<vit::OpId, at::Tensor>> OfStage(int64_t stage, const std::vector<at::Tensor>& inputs) const;

 private:
  explicit OutputGradients(calib::Calibration& calibration) : calibration_(&calibration) {}

  calib::Calibration* calibration_;
  // [stage][batch]: the gradient at what the stage puts out; of the head the prediction itself.
  std::vector<std::vector<at::Tensor>> at_output_;
};

}  // namespace ptq::baselines::ptq4vit
