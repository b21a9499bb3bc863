#include "baselines/min_max/min_max.h"

#include "core/method/range_plan.h"

namespace ptq::baselines {
namespace {

class MinMax final : public method::Method {
 public:
  MinMax() {
    info_.id = "min_max";
    info_.summary = "Each grid covers the whole range of the weight, or of the activation over the calibration images.";
    info_.citation = "folklore; e.g. Jacob et al., CVPR 2018";
    info_.published_as = "MinMax";
    info_.parameters = {
        {"activation_grid",
         std::string("affine"),
         "grid of activations",
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
    method::RangeRules rules;
    PTQ_ASSIGN_OR_RETURN(rules.activation_grid, quant::ParseGrid(inputs.parameters.String("activation_grid")));
    PTQ_ASSIGN_OR_RETURN(rules.weight_grid, quant::ParseGrid(inputs.parameters.String("weight_grid")));
    rules.statistics.histogram = false;
    rules.activation_range = [](const vit::OperandId&, const calib::TensorStatistics& seen) {
      return quant::Range{{seen.min()}, {seen.max()}};
    };
    rules.weight_range = quant::RangeOf;
    return method::PlanFromRanges(inputs, rules);
  }

 private:
  method::MethodInfo info_;
};

}  // namespace

std::unique_ptr<method::Method> MakeMinMax() { return std::make_unique<MinMax>(); }

}  // namespace ptq::baselines
