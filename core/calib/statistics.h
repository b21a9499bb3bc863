// statistics.h: streaming statistics of one tensor: range, moments, histogram, reservoir.
//
// Memory is constant however many elements pass, and nothing depends on the number of threads.  Range and histogram are
// the same however the stream was cut into batches, the moments to rounding; the reservoir depends on the order alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/base/error.h"
#include "core/base/random.h"

namespace ptq::calib {

// Counts of values in bins of equal width; the width is a power of two, bin edges are its multiples, and it doubles,
// merging neighbours, when a value falls outside.  Counts are conserved, and the final bins depend on the values alone.
class Histogram {
 public:
  static constexpr int64_t kBinsPerSide = 8192;

  // x[0..size): finite.
  void Add(const float* x, int64_t size);

  int64_t count() const { return count_; }
  double bin_width() const { return width_; }
  // Bin i holds values in [(i - kBinsPerSide) * width, (i + 1 - kBinsPerSide) * width), i in [0, 2 * kBinsPerSide).
  const std::vector<int64_t>& bins() const { return bins_; }
  // Counts of |x|, bin i holding [i, i + 1) * width (of negative x: (i, i + 1] * width); kBinsPerSide entries.
  std::vector<int64_t> AbsoluteBins() const;

  // The quantile at index p * (count - 1) with linear interpolation (LibTorch's definition), values spread evenly
  // inside their bin: within one bin width of the exact one.  0 <= p <= 1, count > 0.
  double Quantile(double p) const;
  double AbsoluteQuantile(double p) const;

 private:
  void Widen(float bound);

  double width_ = 0;  // 0 until a value other than 0 was seen
  int64_t count_ = 0;
  std::vector<int64_t> bins_ = std::vector<int64_t>(2 * kBinsPerSide, 0);
};

// A uniform sample of the stream without replacement (Vitter 1985, algorithm R).
class Reservoir {
 public:
  Reservoir(int64_t capacity, RandomStream random) : capacity_(capacity), random_(random) {}
  void Add(const float* x, int64_t size);
  const std::vector<float>& values() const { return values_; }

 private:
  int64_t capacity_;
  int64_t seen_ = 0;
  RandomStream random_;
  std::vector<float> values_;
};

struct StatisticsOptions {
  bool histogram = true;
  int64_t reservoir = 0;     // capacity; 0: none
  bool per_channel = false;  // min and max per index of the last dimension as well
};

class TensorStatistics {
 public:
  explicit TensorStatistics(StatisticsOptions options, RandomStream random);

  // x: float32, any shape; per_channel: the last dimension is the same in every call.
  // InvalidArgument where x contains a NaN or an infinity; the statistics are then unusable.
  Status Add(const at::Tensor& x);

  int64_t count() const { return count_; }
  float min() const { return min_; }  // 0 where nothing was added
  float max() const { return max_; }
  double mean() const { return mean_; }
  double variance() const { return count_ > 0 ? m2_ / static_cast<double>(count_) : 0.0; }  // of the population
  const std::vector<float>& channel_min() const { return channel_min_; }
  const std::vector<float>& channel_max() const { return channel_max_; }
  const Histogram& histogram() const { return histogram_; }
  const std::vector<float>& reservoir() const { return reservoir_.values(); }

 private:
  StatisticsOptions options_;
  int64_t count_ = 0;
  float min_ = 0, max_ = 0;
  double mean_ = 0, m2_ = 0;
  std::vector<float> channel_min_, channel_max_;
  Histogram histogram_;
  Reservoir reservoir_;
};

}  // namespace ptq::calib
