// op_loss.h: which of many quantizations of one operand changes an op's output least.
//
// Losses, o the float output with bias, o_hat the product of both operands as quantized, plus bias:
//   kHessian  sum over all outputs of (g (o_hat - o))^2, g the gradient at the output (Yuan et al. 2022, Eq. 7)
//   kCosine   sum over rows of 1 - cos(o, o_hat), the objective of the authors' BasePTQ
// Both grow with every image, so a candidate is dropped as soon as it exceeds the loss of a finished one: the choice is
// that of the full sums, whatever the number of threads.
#pragma once

#include <functional>
#include <vector>

#include "baselines/ptq4vit/candidate_products.h"
#include "core/base/error.h"

namespace ptq::baselines::ptq4vit {

enum class Metric { kHessian, kCosine };

class OpLoss {
 public:
  // sample: bias is read for kCosine alone, null counts as 0.  gradient: as large as the target; null for kCosine.  All
  // memory outlives this object.  stop is asked between candidates, from the calling thread.
  OpLoss(const search::OpSample& sample, const float* gradient, Metric metric, std::function<bool()> stop);

  // For each part the candidate with the least loss, the first of equals; other: of the other operand.
  // Errors: Interrupted.
  Result<std::vector<size_t>> Best(const Candidates& candidates, const Parts& other) const;

 private:
  struct Race;
  struct Workspace;

  void RunChunk(Race& race, const std::vector<size_t>& chunk, Workspace& work) const;
  // The loss of one product, `columns` wide, beside the target's columns from first_column on.
  double ProductLoss(const float* product, int64_t unit, int64_t first_column, int64_t columns, Workspace& work) const;
  double WeightedError(const float* product, int64_t first, int64_t columns, std::vector<float>& sums) const;
  double CosineLoss(const float* product, int64_t first, const float* bias, int64_t columns) const;

  const search::OpSample sample_;
  const float* const gradient_;
  const Metric metric_;
  const std::function<bool()> stop_;
  std::vector<float> bias_;
};

}  // namespace ptq::baselines::ptq4vit
