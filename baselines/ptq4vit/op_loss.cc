#include "baselines/ptq4vit/op_loss.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/base/check.h"

namespace ptq::baselines::ptq4vit {
namespace {

constexpr double kDropped = std::numeric_limits<double>::infinity();
constexpr size_t kChunk = 4;            // candidates that read an image's target together
constexpr double kSmallestNorm = 1e-8;  // of both vectors of a cosine together: LibTorch's epsilon
constexpr int64_t kLanes = 16;

// A sum in lanes that the compiler keeps in vector registers.
using Lanes = std::array<float, kLanes>;
double Total(const Lanes& lanes) { return std::accumulate(lanes.begin(), lanes.end(), 0.0); }

void LowerTo(double value, std::atomic<double>& bound) {
  double known = bound.load();
  while (value < known && !bound.compare_exchange_weak(known, value)) {
  }
}

}  // namespace

// What all threads share while candidates are compared.
struct OpLoss::Race {
  Race(const search::OpSample& sample, const Candidates& c, const Parts& other)
      : candidates(c), products(sample, c, other), bound(c.part_count()) {
    std::fill(bound.begin(), bound.end(), kDropped);
    losses.assign(c.parts.size(), std::vector<double>(c.part_count(), 0.0));
  }

  bool Dropped(size_t candidate, size_t part) const { return losses[candidate][part] == kDropped; }
  void DropHopeless(size_t candidate) {
    for (size_t part = 0; part < bound.size(); ++part) {
      if (losses[candidate][part] > bound[part].load()) {
        losses[candidate][part] = kDropped;
      }
    }
  }
  // The first of the least losses of each part.
  std::vector<size_t> Winners() const {
    std::vector<size_t> best(bound.size(), 0);
    for (size_t part = 0; part < best.size(); ++part) {
      for (size_t c = 1; c < losses.size(); ++c) {
        best[part] = losses[c][part] < losses[best[part]][part] ? c : best[part];
      }
    }
    return best;
  }

  const Candidates& candidates;
  const CandidateProducts products;
  std::vector<std::atomic<double>> bound;   // per part, the least loss of a finished candidate
  std::vector<std::vector<double>> losses;  // [candidate][part], of the images so far
};

struct OpLoss::Workspace {
  CandidateProducts::Scratch products;
  std::vector<float> sums;
};

OpLoss::OpLoss(const search::OpSample& sample, const float* gradient, Metric metric, std::function<bool()> stop)
    : sample_(sample), gradient_(gradient), metric_(metric), stop_(std::move(stop)), bias_(sample.columns, 0.0F) {
  PTQ_CHECK((gradient != nullptr) == (metric == Metric::kHessian));
  if (sample.bias != nullptr) {
    std::copy_n(sample.bias, sample.columns, bias_.begin());
  }
}

double OpLoss::WeightedError(const float* product, int64_t first, int64_t columns, std::vector<float>& sums) const {
  sums.assign(columns, 0.0F);
  float* const sum = sums.data();
  for (int64_t row = 0; row < sample_.rows; ++row) {
    const float* const o_hat = product + row * columns;
    const float* const o = sample_.target + first + row * sample_.columns;
    const float* const g = gradient_ + first + row * sample_.columns;
    for (int64_t c = 0; c < columns; ++c) {
      const float e = g[c] * (o_hat[c] - o[c]);
      sum[c] += e * e;
    }
  }
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

double OpLoss::CosineLoss(const float* product, int64_t first, const float* bias, int64_t columns) const {
  double loss = 0;
  for (int64_t row = 0; row < sample_.rows; ++row) {
    const float* const o_hat = product + row * columns;
    const float* const o = sample_.target + first + row * sample_.columns;
    Lanes dot{}, norm_hat{}, norm{};
    for (int64_t c = 0; c < columns; c += kLanes) {
      for (int64_t lane = 0; lane < std::min(kLanes, columns - c); ++lane) {
        const float a = o_hat[c + lane] + bias[c + lane];
        const float b = o[c + lane] + bias[c + lane];
        dot[lane] += a * b;
        norm_hat[lane] += a * a;
        norm[lane] += b * b;
      }
    }
    const double norms = std::sqrt(Total(norm_hat)) * std::sqrt(Total(norm));
    loss += std::max(0.0, 1 - Total(dot) / std::max(norms, kSmallestNorm));
  }
  return loss;
}

double OpLoss::ProductLoss(const float* product, int64_t unit, int64_t first_column, int64_t columns,
                           Workspace& work) const {
  const int64_t first = unit * sample_.rows * sample_.columns + first_column;
  return metric_ == Metric::kHessian ? WeightedError(product, first, columns, work.sums)
                                     : CosineLoss(product, first, bias_.data() + first_column, columns);
}

void OpLoss::RunChunk(Race& race, const std::vector<size_t>& chunk, Workspace& work) const {
  const CandidateProducts& products = race.products;
  const size_t parts = race.candidates.part_count();
  const auto heads = static_cast<size_t>(sample_.heads);
  products.BeginChunk(chunk, work.products);
  // Images outside, candidates inside: an image's target is read from near caches by all candidates but the first.
  for (int64_t image = 0; image < sample_.images; ++image) {
    for (size_t head = 0; head < heads; ++head) {
      const auto unit = static_cast<int64_t>(static_cast<size_t>(image) * heads + head);
      const size_t first = products.slices() || parts == 1 ? 0 : head;
      const size_t end = products.slices() ? parts : first + 1;
      for (size_t i = 0; i < chunk.size(); ++i) {
        for (size_t part = first; part < end; ++part) {
          if (!race.Dropped(chunk[i], part)) {
            const float* product = products.Multiply(chunk[i], i, part, unit, work.products);
            const int64_t first_column = products.slices() ? static_cast<int64_t>(part) * products.columns() : 0;
            race.losses[chunk[i]][part] += ProductLoss(product, unit, first_column, products.columns(), work);
          }
        }
      }
    }
    for (const size_t candidate : chunk) {
      race.DropHopeless(candidate);
    }
  }
  for (const size_t candidate : chunk) {
    for (size_t part = 0; part < parts; ++part) {
      LowerTo(race.losses[candidate][part], race.bound[part]);
    }
  }
}

Result<std::vector<size_t>> OpLoss::Best(const Candidates& candidates, const Parts& other) const {
  Race race(sample_, candidates, other);
  std::vector<size_t> order(candidates.parts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto distance = [&](size_t c) { return c > candidates.first ? c - candidates.first : candidates.first - c; };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return distance(a) < distance(b); });
  std::atomic<size_t> next{0};
  std::atomic<bool> stopped{false};
  // One task a thread: inside it LibTorch and BLAS stay on that thread.
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t worker, int64_t end) {
    Workspace work;
    while (worker < end && !stopped) {
      const size_t begin = next.fetch_add(kChunk);
      if (begin >= order.size()) {
        return;
      }
      if (worker == 0 && stop_ && stop_()) {
        stopped = true;
      }
      const size_t last = std::min(begin + kChunk, order.size());
      RunChunk(race, std::vector<size_t>(order.begin() + begin, order.begin() + last), work);
    }
  });
  if (stopped) {
    return Interrupted("stopped during the interval search");
  }
  return race.Winners();
}

}  // namespace ptq::baselines::ptq4vit
