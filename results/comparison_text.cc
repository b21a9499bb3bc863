#include "results/comparison_text.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "results/text_grid.h"

namespace ptq::results {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kShownDigits = 12;

std::string Percent(double fraction) { return fmt::format("{:.2f}", 100 * fraction); }

// "-0.46", "+0.10", and "0.00" for what rounds to nothing.
std::string Points(double fraction) {
  const double points = std::round(fraction * 10000) / 100;
  return points == 0 ? "0.00" : fmt::format("{:+.2f}", points);
}

std::string PValue(double p) { return p < 1e-300 ? "below 1e-300" : fmt::format("{:.3g}", p); }

std::string Bits(const TrialSummary& trial) {
  return fmt::format("{}/{}{}", trial.w_bits, trial.a_bits, trial.mixed ? " MP" : "");
}

TextGrid Sides(const Comparison& comparison) {
  TextGrid grid;
  grid.header = {"",       "trial",     "model", "method", "parameters",
                 "scheme", "execution", "seed",  "right",  "accuracy % [95 %]"};
  grid.first_right_aligned = 7;
  for (const bool is_a : {true, false}) {
    const ComparedSide& side = is_a ? comparison.a : comparison.b;
    const TrialSummary& trial = side.summary;
    grid.rows.push_back(
        {is_a ? "A" : "B", trial.trial_key.substr(0, kShownDigits), trial.model,
         fmt::format("{}@{} {}", trial.method, trial.method_version, Bits(trial)), trial.parameters, trial.scheme,
         trial.exec_mode, fmt::format("{}", trial.seed), fmt::format("{}", side.right),
         fmt::format("{} [{}, {}]", Percent(side.accuracy), Percent(side.interval.low), Percent(side.interval.high))});
  }
  // what both share or neither has need not be read twice
  for (size_t column = grid.header.size(); column-- > 1;) {
    const bool is_text = column == 4 || column == 5;
    if (!is_text || grid.rows[0][column] != grid.rows[1][column]) continue;
    grid.header.erase(grid.header.begin() + column);
    for (auto& row : grid.rows) row.erase(row.begin() + column);
    --grid.first_right_aligned;
  }
  return grid;
}

TextGrid TwoByTwo(const PairCounts& counts) {
  TextGrid grid;
  grid.header = {"images", "B right", "B wrong"};
  grid.first_right_aligned = 1;
  grid.rows = {{"A right", fmt::format("{}", counts.both), fmt::format("{}", counts.only_a)},
               {"A wrong", fmt::format("{}", counts.only_b), fmt::format("{}", counts.neither)}};
  return grid;
}

std::string Verdict(const Comparison& comparison) {
  if (!comparison.is_separable()) return "not separable: the interval of the difference contains 0.";
  return comparison.difference > 0 ? "A is better: the interval of the difference lies above 0."
                                   : "B is better: the interval of the difference lies below 0.";
}

std::vector<std::string> Sentences(const Comparison& comparison) {
  return {fmt::format("A - B: {} points [{}, {}] (95 %, paired bootstrap over images)", Points(comparison.difference),
                      Points(comparison.difference_interval.low), Points(comparison.difference_interval.high)),
          fmt::format("exact McNemar p: {}", PValue(comparison.p_value)),
          fmt::format("same first answer: {} % of the images", Percent(comparison.same_answer)), Verdict(comparison)};
}

std::string Words(const Comparison& comparison, bool markdown) {
  std::string text =
      fmt::format("{}{}: {} images\n\n", markdown ? "## " : "", comparison.dataset, comparison.counts.images());
  for (const TextGrid& grid : {Sides(comparison), TwoByTwo(comparison.counts)}) {
    text += (markdown ? RenderMarkdownGrid(grid) : RenderGrid(grid)) + "\n";
  }
  for (const std::string& sentence : Sentences(comparison)) text += (markdown ? "* " : "") + sentence + "\n";
  return text;
}

Json Object(const Interval& interval) { return {{"low", interval.low}, {"high", interval.high}}; }

Json Object(const ComparedSide& side) {
  const TrialSummary& trial = side.summary;
  return {{"trial_key", trial.trial_key},   {"model", trial.model},
          {"method", trial.method},         {"method_version", trial.method_version},
          {"parameters", trial.parameters}, {"scheme", trial.scheme},
          {"w_bits", trial.w_bits},         {"a_bits", trial.a_bits},
          {"mixed", trial.mixed},           {"seed", trial.seed},
          {"exec_mode", trial.exec_mode},   {"right", side.right},
          {"top1_fraction", side.accuracy}, {"top1_interval", Object(side.interval)}};
}

std::string RenderJson(const Comparison& comparison) {
  const Json json = {{"schema_version", 1},
                     {"dataset", comparison.dataset},
                     {"manifest_sha256", comparison.manifest_sha256},
                     {"images", comparison.counts.images()},
                     {"a", Object(comparison.a)},
                     {"b", Object(comparison.b)},
                     {"both_right", comparison.counts.both},
                     {"only_a_right", comparison.counts.only_a},
                     {"only_b_right", comparison.counts.only_b},
                     {"neither_right", comparison.counts.neither},
                     {"difference_fraction", comparison.difference},
                     {"difference_interval", Object(comparison.difference_interval)},
                     {"mcnemar_p", comparison.p_value},
                     {"same_answer_fraction", comparison.same_answer},
                     {"separable", comparison.is_separable()}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<ComparisonFormat> ParseComparisonFormat(const std::string& name) {
  if (name == "table") return ComparisonFormat::kText;
  if (name == "markdown") return ComparisonFormat::kMarkdown;
  if (name == "json") return ComparisonFormat::kJson;
  return InvalidArgument("unknown format '" + name + "' of a comparison: choose table, markdown or json");
}

std::string Render(const Comparison& comparison, ComparisonFormat format) {
  if (format == ComparisonFormat::kJson) return RenderJson(comparison);
  return Words(comparison, format == ComparisonFormat::kMarkdown);
}

}  // namespace ptq::results
