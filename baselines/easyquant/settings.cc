#include "baselines/easyquant/settings.h"

namespace ptq::baselines::easyquant {
namespace {

using method::ParameterSpec;
using method::ParameterValue;
using method::UsedWhen;
using Units = CandidateRange::Units;

constexpr int64_t kMaxRounds = 20;  // "until convergence" has no other end where two rounds take turns

ParameterSpec Choice(const char* name, const char* meaning, std::vector<std::string> choices,
                     std::optional<UsedWhen> used_when = {}) {
  ParameterSpec spec{name, choices[0], meaning, {}, {}, choices, {}, {}};
  spec.used_when = std::move(used_when);
  return spec;
}

ParameterSpec Number(const char* name, ParameterValue value, double min, double max, const char* meaning,
                     std::optional<UsedWhen> used_when = {}) {
  ParameterSpec spec{name, std::move(value), meaning, min, max, {}, {}, {}};
  spec.used_when = std::move(used_when);
  return spec;
}

}  // namespace

std::vector<ParameterSpec> ParameterSpecs() {
  const UsedWhen custom{"variant", std::string("custom")};
  return {
      Choice("variant",
             "paper: S in 0.5..2 of the initial one, 100 steps, rounds until nothing changes; baseptq: intervals in "
             "0.5..1.2, 100 steps, one round, cosine per token (PTQ4ViT's re-implementation); release: what the "
             "published tool does, clips are only widened, one round; custom: the parameters below",
             {"paper", "baseptq", "release", "custom"}),
      Choice("units", "what alpha and beta are multiples of: S, the inverse of the interval, or the interval",
             {"multiplier", "interval"}, custom),
      Number("alpha", 0.5, 0.01, 1, "smallest candidate, in units of the initial one", custom),
      Number("beta", 2.0, 1, 10, "largest candidate, in units of the initial one", custom),
      Number("candidates", int64_t{100}, 1, 1000,
             "steps between alpha and beta, both ends included; the initial one is "
             "always tried as well",
             custom),
      Number("rounds", kMaxRounds, 1, 100, "cap on rounds; a round searches weights, then activations", custom),
      Choice("similarity", "one score per image (per image and head of attention products), averaged, or per token",
             {"image", "token"}, custom),
      Choice("activation_init",
             "where the search of an activation's interval begins: the KL threshold for the grid's own levels, or for "
             "those of 8 bits whatever the width (the published tool), or the largest value; variant: max_abs of "
             "baseptq, else kl_8_bits",
             {"variant", "kl", "kl_8_bits", "max_abs"}),
      Choice(
          "metric",
          "what is maximized: the cosine, the cosine less |ln| of the gain that would mend the length, or 1 less the "
          "relative squared error; the latter two are no part of the paper",
          {"cosine", "cosine_and_gain", "squared_error"}),
      Choice("order", "inputs of an op while it is searched: the float model's, or those behind the quantized ops",
             {"parallel", "sequential"}),
      Number("accumulation_depth", int64_t{0}, 0, 32767,
             "products that a kernel sums in 16 bits before it spills them into 32 (8 at W7A7); 0: always in 32 bits; "
             "noted with the plan"),
  };
}

Settings ReadSettings(const method::Parameters& parameters) {
  const std::string& variant = parameters.String("variant");
  Settings settings;
  if (variant == "paper") {
    settings.weights = {Units::kMultiplier, 0.5, 2, 100, false};
    settings.activations = settings.weights;
    settings.max_rounds = kMaxRounds;
  } else if (variant == "baseptq") {
    settings.weights = {Units::kInterval, 0.5, 1.2, 100, false};
    settings.activations = settings.weights;
    settings.domain = search::ScoreDomain::kRow;
    settings.init = ActivationInit::kMaximum;
  } else if (variant == "release") {
    settings.weights = {Units::kMultiplierFromOne, 0, 1, 99, true};
    settings.activations = {Units::kMultiplier, 0.8, 1, 199, true};
  } else {
    settings.weights.units = parameters.String("units") == "interval" ? Units::kInterval : Units::kMultiplier;
    settings.weights.low = parameters.Double("alpha");
    settings.weights.high = parameters.Double("beta");
    settings.weights.steps = parameters.Int("candidates");
    settings.activations = settings.weights;
    settings.max_rounds = parameters.Int("rounds");
    settings.domain =
        parameters.String("similarity") == "token" ? search::ScoreDomain::kRow : search::ScoreDomain::kMap;
  }
  const std::string& init = parameters.String("activation_init");
  if (init != "variant") {
    settings.init = init == "kl"          ? ActivationInit::kEntropyOfBits
                    : init == "kl_8_bits" ? ActivationInit::kEntropyOf8Bits
                                          : ActivationInit::kMaximum;
  }
  const std::string& metric = parameters.String("metric");
  settings.metric = metric == "cosine"            ? search::OutputMetric::kCosine
                    : metric == "cosine_and_gain" ? search::OutputMetric::kCosineAndGain
                                                  : search::OutputMetric::kSquaredError;
  settings.sequential = parameters.String("order") == "sequential";
  settings.accumulation_depth = parameters.Int("accumulation_depth");
  return settings;
}

std::string Settings::SearchText() const {
  return "weights=" + weights.ToString() + " activations=" + activations.ToString() +
         " rounds=" + std::to_string(max_rounds) + " init=" + std::to_string(static_cast<int>(init)) +
         " metric=" + std::to_string(static_cast<int>(metric)) + " domain=" + std::to_string(static_cast<int>(domain));
}

quant::Grid GridOf(const vit::OperandId& operand) {
  const bool softmax = operand.op.kind == vit::OpKind::kPv && operand.side == vit::Side::kLeft;
  return softmax ? quant::Grid::kUnsigned : quant::Grid::kSymmetricRestricted;
}

}  // namespace ptq::baselines::easyquant
