#include "baselines/aciq/activation.h"

#include <algorithm>
#include <cmath>

#include "core/calib/histogram_values.h"
#include "core/quant/lp_range.h"

namespace ptq::baselines::aciq {
namespace {

bool IsSoftmax(const vit::OperandId& operand) {
  return operand.op.kind == vit::OpKind::kPv && operand.side == vit::Side::kLeft;
}

bool IsGelu(const vit::OperandId& operand) {
  return operand.op.kind == vit::OpKind::kFc2 && operand.side == vit::Side::kLeft;
}

// The range that a prior keeps of the observed one.
struct Bounds {
  float low = 0, high = 0;
};

Bounds ClippedRange(const calib::TensorStatistics& seen, const Spread& spread, Sides sides, int num_bits, Fit fit) {
  if (fit == Fit::kMinMax || !spread.fitted) {
    return {seen.min(), seen.max()};
  }
  const Prior prior = fit == Fit::kLaplace ? Prior::kLaplace : Prior::kGauss;
  const double clip = OptimalClip(prior, sides, num_bits) * (fit == Fit::kLaplace ? spread.laplace : spread.gauss);
  if (sides == Sides::kOne) {
    return {seen.min(), std::max(seen.min(), static_cast<float>(std::min<double>(clip, seen.max())))};
  }
  const double low = std::max<double>(seen.min(), spread.center - clip);
  const double high = std::min<double>(seen.max(), low + 2 * clip);
  return {static_cast<float>(low), std::max(static_cast<float>(low), static_cast<float>(high))};
}

std::vector<Fit> FitsToTry(PriorRule prior) {
  switch (prior) {
    case PriorRule::kLaplace:
      return {Fit::kLaplace};
    case PriorRule::kGauss:
      return {Fit::kGauss};
    case PriorRule::kMix:
      break;
  }
  return {Fit::kLaplace, Fit::kGauss, Fit::kMinMax};
}

}  // namespace

Spread SpreadOf(const calib::TensorStatistics& statistics, Sides sides) {
  Spread spread;
  const auto count = static_cast<double>(statistics.count());
  const quant::WeightedValues values = calib::ValuesOfHistogram(statistics);
  if (sides == Sides::kTwo) {
    spread.fitted = true;
    spread.center = statistics.mean();
    spread.gauss = std::sqrt(statistics.variance() * (count > 1 ? count / (count - 1) : 1.0));
    for (size_t i = 0; i < values.values.size(); ++i) {
      spread.laplace += values.weights[i] / count * std::fabs(values.values[i] - spread.center);
    }
    return spread;
  }
  // The exact moments of all elements less those of the negative ones, which are few or small.
  double weight = count;
  double sum = count * statistics.mean();
  double square = count * (statistics.variance() + statistics.mean() * statistics.mean());
  for (size_t i = 0; i < values.values.size() && values.values[i] < 0; ++i) {
    weight -= values.weights[i];
    sum -= values.weights[i] * values.values[i];
    square -= values.weights[i] * values.values[i] * values.values[i];
  }
  spread.fitted = weight > 0 && statistics.max() > 0;
  if (spread.fitted) {
    spread.laplace = std::max(sum, 0.0) / weight;
    spread.gauss = std::sqrt(std::max(square, 0.0) / weight);
  }
  return spread;
}

Result<ActivationGrid> GridOfActivation(const vit::OperandId& operand, const calib::TensorStatistics& statistics,
                                        int num_bits, PriorRule prior, SoftmaxRule softmax) {
  ActivationGrid best;
  const quant::Grid grid = IsSoftmax(operand) ? quant::Grid::kUnsigned : quant::Grid::kAffine;
  if (IsSoftmax(operand) && softmax != SoftmaxRule::kFaithful) {
    const float high = softmax == SoftmaxRule::kOne ? 1.0F : statistics.max();
    PTQ_ASSIGN_OR_RETURN(best.params, quant::ParamsFromRange(grid, num_bits, {0}, {high}));
    return best;
  }
  const Sides sides = IsSoftmax(operand) || IsGelu(operand) ? Sides::kOne : Sides::kTwo;
  const Spread spread = SpreadOf(statistics, sides);
  const std::vector<Fit> fits = FitsToTry(prior);
  const quant::WeightedValues values = calib::ValuesOfHistogram(statistics);
  double least = HUGE_VAL;
  for (const Fit fit : fits) {
    const Bounds range = ClippedRange(statistics, spread, sides, num_bits, fit);
    PTQ_ASSIGN_OR_RETURN(const quant::QuantParams params,
                         quant::ParamsFromRange(grid, num_bits, {range.low}, {range.high}));
    const double error = fits.size() == 1 ? 0.0 : quant::LpError(values, params, 2);
    if (error < least) {
      least = error;
      best = {params, range.low == statistics.min() && range.high == statistics.max() ? Fit::kMinMax : fit};
    }
  }
  return best;
}

}  // namespace ptq::baselines::aciq
