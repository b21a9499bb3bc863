#include "core/calib/histogram_values.h"

#include <algorithm>
#include <cmath>

namespace ptq::calib {

quant::WeightedValues ValuesOfHistogram(const TensorStatistics& statistics) {
  const Histogram& histogram = statistics.histogram();
  PTQ_CHECK(histogram.count() > 0 && histogram.count() == statistics.count()) << histogram.count();
  constexpr double kGoldenRatio = 0.61803398874989485;  // multiples of it fill [0, 1) evenly
  quant::WeightedValues values;
  for (int64_t bin = 0; bin < 2 * Histogram::kBinsPerSide; ++bin) {
    const int64_t count = histogram.bins()[bin];
    if (count == 0) {
      continue;
    }
    double whole = 0;
    const double first = std::modf(static_cast<double>(bin) * kGoldenRatio, &whole);
    for (const double part : {first, 1 - first}) {
      const double x = (static_cast<double>(bin - Histogram::kBinsPerSide) + part) * histogram.bin_width();
      values.values.push_back(std::clamp(static_cast<float>(x), statistics.min(), statistics.max()));
      values.weights.push_back(0.5 * static_cast<double>(count));
    }
  }
  return values;
}

}  // namespace ptq::calib
