#include "baselines/aciq/aciq.h"

#include <array>
#include <cstdio>

#include "baselines/aciq/activation.h"
#include "baselines/aciq/weight.h"

namespace ptq::baselines {
namespace {

using aciq::Quota;

// The widest weights between whose rows the released code shares bits.
constexpr int kMostSharedBits = 4;

aciq::PriorRule PriorOf(const std::string& name) {
  return name == "laplace" ? aciq::PriorRule::kLaplace
         : name == "gauss" ? aciq::PriorRule::kGauss
                           : aciq::PriorRule::kMix;
}

aciq::SoftmaxRule SoftmaxOf(const std::string& name) {
  return name == "max"   ? aciq::SoftmaxRule::kMax
         : name == "one" ? aciq::SoftmaxRule::kOne
                         : aciq::SoftmaxRule::kFaithful;
}

// Absent: every row has the scheme's bits.
std::optional<Quota> QuotaOf(const std::string& allocation, const method::Scheme& scheme) {
  if (allocation == "auto") {
    const bool shared =
        scheme.weight_granularity == quant::Granularity::kPerChannel && scheme.weight_bits <= kMostSharedBits;
    return shared ? std::optional(Quota::kAverage) : std::nullopt;
  }
  return allocation == "bins"      ? std::optional(Quota::kBins)
         : allocation == "average" ? std::optional(Quota::kAverage)
                                   : std::nullopt;
}

// What the plan's notes tell.
struct Tally {
  std::array<int, 3> fits = {};  // operands per aciq::Fit
  double elements = 0;           // of weights
  double bits = 0;               // of all their elements
  double bins = 0;               // of all rows, as a fraction of 2^bits of the scheme
  double rows = 0;

  void Add(const quant::QuantParams& params, double elements_per_row) {
    for (const int32_t bits_of_row : params.channel_bits) {
      elements += elements_per_row;
      bits += bits_of_row * elements_per_row;
      rows += 1;
      bins += static_cast<double>(1LL << bits_of_row) / static_cast<double>(1LL << params.num_bits);
    }
  }
};

std::string Decimal(double x) {
  std::array<char, 32> text = {};
  std::snprintf(text.data(), text.size(), "%.4f", x);
  return text.data();
}

class Aciq final : public method::Method {
 public:
  Aciq() {
    info_.id = "aciq";
    info_.summary =
        "Activations are clipped where a Laplace or Gauss prior says; weight rows share bits and keep their means.";
    info_.citation =
        "Banner et al., Post training 4-bit quantization of convolutional networks for rapid-deployment, NeurIPS 2019";
    info_.published_as = "ACIQ";
    info_.parameters = {
        {"prior",
         std::string("laplace"),
         "the prior that gives the clipping value; mix takes of laplace, gauss and min-max what measures best",
         {},
         {},
         {"laplace", "gauss", "mix"}},
        {"softmax",
         std::string("max"),
         "range of softmax outputs: 0 to their maximum, 0 to one, or faithful: clipped like any one-sided operand",
         {},
         {},
         {"max", "one", "faithful"}},
        {"allocation",
         std::string("auto"),
         "bits of weight rows: none, under a quota of bins (Eq. 11), or of average bits; auto is average for "
         "per_channel weights of up to 4 bits, as in the released code, else none",
         {},
         {},
         {"auto", "none", "bins", "average"}},
        {"bias_correction", true, "puts the mean of each weight row back (Section 4.2, Eq. 12)", {}, {}, {}},
        {"variance_correction",
         false,
         "puts the spread of each weight row back too (Eq. 13, as the released code applies it)",
         {},
         {},
         {},
         method::UsedWhen{"bias_correction", true}},
    };
  }

  const method::MethodInfo& info() const override { return info_; }

  Status Supports(const method::Scheme& scheme, const method::Parameters& parameters,
                  const vit::VitConfig&) const override {
    const std::string& allocation = parameters.String("allocation");
    if (QuotaOf(allocation, scheme) && scheme.weight_granularity != quant::Granularity::kPerChannel) {
      return Unsupported("allocation \"" + allocation +
                         "\" shares bits between the rows of a weight; it needs per_channel weights");
    }
    return OkStatus();
  }

  Result<method::Plan> Quantize(const method::QuantizeInputs& inputs) const override {
    const std::vector<vit::OperandId> operands = method::CoveredOperands(inputs.scheme, inputs.model.config());
    PTQ_ASSIGN_OR_RETURN(const auto statistics,
                         inputs.calibration.Collect(method::Activations(operands), {}, inputs.random));
    inputs.progress.Begin("clip ranges", static_cast<int64_t>(operands.size()));
    method::Plan plan;
    Tally tally;
    for (const vit::OperandId& operand : operands) {
      if (inputs.progress.stop_requested()) {
        return Interrupted("stopped while clipping ranges");
      }
      inputs.progress.Detail(operand.name());
      const Status done = operand.is_weight() ? Weight(inputs, operand, plan, tally)
                                              : Activation(inputs, operand, statistics.at(operand), plan, tally);
      if (!done.ok()) {
        return Error{done.error().code, done.error().message, operand.name()};
      }
      inputs.progress.Advance(1);
    }
    inputs.progress.End();
    AddNotes(tally, plan);
    return plan;
  }

 private:
  static Status Activation(const method::QuantizeInputs& inputs, const vit::OperandId& operand,
                           const calib::TensorStatistics& seen, method::Plan& plan, Tally& tally) {
    PTQ_ASSIGN_OR_RETURN(
        aciq::ActivationGrid grid,
        aciq::GridOfActivation(operand, seen, inputs.scheme.BitsOf(operand), PriorOf(inputs.parameters.String("prior")),
                               SoftmaxOf(inputs.parameters.String("softmax"))));
    ++tally.fits[static_cast<size_t>(grid.fit)];
    plan.operands[operand] = std::move(grid.params);
    return OkStatus();
  }

  static Status Weight(const method::QuantizeInputs& inputs, const vit::OperandId& operand, method::Plan& plan,
                       Tally& tally) {
    const at::Tensor weight = inputs.model.parameter(operand.op.weight_name());
    aciq::WeightRule rule;
    rule.quota = QuotaOf(inputs.parameters.String("allocation"), inputs.scheme);
    rule.bias_correction = inputs.parameters.Bool("bias_correction");
    rule.variance_correction = rule.bias_correction && inputs.parameters.Bool("variance_correction");
    PTQ_ASSIGN_OR_RETURN(aciq::QuantizedWeight quantized, aciq::QuantizeWeight(weight, inputs.scheme.BitsOf(operand),
                                                                               inputs.scheme.weight_granularity, rule));
    tally.Add(quantized.params, static_cast<double>(weight.numel()) / static_cast<double>(weight.size(0)));
    if (!quantized.replaced.empty()) {
      plan.replaced_parameters[operand.op.weight_name()] = vit::MakeTensor(quantized.replaced, weight.sizes().vec());
    }
    plan.operands[operand] = std::move(quantized.params);
    return OkStatus();
  }

  static void AddNotes(const Tally& tally, method::Plan& plan) {
    plan.notes["laplace_operands"] = std::to_string(tally.fits[static_cast<size_t>(aciq::Fit::kLaplace)]);
    plan.notes["gauss_operands"] = std::to_string(tally.fits[static_cast<size_t>(aciq::Fit::kGauss)]);
    plan.notes["unclipped_operands"] = std::to_string(tally.fits[static_cast<size_t>(aciq::Fit::kMinMax)]);
    if (tally.rows > 0) {
      plan.notes["mean_weight_bits"] = Decimal(tally.bits / tally.elements);
      plan.notes["weight_bins_of_quota"] = Decimal(tally.bins / tally.rows);
    }
  }

  method::MethodInfo info_;
};

}  // namespace

std::unique_ptr<method::Method> MakeAciq() { return std::make_unique<Aciq>(); }

}  // namespace ptq::baselines
