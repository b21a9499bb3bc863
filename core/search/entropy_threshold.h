// entropy_threshold.h: the clipping threshold that keeps a histogram's information (TensorRT's entropy calibration).
//
// Of N bins over 0..max, the first i are kept, for i = L..N.  P is what clipping at i leaves: those bins, the last one
// with all mass beyond it.  Q is what L levels can tell of them: the bins without the mass beyond, merged into L
// groups, each group's mass spread evenly over its bins that are not empty.  The threshold is (i + 1/2) bins, at most
// N, for the least KL(P || Q).  No LibTorch.
#pragma once

#include <cstdint>
#include <vector>

#include "core/quant/quant_params.h"

namespace ptq::search {

// How i bins become L groups.
enum class EntropyMerge {
  kFloor,       // floor(i / L) bins each, the last one with the remainder as well
  kFractional,  // i / L bins each; a bin on a border belongs to both sides in part
};

struct EntropyOptions {
  int64_t bins = 2048;  // N
  EntropyMerge merge = EntropyMerge::kFloor;
  bool drop_zero_bin = false;  // the mass of bin 0 is left out: zeros would otherwise dominate some activations
  // Of P and Q, in counts before they are normalized: empty bins get so much, which the others lose in equal parts (as
  // MXNet does).  Without it a bin that Q leaves empty would cost infinitely much.
  double smoothing = 1e-4;
};

struct EntropyThreshold {
  int64_t kept_bins = 0;  // i
  double divergence = 0;  // KL(P || Q) there, in nats
};

// The best i of counts[0..N), each >= 0; N = counts.size(), options.bins is not read.  Where L >= N, or nothing is left
// to count, i = N: there is no reason to clip.  Ties go to the smallest i.
EntropyThreshold FindEntropyThreshold(const std::vector<int64_t>& counts, int64_t groups,
                                      const EntropyOptions& options);

// Counts of bins of `width` from 0 as counts of `bins` equal bins over 0..max, values spread evenly inside each source
// bin and none beyond max.  The total is conserved exactly.  max > 0; `counts` hold it.
std::vector<int64_t> Rebin(const std::vector<int64_t>& counts, double width, double max, int64_t bins);

// L of a uniform grid: the levels that the absolute value has, 2^(b-1) of a signed grid and 2^b of kUnsigned.
int64_t EntropyGroups(quant::Grid grid, int num_bits);

// The clipping value of an operand whose absolute values have these counts and this maximum (calib::Histogram): Rebin,
// then (i + 1/2) bins, at most max.  0 where max is 0.
double EntropyClip(const std::vector<int64_t>& counts, double width, double max, int64_t groups,
                   const EntropyOptions& options);

}  // namespace ptq::search
