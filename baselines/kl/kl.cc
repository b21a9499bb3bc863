#include "baselines/kl/kl.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/quant/range.h"
#include "core/search/entropy_threshold.h"

namespace ptq::baselines {
namespace {

struct Settings {
  search::EntropyOptions entropy;
  quant::Grid activation_grid, softmax_grid, weight_grid;

  // The softmax output is never negative.
  quant::Grid GridOf(const vit::OperandId& operand) const {
    const bool softmax = operand.op.kind == vit::OpKind::kPv && operand.side == vit::Side::kLeft;
    return operand.is_weight() ? weight_grid : softmax ? softmax_grid : activation_grid;
  }
};

Result<Settings> ReadSettings(const method::Parameters& parameters) {
  Settings settings;
  settings.entropy.bins = parameters.Int("bins");
  settings.entropy.merge =
      parameters.String("merge") == "floor" ? search::EntropyMerge::kFloor : search::EntropyMerge::kFractional;
  settings.entropy.drop_zero_bin = parameters.Bool("drop_zero_bin");
  PTQ_ASSIGN_OR_RETURN(settings.activation_grid, quant::ParseGrid(parameters.String("activation_grid")));
  PTQ_ASSIGN_OR_RETURN(settings.softmax_grid, quant::ParseGrid(parameters.String("softmax_grid")));
  PTQ_ASSIGN_OR_RETURN(settings.weight_grid, quant::ParseGrid(parameters.String("weight_grid")));
  return settings;
}

double BoundOf(const calib::TensorStatistics& seen) {
  return std::max(std::abs(static_cast<double>(seen.min())), static_cast<double>(seen.max()));
}

Result<quant::QuantParams> ActivationParams(const calib::TensorStatistics& seen, quant::Grid grid, int num_bits,
                                            const search::EntropyOptions& options) {
  const calib::Histogram& histogram = seen.histogram();
  const auto clip = static_cast<float>(search::EntropyClip(
      histogram.AbsoluteBins(), histogram.bin_width(), BoundOf(seen), search::EntropyGroups(grid, num_bits), options));
  return quant::ParamsFromRange(grid, num_bits, {grid == quant::Grid::kUnsigned ? 0 : -clip}, {clip});
}

std::vector<method::ParameterSpec> ParameterSpecs() {
  const auto grid = [](const char* name, const char* meaning, std::vector<std::string> choices) {
    return method::ParameterSpec{name, choices[0], meaning, {}, {}, choices, {}, {}};
  };
  return {
      {"bins", int64_t{2048}, "bins of |x| over 0..max (TensorRT: 2048)", 128, 4096, {}},
      {"merge",
       std::string("floor"),
       "how i bins become L groups: floor(i/L) bins each with the remainder in the last, or i/L with shared bins",
       {},
       {},
       {"floor", "fractional"}},
      {"drop_zero_bin",
       true,
       "leave the mass of the first bin out, which holds the zeros (EasyQuant's tool does; NVIDIA's sets it to "
       "its neighbour)",
       {},
       {},
       {}},
      grid("activation_grid", "grid of activations; TensorRT's is symmetric_restricted",
           {"symmetric_restricted", "symmetric_full"}),
      grid("softmax_grid", "grid of the softmax output, which is never negative",
           {"unsigned", "symmetric_restricted", "symmetric_full"}),
      grid("weight_grid", "grid of weights, over their whole range; TensorRT's is symmetric_restricted",
           {"symmetric_restricted", "symmetric_full"}),
  };
}

// The share of values in the first bin.
double ZeroBinShare(const calib::TensorStatistics& seen, int64_t bins) {
  const double bound = BoundOf(seen);
  if (bound == 0) {
    return 1;
  }
  const calib::Histogram& histogram = seen.histogram();
  return static_cast<double>(search::Rebin(histogram.AbsoluteBins(), histogram.bin_width(), bound, bins)[0]) /
         static_cast<double>(seen.count());
}

class Kl final : public method::Method {
 public:
  Kl() {
    info_.id = "kl";
    info_.summary =
        "Each activation is clipped where its histogram, told in the grid's levels, diverges least from itself.";
    info_.citation = "Migacz, 8-bit Inference with TensorRT, GTC 2017";
    info_.published_as = "TensorRT KL";
    info_.parameters = ParameterSpecs();
  }

  const method::MethodInfo& info() const override { return info_; }

  Status Supports(const method::Scheme&, const method::Parameters&, const vit::VitConfig&) const override {
    return OkStatus();
  }

  Result<method::Plan> Quantize(const method::QuantizeInputs& inputs) const override {
    PTQ_ASSIGN_OR_RETURN(const Settings settings, ReadSettings(inputs.parameters));
    const std::vector<vit::OperandId> operands = method::CoveredOperands(inputs.scheme, inputs.model.config());
    PTQ_ASSIGN_OR_RETURN(const auto statistics,
                         inputs.calibration.Collect(method::Activations(operands), {}, inputs.random));
    inputs.progress.Begin("thresholds", static_cast<int64_t>(operands.size()));
    method::Plan plan;
    for (const vit::OperandId& operand : operands) {
      if (inputs.progress.stop_requested()) {
        return Interrupted("stopped while thresholds were chosen");
      }
      const Result<quant::QuantParams> params = operand.is_weight()
                                                    ? WeightParams(inputs, settings, operand)
                                                    : ActivationParams(statistics.at(operand), settings.GridOf(operand),
                                                                       inputs.scheme.BitsOf(operand), settings.entropy);
      if (!params.ok()) {
        return Error{params.error().code, params.error().message, operand.name()};
      }
      plan.operands[operand] = *params;
      inputs.progress.Advance(1);
    }
    inputs.progress.End();
    if (settings.entropy.drop_zero_bin) {
      double shares = 0;
      for (const auto& [operand, seen] : statistics) {
        shares += ZeroBinShare(seen, settings.entropy.bins) / static_cast<double>(statistics.size());
      }
      char text[32];
      std::snprintf(text, sizeof text, "%.6f", shares);
      plan.notes["dropped_share"] = text;
    }
    return plan;
  }

 private:
  static Result<quant::QuantParams> WeightParams(const method::QuantizeInputs& inputs, const Settings& settings,
                                                 const vit::OperandId& operand) {
    const quant::Granularity granularity = inputs.scheme.weight_granularity;
    PTQ_ASSIGN_OR_RETURN(const quant::Range range,
                         quant::RangeOf(inputs.model.parameter(operand.op.weight_name()), granularity));
    return quant::WeightParams(settings.weight_grid, inputs.scheme.BitsOf(operand), granularity, range);
  }

  method::MethodInfo info_;
};

}  // namespace

std::unique_ptr<method::Method> MakeKl() { return std::make_unique<Kl>(); }

}  // namespace ptq::baselines
