// interval_search.h: alternating grid search of an op's two intervals (Liu et al. 2021, Section 3.3).
//
// An interval (the paper's Delta) is a QuantParams' scale.  Candidates are linear multiples of an anchor; one side is
// fixed while the best of the other is chosen, in turn, until nothing improves.  A zero point stays where it is: a
// scaled affine interval covers a scaled range.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/quant/quant_params.h"

namespace ptq::search {

// The intervals of an op.  Most ops have one right part; a fused qkv weight may be searched as three linears (its rows
// of q, k and v) that share their input.
struct OpIntervals {
  quant::QuantParams left;
  std::vector<quant::QuantParams> right;  // one per part

  bool operator==(const OpIntervals& other) const { return left == other.left && right == other.right; }
};

// What a search maximizes: the mean over parts of a score that depends on the left interval and on that part's right
// one.
class IntervalObjective {
 public:
  virtual ~IntervalObjective() = default;
  virtual size_t right_parts() const = 0;
  // scores[c]: the objective with lefts[c] and the fixed right intervals.  Errors: Interrupted.
  virtual Result<std::vector<double>> ScoreLefts(const std::vector<quant::QuantParams>& lefts,
                                                 const std::vector<quant::QuantParams>& right) = 0;
  // scores[c][p]: the score of part p with rights[c][p] and the fixed left interval.
  virtual Result<std::vector<std::vector<double>>> ScoreRights(
      const quant::QuantParams& left, const std::vector<std::vector<quant::QuantParams>>& rights) = 0;
};

enum class Anchor { kInitial, kCurrent };
enum class TieBreak { kSmallest, kNearest };  // the smallest candidate; the one nearest to factor 1, then the smallest

struct SearchOptions {
  double alpha = 0.5, beta = 1.2;  // candidates are anchor * (alpha + t (beta - alpha) / steps), t = 0..steps
  int64_t steps = 100;             // the paper's C
  int64_t max_rounds = 20;
  double tolerance = 1e-6;  // a round that gains less is the last
  Anchor anchor = Anchor::kInitial;
  TieBreak tie_break = TieBreak::kSmallest;
};

struct SearchOutcome {
  OpIntervals intervals;
  double objective = 0;             // at `intervals`
  std::vector<double> after_round;  // the objective after each round; with the initial anchor it never falls
};

// Right intervals first, then the left one, each round.  Errors: those of the objective.
Result<SearchOutcome> AlternatingSearch(IntervalObjective& objective, const OpIntervals& initial,
                                        const SearchOptions& options);

// `params` with every scale multiplied.
quant::QuantParams Scaled(const quant::QuantParams& params, double factor);

}  // namespace ptq::search
