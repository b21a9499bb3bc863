// activation.h: the grid of one activation by ACIQ's analytic clipping (Banner et al. 2019, Section 3).
#pragma once

#include "baselines/aciq/clipping.h"
#include "core/calib/statistics.h"
#include "core/quant/quant_params.h"
#include "core/vit/op.h"

namespace ptq::baselines::aciq {

// Where a range came from; kMinMax where nothing is clipped.
enum class Fit { kLaplace, kGauss, kMinMax };
enum class PriorRule { kLaplace, kGauss, kMix };   // kMix: the fit of least measured squared error
enum class SoftmaxRule { kMax, kOne, kFaithful };  // 0..max, 0..1, or clipped like the others

// The priors' spreads as one operand has them.
struct Spread {
  double center = 0;    // two-sided: the mean; one-sided: 0
  double laplace = 0;   // E|x - center|
  double gauss = 0;     // the standard deviation around center; two-sided the unbiased one
  bool fitted = false;  // false: there is nothing to fit (no positive element)
};

// sides: kTwo all elements, kOne those that are not negative.  statistics: with a histogram, of at least one element.
Spread SpreadOf(const calib::TensorStatistics& statistics, Sides sides);

struct ActivationGrid {
  quant::QuantParams params;
  Fit fit = Fit::kMinMax;
};

// Softmax outputs are one-sided on the unsigned grid, GELU outputs one-sided with the observed minimum as lower end,
// all others two-sided around the mean; these on the affine grid.  No range exceeds the observed one (but kOne's).
// Errors: those of quant::ParamsFromRange.
Result<ActivationGrid> GridOfActivation(const vit::OperandId& operand, const calib::TensorStatistics& statistics,
                                        int num_bits, PriorRule prior, SoftmaxRule softmax);

}  // namespace ptq::baselines::aciq
