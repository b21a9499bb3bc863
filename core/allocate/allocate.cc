#include "core/allocate/allocate.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <limits>
#include <map>
#include <numeric>
#include <queue>
#include <string>
#include <utility>

#include "core/quant/quant_params.h"

namespace ptq::allocate {
namespace {

using method::BitAllocation;

constexpr double kMaxParameters = 562949953421312.0;  // 2^49: parameters * 16 bits stays exact in a double
constexpr double kMaxEnumerated = 50e6;
// Kept by the dynamic program over all groups together.  At the bound it holds less than half a gigabyte: 4 bytes for
// each, and 24 for each member of the last two partial fronts, twice while these grow.
constexpr size_t kMaxPartials = 8'000'000;
constexpr size_t kMaxFrontWidths = 100'000'000;  // points of the front times groups, 4 bytes each

std::string Text(double number) {
  char buffer[32];
  std::snprintf(buffer, sizeof(buffer), "%.15g", number);
  return buffer;
}

Status CheckGroup(const BitAllocation::Group& group, size_t candidates) {
  if (group.parameters <= 0) {
    return InvalidArgument("a group has " + std::to_string(group.parameters) + " parameters; it needs at least one",
                           group.name);
  }
  if (group.omega.size() != candidates) {
    return InvalidArgument("a group has " + std::to_string(group.omega.size()) + " sensitivities for " +
                               std::to_string(candidates) + " candidate bits; give one for each",
                           group.name);
  }
  for (const double omega : group.omega) {
    if (!std::isfinite(omega) || omega < 0) {
      return InvalidArgument("a sensitivity is " + Text(omega) + "; it must be finite and not negative", group.name);
    }
  }
  if (!std::isfinite(group.nuclear_norm) || group.nuclear_norm < 0) {
    return InvalidArgument("the nuclear norm is " + Text(group.nuclear_norm) + "; it must be finite and not negative",
                           group.name);
  }
  return OkStatus();
}

Status CheckProblem(const Problem& problem) {
  const std::vector<int>& bits = problem.candidate_bits;
  if (bits.empty() || bits.front() < quant::kMinBits || bits.back() > quant::kMaxBits ||
      std::adjacent_find(bits.begin(), bits.end(), [](int a, int b) { return a >= b; }) != bits.end()) {
    std::string list;
    for (const int b : bits) {
      list += (list.empty() ? "" : ", ") + std::to_string(b);
    }
    return InvalidArgument("the candidate bits are {" + list + "}; write distinct widths in 2..16 in ascending order");
  }
  if (problem.target_bits < quant::kMinBits || problem.target_bits > quant::kMaxBits) {
    return InvalidArgument("target_bits is " + std::to_string(problem.target_bits) + "; it must lie in 2..16");
  }
  if (!std::isfinite(problem.other_bytes) || problem.other_bytes < 0) {
    return InvalidArgument("other_bytes is " + Text(problem.other_bytes) + "; it must be finite and not negative");
  }
  if (!std::isfinite(problem.budget_bytes)) {
    return InvalidArgument("budget_bytes is " + Text(problem.budget_bytes) + "; it must be finite");
  }
  if (problem.groups.empty()) {
    return InvalidArgument("there are no groups to give bits to; cover at least one op");
  }
  double parameters = 0, omega = 0;
  for (const BitAllocation::Group& group : problem.groups) {
    PTQ_RETURN_IF_ERROR(CheckGroup(group, bits.size()));
    parameters += static_cast<double>(group.parameters);
    omega += *std::max_element(group.omega.begin(), group.omega.end());
    if (parameters > kMaxParameters) {
      return InvalidArgument("up to this group the parameters exceed 2^49, beyond which sizes are not exact",
                             group.name);
    }
    if (!std::isfinite(omega)) {
      return InvalidArgument("up to this group the sensitivities add up to infinity; scale them down", group.name);
    }
  }
  return OkStatus();
}

// Bits of storage of one group, the unit in which sizes are compared.
int64_t Units(const Problem& problem, size_t group, size_t candidate) {
  return problem.groups[group].parameters * problem.candidate_bits[candidate];
}

double SizeBytes(const Problem& problem, int64_t units) { return problem.other_bytes + static_cast<double>(units) / 8; }

Status CheckFrontSize(size_t points, size_t groups) {
  if (points > kMaxFrontWidths / groups) {
    return Unsupported("the Pareto front has more than " + std::to_string(kMaxFrontWidths / groups) + " points of " +
                       std::to_string(groups) + " groups; offer fewer candidate bits or form fewer groups");
  }
  return OkStatus();
}

// A point of the front of the first groups.
struct Partial {
  int64_t units;
  double omega;   // summed in the order of the groups
  uint64_t rank;  // orders partial assignments of equal length lexicographically
};

// How a Partial came about: place in the front of one group less, and candidate.
struct Step {
  static constexpr int kCandidateBits = 4;
  uint32_t packed;
  Step(size_t parent, size_t candidate) : packed(static_cast<uint32_t>(parent << kCandidateBits | candidate)) {}
  size_t parent() const { return packed >> kCandidateBits; }
  size_t candidate() const { return packed & ((1U << kCandidateBits) - 1); }
};
static_assert(kMaxPartials < (size_t{1} << (32 - Step::kCandidateBits)));
static_assert(quant::kMaxBits - quant::kMinBits + 1 <= 1 << Step::kCandidateBits);

// Multiple-choice knapsack: the front of g+1 groups is the merge of one shifted copy of the front of g groups per
// candidate, without the dominated.  What a smaller partial assignment with no greater omega dominates stays dominated
// whatever follows, since rounded addition is monotone.  Of two of equal size the more sensitive one may still draw
// level by rounding, and then wins where its bits come first; such are kept while the gap is within `slack_`.
class Knapsack {
 public:
  explicit Knapsack(const Problem& problem) : problem_(problem) {
    double greatest = 0;
    for (const BitAllocation::Group& group : problem.groups) {
      greatest += *std::max_element(group.omega.begin(), group.omega.end());
    }
    // Each addition closes a gap by at most one unit in the last place of the greatest sum; twice that, for safety.
    const double ulp = std::nextafter(greatest, std::numeric_limits<double>::infinity()) - greatest;
    slack_ = 2 * static_cast<double>(problem.groups.size()) * ulp;
  }

  Status Run() {
    front_ = {{0, 0, 0}};
    for (size_t group = 0; group < problem_.groups.size(); ++group) {
      PTQ_RETURN_IF_ERROR(AddGroup(group));
      if (group % kGroupsPerRanking == kGroupsPerRanking - 1) {
        CompressRanks();
      }
    }
    return CheckFrontSize(front_.size(), problem_.groups.size());
  }

  std::vector<BitAllocation::Point> Points() const {
    const size_t groups = problem_.groups.size();
    std::vector<BitAllocation::Point> points(front_.size());
    for (size_t i = 0; i < front_.size(); ++i) {
      points[i] = {SizeBytes(problem_, front_[i].units), front_[i].omega, std::vector<int>(groups)};
      size_t place = i;
      for (size_t group = groups; group-- > 0;) {
        const Step step = steps_[group][place];
        points[i].bits[group] = problem_.candidate_bits[step.candidate()];
        place = step.parent();
      }
    }
    return points;
  }

 private:
  // 28 bits of a compressed rank and 4 for each group since fit 64 bits.
  static constexpr size_t kGroupsPerRanking = 8;

  struct Head {
    Partial partial;
    size_t parent;
    size_t candidate;
  };
  struct Later {
    bool operator()(const Head& a, const Head& b) const {
      return a.partial.units != b.partial.units ? a.partial.units > b.partial.units : a.partial.omega > b.partial.omega;
    }
  };

  Head HeadOf(size_t group, size_t parent, size_t candidate) const {
    const Partial& from = front_[parent];
    return {{from.units + Units(problem_, group, candidate), from.omega + problem_.groups[group].omega[candidate],
             from.rank << Step::kCandidateBits | candidate},
            parent,
            candidate};
  }

  Status AddGroup(size_t group) {
    const double slack = group + 1 == problem_.groups.size() ? -1 : slack_;
    std::priority_queue<Head, std::vector<Head>, Later> heads;
    for (size_t candidate = 0; candidate < problem_.candidate_bits.size(); ++candidate) {
      heads.push(HeadOf(group, 0, candidate));
    }
    next_.clear();
    steps_.emplace_back();
    smaller_omega_ = std::numeric_limits<double>::infinity();
    while (!heads.empty()) {
      const Head head = heads.top();
      heads.pop();
      Offer(head, slack);
      if (partials_ + next_.size() > kMaxPartials) {
        return Unsupported("the exact Pareto front of " + std::to_string(problem_.groups.size()) + " groups and " +
                           std::to_string(problem_.candidate_bits.size()) + " candidate bits needs more than " +
                           std::to_string(kMaxPartials) +
                           " partial assignments; offer fewer candidate bits or use a monotone rule");
      }
      if (head.parent + 1 < front_.size()) {
        heads.push(HeadOf(group, head.parent + 1, head.candidate));
      }
    }
    partials_ += next_.size();
    front_.swap(next_);
    return OkStatus();
  }

  // Appends to next_ unless dominated.  Heads come in ascending order of size, then omega, then any.
  void Offer(const Head& head, double slack) {
    const Partial& partial = head.partial;
    std::vector<Step>& steps = steps_.back();
    if (!next_.empty() && next_.back().units != partial.units) {
      smaller_omega_ = std::min(smaller_omega_, first_omega_);
    }
    if (partial.omega >= smaller_omega_) {
      return;
    }
    if (next_.empty() || next_.back().units != partial.units) {
      first_omega_ = partial.omega;
    } else if (partial.rank > next_.back().rank) {
      return;
    } else if (partial.omega == next_.back().omega) {
      next_.back() = partial;
      steps.back() = Step(head.parent, head.candidate);
      return;
    } else if (partial.omega - first_omega_ > slack) {
      return;
    }
    next_.push_back(partial);
    steps.emplace_back(head.parent, head.candidate);
  }

  void CompressRanks() {
    std::vector<uint32_t> order(front_.size());
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return front_[a].rank < front_[b].rank; });
    for (size_t i = 0; i < order.size(); ++i) {
      front_[order[i]].rank = i;
    }
  }

  const Problem& problem_;
  double slack_ = 0;
  std::vector<Partial> front_, next_;     // ascending in size; within a size ascending in omega, descending in rank
  std::vector<std::vector<Step>> steps_;  // per group, one for each member of its front
  size_t partials_ = 0;
  double smaller_omega_ = 0;  // least omega of the sizes before next_'s last
  double first_omega_ = 0;    // least omega of next_'s last size
};

constexpr size_t kNone = std::numeric_limits<size_t>::max();

// Depth first over the groups in their order, each within the bits of its nearest neighbours in rank that are already
// set: visits exactly the monotone assignments, in lexicographic order.
class MonotoneEnumeration {
 public:
  MonotoneEnumeration(const Problem& problem, Rule rule)
      : problem_(problem),
        below_(problem.groups.size(), kNone),
        above_(problem.groups.size(), kNone),
        candidate_(problem.groups.size(), 0) {
    // Ranks g against the groups before it; those of equal norm come before g.
    for (size_t g = 0; g < problem.groups.size(); ++g) {
      for (size_t other = 0; other < g; ++other) {
        const std::vector<BitAllocation::Group>& groups = problem.groups;
        if (rule == Rule::kMonotonePerKind && groups[other].kind != groups[g].kind) {
          continue;
        }
        const bool is_below = groups[other].nuclear_norm <= groups[g].nuclear_norm;
        size_t& nearest = is_below ? below_[g] : above_[g];
        if (nearest == kNone || (is_below ? groups[other].nuclear_norm >= groups[nearest].nuclear_norm
                                          : groups[other].nuclear_norm < groups[nearest].nuclear_norm)) {
          nearest = other;
        }
      }
    }
  }

  Status Run() { return Visit(0, 0, 0); }

  std::vector<BitAllocation::Point> Points() const {
    std::vector<BitAllocation::Point> points;
    for (const auto& [units, best] : front_) {
      points.push_back({SizeBytes(problem_, units), best.omega, {}});
      for (const uint8_t candidate : best.candidates) {
        points.back().bits.push_back(problem_.candidate_bits[candidate]);
      }
    }
    return points;
  }

 private:
  struct Best {
    double omega;
    std::vector<uint8_t> candidates;
  };

  Status Visit(size_t g, int64_t units, double omega) {
    if (g == problem_.groups.size()) {
      return Offer(units, omega);
    }
    const size_t first = below_[g] == kNone ? 0 : candidate_[below_[g]];
    const size_t last = above_[g] == kNone ? problem_.candidate_bits.size() - 1 : candidate_[above_[g]];
    for (size_t candidate = first; candidate <= last; ++candidate) {
      candidate_[g] = static_cast<uint8_t>(candidate);
      PTQ_RETURN_IF_ERROR(
          Visit(g + 1, units + Units(problem_, g, candidate), omega + problem_.groups[g].omega[candidate]));
    }
    return OkStatus();
  }

  Status Offer(int64_t units, double omega) {
    auto after = front_.upper_bound(units);
    if (after != front_.begin() && std::prev(after)->second.omega <= omega) {
      return OkStatus();
    }
    while (after != front_.end() && after->second.omega >= omega) {
      after = front_.erase(after);
    }
    front_[units] = {omega, candidate_};
    return CheckFrontSize(front_.size(), problem_.groups.size());
  }

  const Problem& problem_;
  std::vector<size_t> below_, above_;  // of the earlier groups ranked below, or above, the nearest
  std::vector<uint8_t> candidate_;     // of each group on the path
  std::map<int64_t, Best> front_;      // by size; omega falls
};

// Non-decreasing assignments of n groups from k candidates: C(n + k - 1, k - 1); over kinds the product.
double MonotoneCount(const Problem& problem, Rule rule) {
  std::map<std::string, double> sizes;
  for (const BitAllocation::Group& group : problem.groups) {
    sizes[rule == Rule::kMonotonePerKind ? group.kind : ""] += 1;
  }
  double count = 1;
  for (const auto& [kind, n] : sizes) {
    double binomial = 1;
    for (size_t i = 1; i < problem.candidate_bits.size(); ++i) {
      binomial = std::round(binomial * (n + static_cast<double>(i)) / static_cast<double>(i));
    }
    count *= binomial;
  }
  return count;
}

Result<std::vector<BitAllocation::Point>> Front(const Problem& problem, Rule rule) {
  if (rule == Rule::kPareto) {
    Knapsack knapsack(problem);
    PTQ_RETURN_IF_ERROR(knapsack.Run());
    return knapsack.Points();
  }
  const double count = MonotoneCount(problem, rule);
  if (count > kMaxEnumerated) {
    return Unsupported("the monotone rule would enumerate " + Text(count) +
                       " assignments, over the limit of 50000000; use the Pareto rule or fewer candidate bits");
  }
  MonotoneEnumeration enumeration(problem, rule);
  PTQ_RETURN_IF_ERROR(enumeration.Run());
  return enumeration.Points();
}

}  // namespace

Result<BitAllocation> Allocate(const Problem& problem, Rule rule) {
  PTQ_RETURN_IF_ERROR(CheckProblem(problem));
  int64_t least = 0;
  for (size_t group = 0; group < problem.groups.size(); ++group) {
    least += Units(problem, group, 0);
  }
  if (SizeBytes(problem, least) > problem.budget_bytes) {
    return InvalidArgument("the smallest possible size is " + Text(SizeBytes(problem, least)) +
                           " bytes and the budget " + Text(problem.budget_bytes) +
                           "; raise the budget or offer fewer bits");
  }
  BitAllocation allocation;
  allocation.target_bits = problem.target_bits;
  allocation.budget_bytes = problem.budget_bytes;
  allocation.candidate_bits = problem.candidate_bits;
  allocation.groups = problem.groups;
  PTQ_ASSIGN_OR_RETURN(allocation.front, Front(problem, rule));
  const auto beyond = std::find_if(allocation.front.begin(), allocation.front.end(),
                                   [&](const auto& point) { return point.size_bytes > problem.budget_bytes; });
  allocation.chosen = std::distance(allocation.front.begin(), beyond) - 1;
  return allocation;
}

}  // namespace ptq::allocate
