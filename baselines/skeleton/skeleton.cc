#include "baselines/skeleton/skeleton.h"

#include <algorithm>
#include <cmath>

#include "core/quant/range.h"

namespace ptq::baselines {
namespace {

// Symmetric grids that cover `kept_fraction` of the largest absolute value.
class Skeleton final : public method::Method {
 public:
  // 1. Who are you?
  Skeleton() {
    info_.id = "skeleton";
    info_.summary = "Each symmetric grid covers a fixed fraction of the operand's largest absolute value.";
    info_.citation = "none: the template for new methods";
    info_.parameters = {{"kept_fraction", 1.0, "the covered fraction of max|x|, 0.1 to 1", 0.1, 1.0, {}}};
  }
  const method::MethodInfo& info() const override { return info_; }

  // 2. Can you do this?
  Status Supports(const method::Scheme& scheme, const method::Parameters&, const vit::VitConfig&) const override {
    if (scheme.weight_bits < 3 || scheme.activation_bits < 3) {
      return Unsupported("skeleton needs at least 3 bits; ask for W3A3 or more");
    }
    return OkStatus();
  }

  // 3. What is your answer?
  Result<method::Plan> Quantize(const method::QuantizeInputs& inputs) const override {
    const double kept_fraction = inputs.parameters.Double("kept_fraction");
    const std::vector<vit::OperandId> operands = method::CoveredOperands(inputs.scheme, inputs.model.config());
    calib::StatisticsOptions options;
    options.histogram = false;  // ask only for what you use
    PTQ_ASSIGN_OR_RETURN(const auto statistics,
                         inputs.calibration.Collect(method::Activations(operands), options, inputs.random));
    method::Plan plan;
    for (const vit::OperandId& operand : operands) {
      quant::Range range;
      auto granularity = quant::Granularity::kPerTensor;
      if (operand.is_weight()) {
        granularity = inputs.scheme.weight_granularity;
        PTQ_ASSIGN_OR_RETURN(range, quant::RangeOf(inputs.model.parameter(operand.op.weight_name()), granularity));
      } else {
        range = {{statistics.at(operand).min()}, {statistics.at(operand).max()}};
      }
      for (size_t c = 0; c < range.min.size(); ++c) {
        const double bound = kept_fraction * std::max(std::abs(range.min[c]), std::abs(range.max[c]));
        range.max[c] = static_cast<float>(bound);
        range.min[c] = -range.max[c];
      }
      PTQ_ASSIGN_OR_RETURN(
          plan.operands[operand],
          quant::WeightParams(quant::Grid::kSymmetricFull, inputs.scheme.BitsOf(operand), granularity, range));
    }
    return plan;
  }

 private:
  method::MethodInfo info_;
};

}  // namespace

std::unique_ptr<method::Method> MakeSkeleton() { return std::make_unique<Skeleton>(); }

}  // namespace ptq::baselines
