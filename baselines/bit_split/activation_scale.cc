#include "baselines/bit_split/activation_scale.h"

#include <algorithm>
#include <cmath>
#include <deque>

namespace ptq::bit_split {
namespace {

constexpr int kMaxSteps = 1000;
constexpr size_t kRemembered = 5;
constexpr double kSmallestScale = 1e-30;

}  // namespace

Magnitudes FromBins(const std::vector<int64_t>& bins, double width, double bound) {
  Magnitudes magnitudes;
  magnitudes.bound = bound;
  for (size_t i = 0; i < bins.size(); ++i) {
    if (bins[i] > 0) {
      magnitudes.values.push_back(std::min((static_cast<double>(i) + 0.5) * width, bound));
      magnitudes.counts.push_back(static_cast<double>(bins[i]));
    }
  }
  return magnitudes;
}

double FixedPointScale(const Magnitudes& magnitudes, int32_t max_code) {
  double scale = magnitudes.bound / max_code;
  if (!(scale >= kSmallestScale)) {
    return 1;
  }
  std::deque<double> last = {scale};
  for (int step = 0; step < kMaxSteps; ++step) {
    double product = 0;
    double square = 0;
    for (size_t i = 0; i < magnitudes.values.size(); ++i) {
      const double code = std::min<double>(std::nearbyint(magnitudes.values[i] / scale), max_code);
      product += magnitudes.counts[i] * magnitudes.values[i] * code;
      square += magnitudes.counts[i] * code * code;
    }
    if (!(product > 0)) {
      return scale;
    }
    scale = product / square;
    if (std::find(last.begin(), last.end(), scale) != last.end()) {
      return scale;
    }
    last.push_back(scale);
    if (last.size() > kRemembered) {
      last.pop_front();
    }
  }
  return scale;
}

}  // namespace ptq::bit_split
