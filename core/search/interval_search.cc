#include "core/search/interval_search.h"

#include <algorithm>
#include <cmath>

namespace ptq::search {
namespace {

constexpr float kSmallestScale = 1e-30F;  // as quant::ParamsFromRange: quotients by it do not overflow

std::vector<double> Factors(const SearchOptions& options) {
  std::vector<double> factors;
  for (int64_t t = 0; t <= options.steps; ++t) {
    factors.push_back(options.alpha +
                      static_cast<double>(t) * (options.beta - options.alpha) / static_cast<double>(options.steps));
  }
  return factors;
}

size_t Best(const std::vector<double>& scores, const std::vector<double>& factors, TieBreak tie_break) {
  size_t best = 0;
  for (size_t c = 1; c < scores.size(); ++c) {
    const bool nearer = tie_break == TieBreak::kNearest && std::abs(factors[c] - 1) < std::abs(factors[best] - 1);
    if (scores[c] > scores[best] || (scores[c] == scores[best] && nearer)) {
      best = c;
    }
  }
  return best;
}

Result<std::vector<quant::QuantParams>> SearchRights(IntervalObjective& objective, const OpIntervals& now,
                                                     const OpIntervals& anchor, const std::vector<double>& factors,
                                                     TieBreak tie_break) {
  std::vector<std::vector<quant::QuantParams>> candidates(factors.size());
  for (size_t c = 0; c < factors.size(); ++c) {
    for (const quant::QuantParams& part : anchor.right) {
      candidates[c].push_back(Scaled(part, factors[c]));
    }
  }
  PTQ_ASSIGN_OR_RETURN(const auto scores, objective.ScoreRights(now.left, candidates));
  std::vector<quant::QuantParams> chosen;
  for (size_t p = 0; p < now.right.size(); ++p) {
    std::vector<double> of_part;
    for (const std::vector<double>& candidate : scores) {
      of_part.push_back(candidate[p]);
    }
    chosen.push_back(candidates[Best(of_part, factors, tie_break)][p]);
  }
  return chosen;
}

}  // namespace

quant::QuantParams Scaled(const quant::QuantParams& params, double factor) {
  quant::QuantParams scaled = params;
  for (float& scale : scaled.scale) {
    scale = std::max(static_cast<float>(static_cast<double>(scale) * factor), kSmallestScale);
  }
  return scaled;
}

Result<SearchOutcome> AlternatingSearch(IntervalObjective& objective, const OpIntervals& initial,
                                        const SearchOptions& options) {
  PTQ_CHECK(initial.right.size() == objective.right_parts() && options.steps > 0 && options.max_rounds > 0);
  const std::vector<double> factors = Factors(options);
  const bool drifts = options.anchor == Anchor::kCurrent;
  SearchOutcome outcome{initial, 0, {}};
  OpIntervals best_intervals = initial;
  for (int64_t round = 0; round < options.max_rounds; ++round) {
    const OpIntervals before = outcome.intervals;
    OpIntervals& now = outcome.intervals;
    PTQ_ASSIGN_OR_RETURN(now.right,
                         SearchRights(objective, now, drifts ? before : initial, factors, options.tie_break));
    if (round > 0 && !drifts && now.right == before.right) {
      break;  // the left search would repeat the last round's
    }
    std::vector<quant::QuantParams> lefts;
    for (const double factor : factors) {
      lefts.push_back(Scaled(drifts ? before.left : initial.left, factor));
    }
    PTQ_ASSIGN_OR_RETURN(const std::vector<double> scores, objective.ScoreLefts(lefts, now.right));
    const size_t best = Best(scores, factors, options.tie_break);
    now.left = lefts[best];
    const bool first = outcome.after_round.empty();
    const double gain = first ? options.tolerance : scores[best] - outcome.objective;
    outcome.after_round.push_back(scores[best]);
    if (first || gain >= 0) {  // a moving anchor may lose the interval that it had
      outcome.objective = scores[best];
      best_intervals = now;
    }
    if (now == before || gain < options.tolerance) {
      break;
    }
    if (round > 0 && !drifts && now.left == before.left) {
      break;  // the next round would repeat this one's right search
    }
  }
  outcome.intervals = best_intervals;
  return outcome;
}

}  // namespace ptq::search
