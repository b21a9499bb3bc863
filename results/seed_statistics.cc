#include "results/seed_statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "core/base/check.h"
#include "core/base/random.h"
#include "results/random_counts.h"

namespace ptq::results {
namespace {

int64_t CountRight(const std::vector<bool>& right) { return std::count(right.begin(), right.end(), true); }

// By ascending seed, and what the header promises of them.
MethodOutcomes Sorted(MethodOutcomes method) {
  PTQ_CHECK(!method.empty());
  std::sort(method.begin(), method.end(), [](const SeedOutcome& a, const SeedOutcome& b) { return a.seed < b.seed; });
  for (size_t i = 0; i < method.size(); ++i) {
    PTQ_CHECK(!method[i].right.empty() && method[i].right.size() == method[0].right.size());
    PTQ_CHECK(i == 0 || method[i - 1].seed < method[i].seed) << "seed " << method[i].seed << " is there twice";
  }
  return method;
}

bool HaveEqualSeeds(const MethodOutcomes& a, const MethodOutcomes& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const SeedOutcome& x, const SeedOutcome& y) { return x.seed == y.seed; });
}

// Negative, 0 or positive, by the answers alone.
int Order(const MethodOutcomes& a, const MethodOutcomes& b) {
  const auto before = [](const SeedOutcome& x, const SeedOutcome& y) { return x.right < y.right; };
  if (std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), before)) return -1;
  return std::lexicographical_compare(b.begin(), b.end(), a.begin(), a.end(), before) ? 1 : 0;
}

// Images that the same trials have right, as one: `images[p]` images, on which `right[t][p]` says whether trial t is.
struct Patterns {
  std::vector<int64_t> images;
  std::vector<std::vector<int32_t>> right;
};

Patterns FindPatterns(const MethodOutcomes& trials) {
  // Splits the classes of images that look alike so far, trial by trial.
  std::vector<int64_t> pattern_of(trials[0].right.size());
  int64_t count = 1;
  for (const SeedOutcome& trial : trials) {
    std::vector<int64_t> split(2 * count, -1);  // by the pattern so far and this trial's answer
    int64_t next = 0;
    for (size_t i = 0; i < pattern_of.size(); ++i) {
      int64_t& pattern = split[2 * pattern_of[i] + (trial.right[i] ? 1 : 0)];
      if (pattern < 0) pattern = next++;
      pattern_of[i] = pattern;
    }
    count = next;
  }
  Patterns patterns;
  patterns.images.resize(count);
  patterns.right.assign(trials.size(), std::vector<int32_t>(count));
  for (size_t i = 0; i < pattern_of.size(); ++i) {
    ++patterns.images[pattern_of[i]];
    for (size_t t = 0; t < trials.size(); ++t) patterns.right[t][pattern_of[i]] = trials[t].right[i] ? 1 : 0;
  }
  return patterns;
}

// As many of `count` seeds as there are, with replacement: how often each is taken.
std::vector<int32_t> DrawSeeds(RandomStream& random, size_t count) {
  std::vector<int32_t> taken(count);
  for (size_t i = 0; i < count; ++i) ++taken[random.NextBelow(count)];
  return taken;
}

// Draws of the mean accuracy of A minus that of B; of A's alone where B is empty.  An image's kind is the pair of how
// many drawn trials of A and of B have it right, kept as one number: that of A times `stride`, plus that of B.
std::vector<double> DrawDifferences(const MethodOutcomes& a, const MethodOutcomes& b, bool paired, RandomStream random,
                                    int draws) {
  MethodOutcomes trials = a;
  trials.insert(trials.end(), b.begin(), b.end());
  const Patterns patterns = FindPatterns(trials);
  const auto images = static_cast<int64_t>(trials[0].right.size());
  const auto stride = static_cast<int32_t>(b.size() + 1);
  std::vector<double> differences;
  std::vector<int32_t> kind(patterns.images.size());
  std::vector<int64_t> images_of_kind((a.size() + 1) * (b.size() + 1));
  for (int draw = 0; draw < draws; ++draw) {
    std::vector<int32_t> taken = DrawSeeds(random, a.size());
    const std::vector<int32_t> taken_of_b = paired ? taken : DrawSeeds(random, b.size());
    for (int32_t& weight : taken) weight *= stride;
    taken.insert(taken.end(), taken_of_b.begin(), taken_of_b.end());

    std::fill(kind.begin(), kind.end(), 0);
    for (size_t t = 0; t < trials.size(); ++t) {
      if (taken[t] == 0) continue;
      for (size_t p = 0; p < kind.size(); ++p) kind[p] += taken[t] * patterns.right[t][p];
    }
    std::fill(images_of_kind.begin(), images_of_kind.end(), 0);
    for (size_t p = 0; p < kind.size(); ++p) images_of_kind[kind[p]] += patterns.images[p];

    const std::vector<int64_t> drawn = DrawMultinomial(random, images, images_of_kind);
    int64_t right_a = 0, right_b = 0;
    for (size_t k = 0; k < drawn.size(); ++k) {
      right_a += static_cast<int64_t>(k / stride) * drawn[k];
      right_b += static_cast<int64_t>(k % stride) * drawn[k];
    }
    const auto of_b = static_cast<double>(std::max<size_t>(1, b.size()));
    differences.push_back(
        (static_cast<double>(right_a) / static_cast<double>(a.size()) - static_cast<double>(right_b) / of_b) /
        static_cast<double>(images));
  }
  return differences;
}

// Right answers of all trials of a method together.
int64_t RightOf(const MethodOutcomes& method) {
  int64_t right = 0;
  for (const SeedOutcome& trial : method) right += CountRight(trial.right);
  return right;
}

double MeanOf(const MethodOutcomes& method) {
  return static_cast<double>(RightOf(method)) / static_cast<double>(method.size() * method[0].right.size());
}

// From whole numbers, so that equal means differ by 0.
double MeanDifferenceOf(const MethodOutcomes& a, const MethodOutcomes& b) {
  const auto of_a = static_cast<int64_t>(a.size()), of_b = static_cast<int64_t>(b.size());
  const int64_t difference = RightOf(a) * of_b - RightOf(b) * of_a;
  return static_cast<double>(difference) / static_cast<double>(of_a * of_b * static_cast<int64_t>(a[0].right.size()));
}

}  // namespace

MeanAccuracy SummarizeSeeds(const MethodOutcomes& method, uint64_t seed, int draws) {
  PTQ_CHECK(draws > 0);
  const MethodOutcomes trials = Sorted(method);
  MeanAccuracy summary;
  summary.seeds = static_cast<int64_t>(trials.size());
  summary.images = static_cast<int64_t>(trials[0].right.size());
  summary.mean = MeanOf(trials);
  if (trials.size() > 1) {
    double squares = 0;
    for (const SeedOutcome& trial : trials) {
      const double accuracy = static_cast<double>(CountRight(trial.right)) / static_cast<double>(summary.images);
      squares += (accuracy - summary.mean) * (accuracy - summary.mean);
    }
    summary.deviation = std::sqrt(squares / static_cast<double>(trials.size() - 1));
  }
  summary.interval =
      PercentileInterval(DrawDifferences(trials, {}, false, RandomStream(seed, "mean_accuracy_interval"), draws));
  return summary;
}

MeanDifference CompareMethods(const MethodOutcomes& first, const MethodOutcomes& second, uint64_t seed, int draws) {
  PTQ_CHECK(draws > 0);
  const MethodOutcomes a = Sorted(first), b = Sorted(second);
  PTQ_CHECK(a[0].right.size() == b[0].right.size()) << a[0].right.size() << " and " << b[0].right.size() << " images";
  MeanDifference result;
  result.mean = MeanDifferenceOf(a, b);
  result.paired_seeds = HaveEqualSeeds(a, b);
  const int order = Order(a, b);
  if (a.size() == 1 && b.size() == 1) {
    const PairCounts counts = CountPairs(a[0].right, b[0].right);
    result.interval = PairedDifferenceInterval(counts, seed, draws);
  } else if (order != 0 || !result.paired_seeds) {
    // One order of A and B for both, so that swapping them draws the same numbers.
    const RandomStream random(seed, "mean_difference_interval");
    const std::vector<double> differences = order < 0 ? DrawDifferences(b, a, result.paired_seeds, random, draws)
                                                      : DrawDifferences(a, b, result.paired_seeds, random, draws);
    const Sign sign = order == 0 ? Sign::kSymmetric : (order < 0 ? Sign::kNegated : Sign::kAsDrawn);
    result.interval = PercentileInterval(differences, sign);
  }
  return result;
}

double SignFlipP(const MethodOutcomes& a, const MethodOutcomes& b, uint64_t seed, int draws) {
  const MethodOutcomes trials_a = Sorted(a), trials_b = Sorted(b);
  const size_t images = trials_a[0].right.size();
  PTQ_CHECK(trials_b[0].right.size() == images);
  if (a.size() == 1 && b.size() == 1) {
    const PairCounts counts = CountPairs(trials_a[0].right, trials_b[0].right);
    return McNemarExact(counts.only_a, counts.only_b);
  }
  // Differences as whole numbers: times the number of seeds of both.
  std::map<int64_t, int64_t> images_of;  // by the size of the difference
  int64_t sum = 0;
  for (size_t i = 0; i < images; ++i) {
    int64_t difference = 0;
    for (const SeedOutcome& trial : trials_a) difference += trial.right[i] ? static_cast<int64_t>(b.size()) : 0;
    for (const SeedOutcome& trial : trials_b) difference -= trial.right[i] ? static_cast<int64_t>(a.size()) : 0;
    sum += difference;
    if (difference != 0) ++images_of[std::abs(difference)];
  }
  RandomStream random(seed, "sign_flips");
  int64_t as_far = 1;
  for (int draw = 0; draw < draws; ++draw) {
    int64_t flipped = 0;
    for (const auto& [size, count] : images_of) flipped += size * (2 * DrawBinomial(random, count, 0.5) - count);
    as_far += std::abs(flipped) >= std::abs(sum) ? 1 : 0;
  }
  return static_cast<double>(as_far) / (draws + 1);
}

Leaders FindLeaders(const std::vector<MethodOutcomes>& methods, uint64_t seed, int draws) {
  PTQ_CHECK(!methods.empty());
  Leaders leaders;
  for (size_t i = 1; i < methods.size(); ++i) {
    if (MeanDifferenceOf(methods[i], methods[leaders.best]) > 0) leaders.best = i;
  }
  for (size_t i = 0; i < methods.size(); ++i) {
    leaders.lead_over.push_back(i == leaders.best ? MeanDifference{0, true, {}}
                                                  : CompareMethods(methods[leaders.best], methods[i], seed, draws));
    if (leaders.lead_over.back().interval.contains(0)) leaders.group.push_back(i);
  }
  if (methods.size() > 1 && leaders.group.size() == 1) leaders.winner = leaders.best;
  return leaders;
}

}  // namespace ptq::results
