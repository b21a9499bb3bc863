// reconstruction.h: stage ofwa_rr: digits and scales that bring each output back to the float model's.  No LibTorch.
//
// For output o with targets y (P samples, without bias) and inputs X (P, K): min ||y - scale * X code||^2 by exact
// coordinate descent over the digits of weight_codes.h, the scale in closed form once an epoch.  Everything is said in
// X'X and y'X, so that the cost does not depend on the number of samples: with p = (X'X) code kept up to date, looking
// at a digit costs O(1) and changing it O(K), which is the Gram form T = y'X - scale (X'X) code_of_the_others of the
// paper's update without recomputing it for every plane.
// Source: Wang et al., ICML 2020, output reconstruction.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "baselines/bit_split/weight_codes.h"
#include "core/base/error.h"

namespace ptq::bit_split {

// What the samples say about an op; the memory is the caller's.
struct OutputGram {
  int64_t outputs = 0, inner = 0;  // O, K
  const double* xx = nullptr;      // (K, K), X'X
  const double* yx = nullptr;      // (O, K), Y'X
};

struct ReconstructionOptions {
  int epochs = 100;
  int threads = 1;
  std::function<bool()> stop;  // asked from one thread at a time; may be empty
};

// What became of the rows.
struct ReconstructionCounts {
  int64_t settled = 0;  // rows that an epoch left as they were
  int64_t longest = 0;  // epochs of the row that took most of them
  int64_t digits_changed = 0;
};

// Improves the rows (one per output, K digits a plane).  A row that an epoch leaves unchanged is finished: the scale
// follows from the digits alone, so that every further epoch would repeat it.  Scales stay > 0.  Digits of an input
// that is zero in all samples stay as they are.  The same for any number of threads.
// Errors: Interrupted.
Result<ReconstructionCounts> Reconstruct(const OutputGram& gram, const ReconstructionOptions& options,
                                         std::vector<SplitRow>& rows);

// ||y - scale * X code||^2 - ||y||^2 of one output.
double ErrorLessEnergy(const OutputGram& gram, int64_t output, double scale, const std::vector<int32_t>& codes);

}  // namespace ptq::bit_split
