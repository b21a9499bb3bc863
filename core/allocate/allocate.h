// allocate.h: mixed precision: sensitivities per group and width in, one width per group out (Liu et al. 2021, 3.4).
//
// Sensitivity and size both add up over groups, so the assignments that no other one beats in both form a Pareto front,
// and under a size budget the best assignment is a point of it.  No LibTorch.
#pragma once

#include <vector>

#include "core/base/error.h"
#include "core/method/bit_allocation.h"

namespace ptq::allocate {

struct Problem {
  int target_bits = 8;
  std::vector<int> candidate_bits;                   // ascending, distinct, in 2..16
  std::vector<method::BitAllocation::Group> groups;  // omega: one finite value >= 0 per candidate
  double other_bytes = 0;                            // of the parameters outside the groups
  double budget_bytes = 0;                           // of the whole model
};

enum class Rule {
  kPareto,           // exact front over all assignments: multiple-choice knapsack by dynamic programming
  kMonotone,         // only assignments whose bits do not fall as the nuclear norm rises, all groups ranked together
  kMonotonePerKind,  // the same, ranked among groups of one kind
};

// The front under the rule, ascending in size, and its point of least omega within the budget.  Of assignments equal in
// size and omega the lexicographically smallest bits stand for all.  An assignment's size is
// other_bytes + sum parameters * bits / 8.
// Errors: InvalidArgument: a malformed problem, naming the group; or no assignment within the budget, naming the
// smallest possible size and the budget; Unsupported where a monotone rule would enumerate more than 50 million
// assignments, where kPareto would keep more than 8 million partial ones (half a gigabyte; groups of a few distinct
// sizes stay far below), or where points of the front times groups exceed 100 million.
Result<method::BitAllocation> Allocate(const Problem& problem, Rule rule);

}  // namespace ptq::allocate
