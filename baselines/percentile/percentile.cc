#include "baselines/percentile/percentile.h"

#include <algorithm>

#include "core/method/range_plan.h"

namespace ptq::baselines {
namespace {

class Percentile final : public method::Method {
 public:
  Percentile() {
    info_.id = "percentile";
    info_.summary =
        "Each grid covers a quantile of the activation's values over the calibration images, clipping the rest.";
    info_.citation =
        "Li et al., Fully Quantized Network for Object Detection, CVPR 2019; as in Liu et al., NeurIPS 2021";
    info_.published_as = "Percentile";
    info_.parameters = {
        {"percentile",
         0.9999,
         "the quantile of activations that is kept, 0.5 to 1: of |x| on symmetric grids, two-sided on the affine grid",
         0.5,
         1.0,
         {}},
        {"weight_percentile",
         1.0,
         "the quantile of weights that is kept, of |w| on symmetric grids, two-sided on the affine one; 1: all",
         0.5,
         1.0,
         {}},
        {"activation_grid",
         std::string("symmetric_full"),
         "grid of activations; symmetric_full is Liu et al. 2021, Eq. 8",
         {},
         {},
         {"affine", "symmetric_full", "symmetric_restricted"}},
        {"weight_grid",
         std::string("symmetric_full"),
         "grid of weights",
         {},
         {},
         {"affine", "symmetric_full", "symmetric_restricted"}},
    };
  }

  const method::MethodInfo& info() const override { return info_; }

  Status Supports(const method::Scheme&, const method::Parameters&, const vit::VitConfig&) const override {
    return OkStatus();
  }

  Result<method::Plan> Quantize(const method::QuantizeInputs& inputs) const override {
    const double kept = inputs.parameters.Double("percentile");
    const double weight_kept = inputs.parameters.Double("weight_percentile");
    method::RangeRules rules;
    PTQ_ASSIGN_OR_RETURN(const quant::Grid grid, quant::ParseGrid(inputs.parameters.String("activation_grid")));
    rules.activation_grid = grid;
    PTQ_ASSIGN_OR_RETURN(rules.weight_grid, quant::ParseGrid(inputs.parameters.String("weight_grid")));
    rules.activation_range = [=](const vit::OperandId& operand, const calib::TensorStatistics& seen) {
      return ActivationRange(seen, operand, grid, kept);
    };
    const bool two_sided = rules.weight_grid == quant::Grid::kAffine;
    rules.weight_range = [=](const at::Tensor& weight, quant::Granularity granularity) {
      return two_sided ? quant::QuantileRange(weight, weight_kept, granularity)
                       : quant::AbsoluteQuantileRange(weight, weight_kept, granularity);
    };
    return method::PlanFromRanges(inputs, rules);
  }

 private:
  // The kept range, never wider than the observed one.
  static quant::Range ActivationRange(const calib::TensorStatistics& seen, const vit::OperandId& operand,
                                      quant::Grid grid, double kept) {
    if (grid != quant::Grid::kAffine) {
      const double observed = std::max(std::abs(static_cast<double>(seen.min())), static_cast<double>(seen.max()));
      const auto bound = static_cast<float>(std::min(seen.histogram().AbsoluteQuantile(kept), observed));
      return {{-bound}, {bound}};
    }
    const auto high = std::min(static_cast<float>(seen.histogram().Quantile(kept)), seen.max());
    // Softmax and GELU outputs are bounded below by 0 and -0.17: a quantile of that side would mean nothing.
    const bool bounded_below = operand.side == vit::Side::kLeft &&
                               (operand.op.kind == vit::OpKind::kPv || operand.op.kind == vit::OpKind::kFc2);
    const auto low =
        bounded_below ? seen.min() : std::max(static_cast<float>(seen.histogram().Quantile(1 - kept)), seen.min());
    return {{std::min(low, high)}, {high}};
  }

  method::MethodInfo info_;
};

}  // namespace

std::unique_ptr<method::Method> MakePercentile() { return std::make_unique<Percentile>(); }

}  // namespace ptq::baselines
