// step_sizes.h: one step size per operand: where the layer-wise L_p error is least (LAPQ, stage 1), and stretched by a
// factor from there (the coordinates of stage 3).
//
// Grids: weights as asked; the softmax output unsigned; the GELU output affine with its lower end fixed at the least
// value seen; every other activation symmetric_full.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/method/method.h"
#include "core/quant/lp_range.h"

namespace ptq::baselines::lapq {

struct StepOptions {
  quant::Grid weight_grid = quant::Grid::kSymmetricHalf;
  // Per channel only: what the mean of an output row loses by quantization goes into QuantParams::correction.
  bool bias_correction = false;
};

class StepSizes {
 public:
  // Every operand that the scheme covers.  Draws progress.  Errors: those of Calibration::Collect; InvalidArgument
  // naming a weight that is not finite.
  static Result<StepSizes> Create(const method::QuantizeInputs& inputs, const StepOptions& options);

  // In the order of execution.
  const std::vector<vit::OperandId>& operands() const { return operands_; }

  // Parameters of each operand, of least mean |x - Q(x)|^p; per channel: of each output row by itself.
  Result<std::vector<quant::QuantParams>> LayerWise(double p) const;

  // `layer_wise` of operand i with its clipping value times exp(x): per channel all rows together.
  quant::QuantParams Stretched(size_t i, const quant::QuantParams& layer_wise, double x) const;

 private:
  struct Operand {
    quant::Grid grid = quant::Grid::kSymmetricFull;
    int num_bits = 8;
    // The values: as rows, each with a step of its own, or as one histogram.
    at::Tensor rows;  // (rows, K)
    std::optional<calib::TensorStatistics> seen;
    float low = 0;                // of kAffine: the fixed lower end, at most 0
    bool corrects_means = false;  // of `rows`
    size_t channels() const { return seen ? 1 : static_cast<size_t>(rows.size(0)); }
  };

  static Result<Operand> MakeWeight(const method::QuantizeInputs& inputs, const StepOptions& options,
                                    const vit::OperandId& operand);
  static Operand MakeActivation(const method::QuantizeInputs& inputs, const vit::OperandId& operand,
                                const calib::TensorStatistics& seen);
  static quant::WeightedValues ValuesOf(const Operand& operand, size_t channel);
  static Result<float> LpScale(const Operand& operand, size_t channel, double p);
  static void Complete(const Operand& operand, quant::QuantParams& params);

  bool per_channel_ = false;  // weights
  std::vector<vit::OperandId> operands_;
  std::vector<Operand> values_;  // of each operand
};

}  // namespace ptq::baselines::lapq
