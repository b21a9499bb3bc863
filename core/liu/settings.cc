#include "core/liu/settings.h"

#include <charconv>

namespace ptq::liu {
namespace {

using method::ParameterSpec;
using method::ParameterValue;
using method::UsedWhen;

ParameterSpec Choice(const char* name, const char* meaning, std::vector<std::string> choices,
                     std::optional<UsedWhen> used_when = {}) {
  ParameterSpec spec{name, choices[0], meaning, {}, {}, choices, {}, {}};
  spec.used_when = std::move(used_when);
  return spec;
}

ParameterSpec Flag(const char* name, bool value, const char* meaning) {
  return {name, value, meaning, {}, {}, {}, {}, {}};
}

ParameterSpec Number(const char* name, ParameterValue value, double min, double max, const char* meaning,
                     std::optional<UsedWhen> used_when = {}) {
  ParameterSpec spec{name, std::move(value), meaning, min, max, {}, {}, {}};
  spec.used_when = std::move(used_when);
  return spec;
}

ParameterSpec Mixed(ParameterSpec spec) {
  spec.mixed_only = true;
  return spec;
}

std::string TextOf(const method::Parameters& parameters, const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += " " + name + "=" + method::ToString(parameters.values().at(name));
  }
  return text;
}

quant::Grid GridOf(const std::string& name) { return quant::ParseGrid(name).value(); }

}  // namespace

std::vector<ParameterSpec> ParameterSpecs() {
  const UsedWhen ranking{"ranking", true};
  ParameterSpec candidates{
      "candidate_bits",
      std::string("target"),
      "widths that a group may take: a list such as \"4,6,8\", or target: from target - 2 to target + 2 (6 MP: 4 to 8)",
      {},
      {},
      {},
      {},
      {}};
  candidates.check = [](const std::string& text) -> Status {
    const Result<std::vector<int>> bits = text == "target" ? std::vector<int>{8} : ParseBitsList(text);
    return bits.ok() ? OkStatus() : Status(bits.error());
  };
  candidates.examples = {"6,7,8,9", "6,8,10"};
  return {
      Flag("ranking", true, "subtract the ranking loss of attention scores from the similarity (Eq. 12)"),
      Flag("bias_correction", true, "subtract the expected error of each output channel from the bias (Eq. 16)"),
      Choice("similarity", "Pearson correlation over an image's output map, over each token, or over all images pooled",
             {"image", "token", "pooled"}),
      Choice("similarity_output", "the output that the similarity sees: before or after bias correction",
             {"uncorrected", "corrected"}, UsedWhen{"bias_correction", true}),
      Number("gamma", 0.1, 0, 1e6, "weight of the ranking loss (Eq. 12)", ranking),
      Number("theta", 0.2, 0, 1e6, "margin of the ranking loss, in units of the ranked matrix (Eq. 13)", ranking),
      Choice("ranking_matrix", "A of the ranking loss: Q K^T, Q K^T / sqrt(D), or its softmax",
             {"scores", "scaled_scores", "softmax"}, ranking),
      Choice("ranking_pairs", "the ranking loss over pairs: their mean, or the sum as printed", {"mean", "sum"},
             ranking),
      Choice("ranking_images", "the ranking loss over images", {"mean", "sum"}, ranking),
      Choice("ranking_heads", "pairs inside each head, averaged over heads, or across all heads of a query",
             {"per_head", "joined"}, ranking),
      Choice("ranking_ops", "where the ranking loss applies: the product Q K^T, or the search of W^Q and W^K as well",
             {"qk", "qk_and_qkv"}, ranking),
      Number("alpha", 0.5, 0.01, 1, "smallest candidate interval, in units of the anchor"),
      Number("beta", 1.2, 1, 10, "largest candidate interval, in units of the anchor"),
      Number("candidates", int64_t{100}, 1, 10000, "steps between alpha and beta, both ends included (the paper's C)"),
      Number("max_rounds", int64_t{20}, 1, 1000, "cap on search rounds; a round searches both intervals of an op"),
      Number("tolerance", 1e-6, 0, 1, "a round that gains less is the last"),
      Choice("anchor", "what candidates are multiples of: the initial interval, or the current one",
             {"initial", "current"}),
      Choice("tie_break", "of candidates with equal objective: the smallest, or the nearest to the anchor",
             {"smallest", "nearest"}),
      Choice(
          "initial_interval",
          "largest magnitude divided by: 2^(b-1)-1 (max_code), 2^(b-1) (half_levels), 2^(b-1)-0.5 (midpoint); affine "
          "grids: the range by 2^b-1",
          {"max_code", "half_levels", "midpoint"}),
      Choice("qkv_intervals", "weight intervals of the fused qkv projection: W^Q, W^K, W^V apart, or one for all",
             {"separate", "fused"}),
      Choice("act_grid", "grid of activations; symmetric_full is Eq. 8",
             {"symmetric_full", "affine", "symmetric_restricted"}),
      Choice("weight_grid", "grid of weights; symmetric_full is Eq. 8", {"symmetric_full", "symmetric_restricted"}),
      Choice("calibration_order",
             "inputs of an op while it is searched: the float model's, or those behind the already quantized ops",
             {"parallel", "sequential"}),
      Mixed(std::move(candidates)),
      Mixed(Number("size_tolerance", 0.01, -0.9, 10,
                   "how far the model may exceed the size at the target bits, as a fraction of it")),
      Mixed(Choice("allocator",
                   "bits per group: exact Pareto front, or only assignments whose bits do not fall as the nuclear norm "
                   "rises, over all groups or among groups of a kind",
                   {"pareto", "monotone", "monotone_per_kind"})),
      Mixed(Choice("extra_groups", "patch embedding and head: at the target bits, or groups of their own",
                   {"none", "patch_embed_and_head"})),
      Mixed(Choice(
          "sensitivity_map",
          "Y of an attention group in Omega: softmax, scores, as ranking_matrix, or the module's output, which is "
          "not the paper's",
          {"softmax", "scores", "as_ranking", "module_output"})),
      Mixed(Choice("sensitivity_feature", "Y of an MLP group in Omega: the output of fc2, before or after the residual",
                   {"before_residual", "after_residual"})),
      Mixed(Choice(
          "sensitivity_units",
          "Omega as printed, in the units of each group's own output (absolute), or with both factors divided by "
          "that output's Frobenius norm, so that attention maps and features can be compared (relative)",
          {"absolute", "relative"})),
      Mixed(Number("sensitivity_images", int64_t{32}, 1, 1e6,
                   "Omega is averaged over so many of the calibration images (fewer where there are fewer)")),
  };
}

Result<std::vector<int>> ParseBitsList(const std::string& text) {
  std::vector<int> bits;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at <= end) {
    int value = 0;
    const std::from_chars_result read = std::from_chars(at, end, value);
    const bool separated = read.ptr == end || *read.ptr == ',';
    if (read.ec != std::errc() || !separated || value < quant::kMinBits || value > quant::kMaxBits ||
        (!bits.empty() && value <= bits.back())) {
      return InvalidArgument("write ascending bits in 2..16 with commas between them, such as \"4,6,8\", or target");
    }
    bits.push_back(value);
    at = read.ptr + 1;
  }
  return bits;
}

Settings ReadSettings(const method::Parameters& p) {
  const auto is = [&](const char* name, const char* value) { return p.String(name) == value; };
  Settings s;
  s.ranking = p.Bool("ranking");
  s.bias_correction = p.Bool("bias_correction");
  s.similarity = is("similarity", "image")   ? search::Similarity::kImage
                 : is("similarity", "token") ? search::Similarity::kToken
                                             : search::Similarity::kPooled;
  s.corrected = is("similarity_output", "corrected");
  search::RankingOptions& ranking = s.ranking_options;
  ranking.gamma = p.Double("gamma");
  ranking.theta = p.Double("theta");
  ranking.matrix = is("ranking_matrix", "scores")          ? search::RankedMatrix::kScores
                   : is("ranking_matrix", "scaled_scores") ? search::RankedMatrix::kScaledScores
                                                           : search::RankedMatrix::kSoftmax;
  ranking.sum_pairs = is("ranking_pairs", "sum");
  ranking.sum_images = is("ranking_images", "sum");
  ranking.join_heads = is("ranking_heads", "joined");
  s.rank_projection = is("ranking_ops", "qk_and_qkv");
  s.search.alpha = p.Double("alpha");
  s.search.beta = p.Double("beta");
  s.search.steps = p.Int("candidates");
  s.search.max_rounds = p.Int("max_rounds");
  s.search.tolerance = p.Double("tolerance");
  s.search.anchor = is("anchor", "initial") ? search::Anchor::kInitial : search::Anchor::kCurrent;
  s.search.tie_break = is("tie_break", "smallest") ? search::TieBreak::kSmallest : search::TieBreak::kNearest;
  s.initial_interval = is("initial_interval", "max_code")      ? InitialInterval::kMaxCode
                       : is("initial_interval", "half_levels") ? InitialInterval::kHalfLevels
                                                               : InitialInterval::kMidpoint;
  s.separate_qkv = is("qkv_intervals", "separate");
  s.act_grid = GridOf(p.String("act_grid"));
  s.weight_grid = GridOf(p.String("weight_grid"));
  s.sequential = is("calibration_order", "sequential");
  if (!is("candidate_bits", "target")) {
    s.candidate_bits = ParseBitsList(p.String("candidate_bits")).value();
  }
  s.size_tolerance = p.Double("size_tolerance");
  s.rule = is("allocator", "pareto")     ? allocate::Rule::kPareto
           : is("allocator", "monotone") ? allocate::Rule::kMonotone
                                         : allocate::Rule::kMonotonePerKind;
  s.extra_groups = is("extra_groups", "patch_embed_and_head");
  s.sensitivity_map = is("sensitivity_map", "softmax")      ? SensitivityMap::kSoftmax
                      : is("sensitivity_map", "scores")     ? SensitivityMap::kScores
                      : is("sensitivity_map", "as_ranking") ? SensitivityMap::kAsRanking
                                                            : SensitivityMap::kModuleOutput;
  s.feature_after_residual = is("sensitivity_feature", "after_residual");
  s.relative_sensitivity = is("sensitivity_units", "relative");
  s.sensitivity_images = p.Int("sensitivity_images");
  return s;
}

std::string SearchText(const method::Parameters& parameters, const vit::OpId& op, bool ranks) {
  std::vector<std::string> names = {"similarity", "alpha",  "beta",      "candidates",       "max_rounds",
                                    "tolerance",  "anchor", "tie_break", "initial_interval", "act_grid"};
  if (op.has_weight()) {
    names.insert(names.end(), {"weight_grid", "similarity_output"});
  }
  if (op.kind == vit::OpKind::kQkv) {
    names.push_back("qkv_intervals");
  }
  if (ranks) {
    names.insert(names.end(), {"gamma", "theta", "ranking_matrix", "ranking_pairs", "ranking_images", "ranking_heads"});
  }
  return TextOf(parameters, names);
}

std::string SensitivityText(const method::Parameters& parameters) {
  return TextOf(parameters, {"sensitivity_map", "ranking_matrix", "sensitivity_feature", "sensitivity_units",
                             "sensitivity_images"});
}

}  // namespace ptq::liu
