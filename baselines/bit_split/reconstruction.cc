#include "baselines/bit_split/reconstruction.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>

#include "core/base/parallel.h"

namespace ptq::bit_split {
namespace {

// Rows that go through a plane together, so that a row of X'X is read from memory once for all of them.
constexpr int64_t kRowsPerBlock = 16;

double Dot(const double* a, const std::vector<int32_t>& codes) {
  double sum = 0;
  for (size_t n = 0; n < codes.size(); ++n) {
    sum += a[n] * codes[n];
  }
  return sum;
}

// y[0..size) += factor * x[0..size)
void AddMultiple(double factor, const double* x, int64_t size, double* y) {
  for (int64_t j = 0; j < size; ++j) {
    y[j] += factor * x[j];
  }
}

// A row in work: its codes, and p = (X'X) code.
struct Row {
  SplitRow* split;
  const double* yx;
  std::vector<int32_t> codes;
  std::vector<double> p;
  int64_t changed = 0;  // digits of this epoch
};

class Block {
 public:
  Block(const OutputGram& gram, SplitRow* rows, int64_t first, int64_t count) : gram_(gram) {
    for (int64_t i = 0; i < count; ++i) {
      SplitRow& split = rows[first + i];
      active_.push_back({&split, gram.yx + (first + i) * gram.inner, Stitch(split.digits, split.bits),
                         std::vector<double>(gram.inner, 0.0)});
    }
    for (int64_t n = 0; n < gram.inner; ++n) {
      for (Row& row : active_) {
        if (row.codes[n] != 0) {
          AddMultiple(row.codes[n], gram.xx + n * gram.inner, gram.inner, row.p.data());
        }
      }
    }
  }

  bool done() const { return active_.empty(); }

  // One epoch of every row that still changes; rows that did not change in it are done.
  void Epoch(ReconstructionCounts& counts) {
    for (Row& row : active_) {
      FitScale(row);
      row.changed = 0;
    }
    for (int plane = 0; plane < Planes(active_[0].split->bits); ++plane) {
      SweepPlane(plane);
    }
    for (const Row& row : active_) {
      counts.digits_changed += row.changed;
      counts.settled += row.changed == 0 ? 1 : 0;
    }
    active_.erase(std::remove_if(active_.begin(), active_.end(), [](const Row& row) { return row.changed == 0; }),
                  active_.end());
  }

  // The scales that belong to the digits of the last epoch.
  void FitScales() {
    for (Row& row : active_) {
      FitScale(row);
    }
  }

 private:
  // scale = <y, X code> / <X code, X code>; unchanged where the output of the codes is zero.
  static void FitScale(Row& row) {
    const double product = Dot(row.yx, row.codes);
    const double square = Dot(row.p.data(), row.codes);
    const double scale = product / square;
    if (!(square > 0) || !std::isfinite(scale) || scale == 0) {
      return;
    }
    row.split->scale = std::abs(scale);
    if (scale < 0) {
      for (int8_t& digit : row.split->digits) {
        digit = static_cast<int8_t>(-digit);
      }
      for (int32_t& code : row.codes) {
        code = -code;
      }
      for (double& p : row.p) {
        p = -p;
      }
    }
  }

  // Each digit of the plane to its best value given all others, inputs in order.
  void SweepPlane(int plane) {
    const int64_t size = gram_.inner;
    const int32_t weight = PlaneWeight(active_[0].split->bits, plane);
    for (int64_t n = 0; n < size; ++n) {
      const double* xx = gram_.xx + n * size;
      if (!(xx[n] > 0)) {
        continue;
      }
      for (Row& row : active_) {
        const double step = row.split->scale * weight;
        int8_t& digit = row.split->digits[plane * size + n];
        // x_n'(y - X w) with this digit at 0: the paper's -lump / 2.
        const double pull = row.yx[n] - row.split->scale * row.p[n] + step * xx[n] * digit;
        const int sign = pull > 0 ? 1 : -1;
        const int best = 2 * std::abs(pull) >= step * xx[n] ? sign : 0;
        if (best != digit) {
          const int32_t difference = weight * (best - digit);
          AddMultiple(difference, xx, size, row.p.data());
          row.codes[n] += difference;
          digit = static_cast<int8_t>(best);
          ++row.changed;
        }
      }
    }
  }

  const OutputGram& gram_;
  std::vector<Row> active_;
};

}  // namespace

Result<ReconstructionCounts> Reconstruct(const OutputGram& gram, const ReconstructionOptions& options,
                                         std::vector<SplitRow>& rows) {
  std::mutex mutex;  // of totals and of options.stop
  std::atomic<bool> stopped = false;
  ReconstructionCounts totals;
  const int64_t blocks = (gram.outputs + kRowsPerBlock - 1) / kRowsPerBlock;
  ParallelFor(options.threads, blocks, [&](int64_t b) {
    const int64_t first = b * kRowsPerBlock;
    Block block(gram, rows.data(), first, std::min(kRowsPerBlock, gram.outputs - first));
    ReconstructionCounts counts;
    for (int epoch = 0; epoch < options.epochs && !block.done() && !stopped; ++epoch) {
      block.Epoch(counts);
      ++counts.longest;
      const std::lock_guard<std::mutex> lock(mutex);
      stopped = stopped || (options.stop && options.stop());
    }
    block.FitScales();
    const std::lock_guard<std::mutex> lock(mutex);
    totals.settled += counts.settled;
    totals.longest = std::max(totals.longest, counts.longest);
    totals.digits_changed += counts.digits_changed;
  });
  if (stopped) {
    return Interrupted("stopped while weights were being reconstructed");
  }
  return totals;
}

double ErrorLessEnergy(const OutputGram& gram, int64_t output, double scale, const std::vector<int32_t>& codes) {
  std::vector<double> p(gram.inner, 0.0);
  for (int64_t n = 0; n < gram.inner; ++n) {
    AddMultiple(codes[n], gram.xx + n * gram.inner, gram.inner, p.data());
  }
  return scale * (scale * Dot(p.data(), codes) - 2 * Dot(gram.yx + output * gram.inner, codes));
}

}  // namespace ptq::bit_split
