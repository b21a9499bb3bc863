#include "results/comparison_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>
#include <vector>

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
  grid.header = {"", "trial", "model", "method", "execution", "seed", "right", "accuracy % [95 %]"};
  grid.first_right_aligned = 5;
  for (const bool is_a : {true, false}) {
    const ComparedSide& side = is_a ? comparison.a : comparison.b;
    const TrialSummary& trial = side.summary;
    grid.rows.push_back(
        {is_a ? "A" : "B", trial.trial_key.substr(0, kShownDigits), trial.model,
         fmt::format("{}@{} {}", trial.method, trial.method_version, Bits(trial)), trial.exec_mode,
         fmt::format("{}", trial.seed), fmt::format("{}", side.right),
         fmt::format("{} [{}, {}]", Percent(side.accuracy), Percent(side.interval.low), Percent(side.interval.high))});
  }
  return grid;
}

std::vector<std::string> Words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

// The settings of one trial that the other has not: what both share need not be read twice.
std::string OwnSettings(const TrialSummary& trial, const TrialSummary& other) {
  std::vector<std::string> own;
  for (const auto& [mine, theirs] :
       {std::pair{trial.parameters, other.parameters}, std::pair{trial.scheme, other.scheme}}) {
    const std::vector<std::string> known = Words(theirs);
    for (const std::string& word : Words(mine)) {
      if (std::find(known.begin(), known.end(), word) == known.end()) own.push_back(word);
    }
  }
  return fmt::format("{}", fmt::join(own, " "));
}

// "A alone: percentile=0.999", for each side that has such settings.
std::vector<std::string> Settings(const Comparison& comparison) {
  const TrialSummary &a = comparison.a.summary, &b = comparison.b.summary;
  std::vector<std::string> lines;
  for (const auto& [name, own] : {std::pair{"A", OwnSettings(a, b)}, std::pair{"B", OwnSettings(b, a)}}) {
    if (!own.empty()) lines.push_back(fmt::format("{} alone: {}", name, own));
  }
  return lines;
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

std::string Prose(const Comparison& comparison, bool markdown) {
  const auto render = [markdown](const TextGrid& grid) {
    return markdown ? RenderMarkdownGrid(grid) : RenderGrid(grid);
  };
  const char* bullet = markdown ? "* " : "";
  std::string text =
      fmt::format("{}{}: {} images\n\n", markdown ? "## " : "", comparison.dataset, comparison.counts.images());
  text += render(Sides(comparison)) + "\n";
  const std::vector<std::string> settings = Settings(comparison);
  for (const std::string& line : settings) text += bullet + line + "\n";
  text += (settings.empty() ? "" : "\n") + render(TwoByTwo(comparison.counts)) + "\n";
  for (const std::string& sentence : Sentences(comparison)) text += bullet + sentence + "\n";
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
  return Prose(comparison, format == ComparisonFormat::kMarkdown);
}

}  // namespace ptq::results
