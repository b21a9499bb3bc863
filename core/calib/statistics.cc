#include "core/calib/statistics.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <mutex>

namespace ptq::calib {
namespace {

constexpr int64_t kChunk = 1 << 16;  // elements; fixed, so that sums do not depend on the number of threads

struct Moments {
  int64_t count = 0;
  float min = 0, max = 0;
  double mean = 0, m2 = 0;
  bool finite = true;
};

Moments MomentsOf(const float* x, int64_t size) {
  Moments moments;
  moments.count = size;
  float low = x[0];
  float high = x[0];
  float poison = 0;  // becomes NaN with the first element that is not finite
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
    poison += x[i] * 0.0F;
    sum += x[i];
  }
  moments.finite = poison == 0.0F;
  moments.min = low;
  moments.max = high;
  moments.mean = sum / static_cast<double>(size);
  for (int64_t i = 0; i < size; ++i) {
    const double deviation = x[i] - moments.mean;
    moments.m2 += deviation * deviation;
  }
  return moments;
}

// The quantile of counts whose bin i covers [first + i, first + i + 1) * width.
double QuantileOfBins(const std::vector<int64_t>& bins, int64_t count, double first, double width, double p) {
  PTQ_CHECK(count > 0 && p >= 0 && p <= 1) << count << " values, p " << p;
  const double target = p * static_cast<double>(count - 1);
  double before = 0;         // values in the bins that were passed
  double last_position = 0;  // of the last of them, in bins
  for (size_t i = 0; i < bins.size(); ++i) {
    if (bins[i] == 0) {
      continue;
    }
    const double in_bin = static_cast<double>(bins[i]);
    const double begin = first + static_cast<double>(i);
    if (target < before) {  // between the last value that was passed and the first of this bin
      const double first_position = begin + 0.5 / in_bin;
      return width * (last_position + (target - before + 1) * (first_position - last_position));
    }
    if (target <= before + in_bin - 1) {
      return width * (begin + (target - before + 0.5) / in_bin);
    }
    before += in_bin;
    last_position = begin + (in_bin - 0.5) / in_bin;
  }
  return width * last_position;  // target exceeds count - 1 by rounding at most
}

}  // namespace

void Histogram::Widen(float bound) {
  if (bound == 0) {
    return;
  }
  int exponent = 0;
  std::frexp(bound, &exponent);  // bound < 2^exponent
  const double needed = std::ldexp(1.0, exponent) / kBinsPerSide;
  if (width_ == 0) {  // only zeros so far; they lie in bin [0, width)
    width_ = needed;
  }
  while (width_ < needed) {
    std::vector<int64_t> merged(bins_.size(), 0);
    for (int64_t i = 0; i < 2 * kBinsPerSide; ++i) {
      const int64_t signed_bin = i - kBinsPerSide;
      merged[(signed_bin >> 1) + kBinsPerSide] += bins_[i];  // an arithmetic shift rounds down, as bins do
    }
    bins_ = std::move(merged);
    width_ *= 2;
  }
}

void Histogram::Add(const float* x, int64_t size) {
  float bound = 0;
  for (int64_t i = 0; i < size; ++i) {
    bound = std::max(bound, std::fabs(x[i]));
  }
  Widen(bound);
  const double inverse = width_ == 0 ? 0.0 : 1.0 / width_;  // exact: a power of two
  std::mutex mutex;
  at::parallel_for(0, size, kChunk, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> local(bins_.size(), 0);
    for (int64_t i = begin; i < end; ++i) {
      ++local[static_cast<int64_t>(std::floor(x[i] * inverse)) + kBinsPerSide];
    }
    const std::lock_guard<std::mutex> lock(mutex);
    for (size_t i = 0; i < local.size(); ++i) {
      bins_[i] += local[i];
    }
  });
  count_ += size;
}

std::vector<int64_t> Histogram::AbsoluteBins() const {
  std::vector<int64_t> bins(kBinsPerSide, 0);
  for (int64_t i = 0; i < kBinsPerSide; ++i) {
    bins[i] = bins_[kBinsPerSide + i] + bins_[kBinsPerSide - 1 - i];
  }
  return bins;
}

double Histogram::Quantile(double p) const {
  return QuantileOfBins(bins_, count_, -static_cast<double>(kBinsPerSide), width_, p);
}

double Histogram::AbsoluteQuantile(double p) const { return QuantileOfBins(AbsoluteBins(), count_, 0, width_, p); }

void Reservoir::Add(const float* x, int64_t size) {
  for (int64_t i = 0; i < size; ++i, ++seen_) {
    if (static_cast<int64_t>(values_.size()) < capacity_) {
      values_.push_back(x[i]);
      continue;
    }
    const uint64_t slot = random_.NextBelow(static_cast<uint64_t>(seen_ + 1));
    if (slot < static_cast<uint64_t>(capacity_)) {
      values_[slot] = x[i];
    }
  }
}

TensorStatistics::TensorStatistics(StatisticsOptions options, RandomStream random)
    : options_(options), reservoir_(options.reservoir, random) {}

Status TensorStatistics::Add(const at::Tensor& x) {
  const at::Tensor in = x.contiguous();
  const int64_t size = in.numel();
  if (size == 0) {
    return OkStatus();
  }
  const float* data = in.data_ptr<float>();
  const int64_t chunks = (size + kChunk - 1) / kChunk;
  std::vector<Moments> parts(chunks);
  at::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      parts[c] = MomentsOf(data + c * kChunk, std::min(kChunk, size - c * kChunk));
    }
  });
  for (const Moments& part : parts) {
    if (!part.finite) {
      return InvalidArgument("the float model's activation contains a NaN or an infinity");
    }
    min_ = count_ == 0 ? part.min : std::min(min_, part.min);
    max_ = count_ == 0 ? part.max : std::max(max_, part.max);
    // Chan, Golub, LeVeque 1979: the moments of a union.
    const double total = static_cast<double>(count_ + part.count);
    const double delta = part.mean - mean_;
    mean_ += delta * static_cast<double>(part.count) / total;
    m2_ += part.m2 + delta * delta * static_cast<double>(count_) * static_cast<double>(part.count) / total;
    count_ += part.count;
  }
  if (options_.per_channel) {
    const int64_t channels = in.size(-1);
    channel_min_.resize(channels, INFINITY);
    channel_max_.resize(channels, -INFINITY);
    for (int64_t i = 0; i < size; i += channels) {
      for (int64_t c = 0; c < channels; ++c) {
        channel_min_[c] = std::min(channel_min_[c], data[i + c]);
        channel_max_[c] = std::max(channel_max_[c], data[i + c]);
      }
    }
  }
  if (options_.histogram) {
    histogram_.Add(data, size);
  }
  if (options_.reservoir > 0) {
    reservoir_.Add(data, size);
  }
  return OkStatus();
}

}  // namespace ptq::calib
