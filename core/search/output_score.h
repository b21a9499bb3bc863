// output_score.h: how near a quantized output o_hat is to the float output o, by the cosine of the angle between them
// (Wu et al. 2020, EasyQuant) or a relative of it.  No LibTorch.
#pragma once

#include "core/search/code_product.h"

namespace ptq::search {

enum class OutputMetric {
  kCosine,         // <o, o_hat> / (|o| |o_hat|), blind to gain
  kCosineAndGain,  // less |ln g|, at most kMaxGainPenalty, of the gain g = <o, o_hat> / |o_hat|^2 that would mend it
  kSquaredError,   // 1 - |o_hat - o|^2 / |o|^2
};
constexpr double kMaxGainPenalty = 10;

// From oo = |o|^2, oh = <o, o_hat>, hh = |o_hat|^2 and ee = |o_hat - o|^2; the best score is 1.  Two vectors of zeros
// score 1; where one alone is zero, 0 (kCosineAndGain: -kMaxGainPenalty).
double OutputScore(OutputMetric metric, double oo, double oh, double hh, double ee);

// The same from |o|^2 and the sums over e = o_hat - o.  An o_hat below a thousandth of o is rounding of these sums and
// counts as zero.
double OutputScore(OutputMetric metric, double oo, const ErrorSums& sums);

}  // namespace ptq::search
