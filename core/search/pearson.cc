#include "core/search/pearson.h"

#include <algorithm>
#include <cmath>

namespace ptq::search {
namespace {

// Sums of e carry float32 rounding: a variance below this share of what it was computed from is 0.
constexpr double kNoise = 1e-6;

}  // namespace

TargetMoments MomentsOf(const float* x, int64_t runs, int64_t run, int64_t stride) {
  TargetMoments moments;
  moments.count = runs * run;
  for (int64_t r = 0; r < runs; ++r) {
    for (int64_t i = 0; i < run; ++i) {
      moments.sum += static_cast<double>(x[r * stride + i]);
    }
  }
  const double mean = moments.count == 0 ? 0 : moments.sum / static_cast<double>(moments.count);
  for (int64_t r = 0; r < runs; ++r) {
    for (int64_t i = 0; i < run; ++i) {
      const double d = static_cast<double>(x[r * stride + i]) - mean;
      moments.deviation += d * d;
    }
  }
  return moments;
}

TargetMoments Join(const TargetMoments& a, const TargetMoments& b) {
  if (a.count == 0 || b.count == 0) {
    return a.count == 0 ? b : a;
  }
  const auto na = static_cast<double>(a.count);
  const auto nb = static_cast<double>(b.count);
  const double between = b.sum / nb - a.sum / na;
  return {a.count + b.count, a.sum + b.sum, a.deviation + b.deviation + between * between * na * nb / (na + nb)};
}

double Pearson(const TargetMoments& target, const ErrorSums& sums) {
  const auto n = static_cast<double>(target.count);
  const double error = std::max(0.0, sums.ee - sums.e * sums.e / n);
  if (target.deviation <= 0) {
    return error <= kNoise * sums.ee ? 1.0 : 0.0;
  }
  const double cross = sums.et - sums.e * target.sum / n;
  const double deviation = target.deviation + 2 * cross + error;
  if (deviation <= kNoise * (target.deviation + error)) {
    return 0.0;
  }
  return std::clamp((target.deviation + cross) / std::sqrt(target.deviation * deviation), -1.0, 1.0);
}

double PearsonPlain(const float* o, const float* o_hat, int64_t count) {
  const TargetMoments a = MomentsOf(o, 1, count, count);
  const TargetMoments b = MomentsOf(o_hat, 1, count, count);
  if (a.deviation == 0 || b.deviation == 0) {
    return a.deviation == b.deviation ? 1.0 : 0.0;
  }
  const double mean_a = a.sum / static_cast<double>(count);
  const double mean_b = b.sum / static_cast<double>(count);
  double cross = 0;
  for (int64_t i = 0; i < count; ++i) {
    cross += (static_cast<double>(o[i]) - mean_a) * (static_cast<double>(o_hat[i]) - mean_b);
  }
  return std::clamp(cross / std::sqrt(a.deviation * b.deviation), -1.0, 1.0);
}

}  // namespace ptq::search
