// rounds.h: the two sides of an op searched in turn (Wu et al. 2020, EasyQuant, Algorithm 1).
#pragma once

#include <vector>

#include "core/base/error.h"
#include "core/search/cosine_objective.h"

namespace ptq::baselines::easyquant {

// What a search found.
struct Intervals {
  quant::QuantParams left, right;
  double initial_score = 0;  // of the op's whole output at the initial intervals
  double score = 0;          // at these; never below
  int64_t rounds = 0;
  int64_t evaluations = 0;  // products of the op over all images
};

// Each round fixes the left interval and takes for each group of the right operand (output channel, part, or all of it)
// the candidate of the best score, then fixes the right ones and takes the best left one.  Candidates stay the same;
// the first of a list is the initial one, and of equally good ones the first is taken.  It ends when a round changes
// nothing.
//
// Groups and the whole output are judged by scores of their own, so that a round may lower the whole output's; the
// intervals of the best round are returned, or the initial ones.  Errors: those of the objective.
Result<Intervals> SearchRounds(search::CosineObjective& objective, const std::vector<quant::QuantParams>& lefts,
                               const std::vector<quant::QuantParams>& rights, int64_t max_rounds);

}  // namespace ptq::baselines::easyquant
