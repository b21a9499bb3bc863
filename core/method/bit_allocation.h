// bit_allocation.h: how a mixed-precision method came to its bits: groups, their sensitivities, the Pareto front.
//
// Plain data of a Plan, for readers; executors take the bits from Plan::operands.  Sizes are the paper's accounting
// (plan.h, ModelSize::paper_bytes) of the whole model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace ptq::method {

struct BitAllocation {
  // Ops that share one width, weights and activations alike (Liu et al. 2021, Section 3.4).
  struct Group {
    std::string name;           // "blocks.3.attn", "blocks.3.mlp", "patch_embed.proj"
    std::string kind;           // "attn", "mlp", or "op" for a group of one op
    int64_t parameters = 0;     // counted in sizes; weights and biases of the group
    double nuclear_norm = 0;    // of the group's float output, averaged over heads and images
    std::vector<double> omega;  // sensitivity at each of candidate_bits (Eq. 18)
  };
  // A non-dominated assignment: no other is both as small and less sensitive.
  struct Point {
    double size_bytes = 0;
    double omega = 0;       // sum over groups
    std::vector<int> bits;  // one per group
  };

  int target_bits = 8;
  double budget_bytes = 0;          // size_bytes may not exceed it
  std::vector<int> candidate_bits;  // ascending
  std::vector<Group> groups;
  std::vector<Point> front;  // ascending size, descending omega
  int64_t chosen = 0;        // index into front

  const Point& choice() const { return front[static_cast<size_t>(chosen)]; }
};

// Sizes agree, bits are candidates, `chosen` exists and fits the budget.  InvalidArgument otherwise.
Status Validate(const BitAllocation& allocation);

// One line of JSON and back, numbers exact.  Errors: Corrupt.
std::string ToJson(const BitAllocation& allocation);
Result<BitAllocation> BitAllocationFromJson(const std::string& json);

}  // namespace ptq::method
