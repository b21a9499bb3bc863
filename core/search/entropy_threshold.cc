#include "core/search/entropy_threshold.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/check.h"

namespace ptq::search {
namespace {

// Bins of a prefix of the histogram that are not empty: how many, and sums of functions of their counts h.
struct PrefixSums {
  double filled = 0, mass = 0;
  double h_log_h = 0, log_h = 0, inverse = 0, inverse2 = 0, inverse3 = 0;

  PrefixSums With(double h) const {
    const double log = std::log(h);
    return {filled + 1,
            mass + h,
            h_log_h + h * log,
            log_h + log,
            inverse + 1 / h,
            inverse2 + 1 / (h * h),
            inverse3 + 1 / (h * h * h)};
  }
  // Sum of (h - loss) ln(h - loss), its Taylor series in loss <= kSmallLoss: h >= 1, so that what is left out is below
  // loss^5 / 20 a bin.
  double SumPLogP(double loss) const {
    return h_log_h - loss * (log_h + filled - loss * (inverse / 2 + loss * (inverse2 / 6 + loss * inverse3 / 12)));
  }
};
constexpr double kSmallLoss = 0.01;

double Log(double x) { return x > 0 ? std::log(x) : 0; }

// One histogram, and the two distributions that every i is judged by.
class Search {
 public:
  Search(const std::vector<int64_t>& counts, int64_t groups, const EntropyOptions& options)
      : groups_(groups), options_(options), counts_(counts.begin(), counts.end()), q_(counts.size()), prefix_(1) {
    if (options.drop_zero_bin) {
      counts_[0] = 0;
    }
    for (const double count : counts_) {
      prefix_.push_back(count > 0 ? prefix_.back().With(count) : prefix_.back());
    }
  }

  EntropyThreshold Run() {
    const auto bins = static_cast<int64_t>(counts_.size());
    EntropyThreshold best{bins, std::numeric_limits<double>::infinity()};
    for (int64_t i = groups_; i <= bins; ++i) {
      if (prefix_[i].filled == 0) {
        continue;
      }
      const Smoothing smoothing = SmoothingOf(i);
      const bool in_groups = options_.merge == EntropyMerge::kFloor && smoothing.p_loss <= kSmallLoss;
      const double divergence = in_groups ? DivergenceByGroups(i, smoothing) : DivergenceByBins(i, smoothing);
      if (divergence < best.divergence) {
        best = {i, divergence};
      }
    }
    return std::isfinite(best.divergence) ? best : EntropyThreshold{bins, 0};
  }

 private:
  // What smoothing takes from each bin that is not empty, and how many are empty in P.
  struct Smoothing {
    double p_loss, q_loss, p_empty;
  };
  Smoothing SmoothingOf(int64_t i) const {
    const auto bins = static_cast<double>(i);
    const double q_empty = bins - prefix_[i].filled;
    const double p_empty = q_empty - (counts_[i - 1] == 0 && Beyond(i) > 0 ? 1 : 0);
    return {options_.smoothing * p_empty / (bins - p_empty), options_.smoothing * q_empty / prefix_[i].filled, p_empty};
  }
  double total() const { return prefix_.back().mass; }
  double Beyond(int64_t i) const { return total() - prefix_[i].mass; }  // exact: counts are integers

  // KL(P || Q) of the first i bins, bin by bin.  Smoothing moves mass and adds none, so that P sums to total() and Q to
  // the mass of the bins.
  double DivergenceByBins(int64_t i, const Smoothing& smoothing) {
    if (options_.merge == EntropyMerge::kFloor) {
      MergeFloor(i);
    } else {
      MergeFractional(i);
    }
    const double gain = prefix_[i].mass / total();
    double divergence = smoothing.p_empty * options_.smoothing * std::log(gain);
    for (int64_t k = 0; k < i; ++k) {
      const double p = counts_[k] + (k == i - 1 ? Beyond(i) : 0);
      if (p > 0) {
        const double q = counts_[k] > 0 ? q_[k] - smoothing.q_loss : options_.smoothing;
        divergence += (p - smoothing.p_loss) * std::log((p - smoothing.p_loss) / q * gain);
      }
    }
    return divergence / total();
  }

  // The same with one logarithm a group: Q is the same over a group's filled bins, and sums of p and p ln p over them
  // are differences of prefix sums.  The last bin, with the mass beyond it, stands apart.
  double DivergenceByGroups(int64_t i, const Smoothing& smoothing) const {
    const double last = counts_[i - 1] + Beyond(i) > 0 ? counts_[i - 1] + Beyond(i) - smoothing.p_loss : 0;
    double divergence = prefix_[i - 1].SumPLogP(smoothing.p_loss) + last * Log(last);
    const int64_t width = i / groups_;
    for (int64_t group = 0; group < groups_; ++group) {
      const bool is_last = group == groups_ - 1;
      const PrefixSums& begin = prefix_[group * width];
      const PrefixSums& end = prefix_[is_last ? i : (group + 1) * width];
      const PrefixSums& inner_end = is_last ? prefix_[i - 1] : end;
      const double filled = end.filled - begin.filled;
      const double p = inner_end.mass - begin.mass - (inner_end.filled - begin.filled) * smoothing.p_loss;
      const double log_q = filled > 0 ? std::log((end.mass - begin.mass) / filled - smoothing.q_loss) : 0;
      divergence -= p * log_q;
      if (is_last) {
        divergence -= last * (counts_[i - 1] > 0 ? log_q : std::log(options_.smoothing));
      }
    }
    return divergence / total() + std::log(prefix_[i].mass / total());
  }

  void MergeFloor(int64_t i) {
    const int64_t width = i / groups_;
    for (int64_t group = 0; group < groups_; ++group) {
      const int64_t begin = group * width;
      const int64_t end = group == groups_ - 1 ? i : begin + width;
      double sum = 0, filled = 0;
      for (int64_t k = begin; k < end; ++k) {
        sum += counts_[k];
        filled += counts_[k] > 0 ? 1 : 0;
      }
      for (int64_t k = begin; k < end; ++k) {
        q_[k] = counts_[k] > 0 ? sum / filled : 0;
      }
    }
  }

  void MergeFractional(int64_t i) {
    std::fill(q_.begin(), q_.begin() + i, 0.0);
    const double width = static_cast<double>(i) / static_cast<double>(groups_);
    for (int64_t group = 0; group < groups_; ++group) {
      const double begin = static_cast<double>(group) * width;
      const double end = group == groups_ - 1 ? static_cast<double>(i) : begin + width;
      const auto first = static_cast<int64_t>(begin);
      const int64_t last = std::min(i, static_cast<int64_t>(std::ceil(end)));
      const auto share = [=](int64_t k) {  // of bin k that lies in the group
        return std::max(0.0, std::min(end, static_cast<double>(k + 1)) - std::max(begin, static_cast<double>(k)));
      };
      double sum = 0, filled = 0;
      for (int64_t k = first; k < last; ++k) {
        sum += share(k) * counts_[k];
        filled += counts_[k] > 0 ? share(k) : 0;
      }
      for (int64_t k = first; k < last && filled > 0; ++k) {
        q_[k] += counts_[k] > 0 ? share(k) * sum / filled : 0;
      }
    }
  }

  const int64_t groups_;
  const EntropyOptions options_;
  std::vector<double> counts_;
  std::vector<double> q_;
  std::vector<PrefixSums> prefix_;  // of the first k bins
};

}  // namespace

EntropyThreshold FindEntropyThreshold(const std::vector<int64_t>& counts, int64_t groups,
                                      const EntropyOptions& options) {
  const auto bins = static_cast<int64_t>(counts.size());
  PTQ_CHECK(bins > 0 && groups > 0 && options.smoothing > 0) << bins << " bins, " << groups << " groups";
  if (groups >= bins) {
    return {bins, 0};
  }
  return Search(counts, groups, options).Run();
}

std::vector<int64_t> Rebin(const std::vector<int64_t>& counts, double width, double max, int64_t bins) {
  PTQ_CHECK(width > 0 && max > 0 && bins > 0) << "width " << width << ", max " << max;
  std::vector<int64_t> rebinned(bins, 0);
  int64_t source = 0;  // the bin that the edge lies in, and all mass before it
  double before = 0;
  int64_t already = 0;  // counted in earlier target bins
  const auto source_bins = static_cast<int64_t>(counts.size());
  for (int64_t j = 0; j < bins; ++j) {
    // How many values lie below the upper edge; rounded, so that counts stay integers and none is lost or made.
    const double edge = max * (static_cast<double>(j + 1) / static_cast<double>(bins));
    while (source < source_bins && static_cast<double>(source + 1) * width <= edge) {
      before += static_cast<double>(counts[source++]);
    }
    double below = before;
    if (source < source_bins) {
      const double begin = static_cast<double>(source) * width;
      const double end = std::min(begin + width, max);
      below +=
          end > begin ? static_cast<double>(counts[source]) * std::clamp((edge - begin) / (end - begin), 0.0, 1.0) : 0;
    }
    if (j == bins - 1) {
      for (below = before; source < source_bins; ++source) {
        below += static_cast<double>(counts[source]);
      }
    }
    const int64_t rounded = std::llround(below);
    rebinned[j] = rounded - already;
    already = rounded;
  }
  return rebinned;
}

int64_t EntropyGroups(quant::Grid grid, int num_bits) {
  return int64_t{1} << (grid == quant::Grid::kUnsigned ? num_bits : num_bits - 1);
}

double EntropyClip(const std::vector<int64_t>& counts, double width, double max, int64_t groups,
                   const EntropyOptions& options) {
  if (max == 0) {
    return 0;
  }
  const EntropyThreshold found = FindEntropyThreshold(Rebin(counts, width, max, options.bins), groups, options);
  const double bins = static_cast<double>(options.bins);
  return std::min(max, (static_cast<double>(found.kept_bins) + 0.5) * max / bins);
}

}  // namespace ptq::search
