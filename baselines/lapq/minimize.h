// minimize.h: derivative-free minimisation by NLopt, with a budget, a deterministic seed and the best point kept.
//
// NLopt decides where to look; this file only counts, remembers and stops.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace ptq::baselines::lapq {

enum class Optimizer {
  kPraxis,  // LN_PRAXIS: Brent's principal axes, a Powell method whose directions are kept orthogonal
  kSbplx,   // LN_SBPLX: Nelder and Mead on a sequence of subspaces
  kBobyqa,  // LN_BOBYQA: Powell's quadratic models
  kCobyla,  // LN_COBYLA: Powell's linear models
};

// "praxis", "sbplx", "bobyqa", "cobyla".
Result<Optimizer> ParseOptimizer(const std::string& name);

struct MinimizeOptions {
  Optimizer optimizer = Optimizer::kPraxis;
  int64_t evaluations = 0;  // at most so many calls of the objective; > 0
  // The first step along a coordinate.  PRAXIS takes differences over `x_tolerance` and looks for minima up to
  // `step` away, and needs step >= 100 x_tolerance (it raises it otherwise).
  double step = 1;
  double x_tolerance = 0;  // absolute, per coordinate
  double f_tolerance = 0;  // relative
  double bound = 0;        // > 0: the objective is asked inside [-bound, bound] in every coordinate only
  uint64_t seed = 0;       // of PRAXIS's random steps
};

struct Minimum {
  std::vector<double> x;  // where the objective was least, the first such point; not where the optimizer stopped
  double value = 0;
  int64_t evaluations = 0;
  std::string stop;  // why it ended: "budget", "x_tolerance", "f_tolerance", or NLopt's own word
};

// A value that is not finite counts as worse than all before it.  An error ends the minimisation.
using Objective = std::function<Result<double>(const std::vector<double>&)>;

// Two coordinates at least.  Deterministic, and safe beside other minimisations on other threads: NLopt's generator is
// one per thread.  Errors: those of the objective; Internal for what NLopt itself refuses.
Result<Minimum> Minimize(const Objective& objective, const std::vector<double>& start, const MinimizeOptions& options);

}  // namespace ptq::baselines::lapq
