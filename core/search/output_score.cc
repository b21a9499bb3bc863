#include "core/search/output_score.h"

#include <algorithm>
#include <cmath>

namespace ptq::search {
namespace {

constexpr double kNoise = 1e-6;  // share of |o|^2 that float32 sums cannot tell from 0

}  // namespace

double OutputScore(OutputMetric metric, double oo, double oh, double hh, double ee) {
  const bool gain = metric == OutputMetric::kCosineAndGain;
  if (oo == 0 && hh == 0) {
    return 1;
  }
  if (oo == 0 || hh == 0) {
    return gain ? -kMaxGainPenalty : 0;
  }
  if (metric == OutputMetric::kSquaredError) {
    return 1 - ee / oo;
  }
  const double cosine = oh / std::sqrt(oo * hh);
  if (!gain) {
    return cosine;
  }
  return cosine - (oh > 0 ? std::min(std::abs(std::log(oh / hh)), kMaxGainPenalty) : kMaxGainPenalty);
}

double OutputScore(OutputMetric metric, double oo, const ErrorSums& sums) {
  const double hh = oo + 2 * sums.et + sums.ee;
  return OutputScore(metric, oo, oo + sums.et, hh < kNoise * oo ? 0 : hh, sums.ee);
}

}  // namespace ptq::search
