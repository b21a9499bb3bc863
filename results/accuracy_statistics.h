// accuracy_statistics.h: what accuracies on a finite set of images say.  All intervals have 95 % coverage; accuracies
// and their differences are fractions.  Formulas and sources: docs/statistics.md.
#pragma once

#include <cstdint>
#include <vector>

#include "results/statistics.h"

namespace ptq::results {

constexpr int kBootstrapDraws = 10000;

// Wilson's score interval of correct / images.  0 <= correct <= images, images > 0.
Interval WilsonInterval(int64_t correct, int64_t images);

// Two trials on the same images: how many images each of the four outcomes has.
struct PairCounts {
  int64_t both = 0, only_a = 0, only_b = 0, neither = 0;

  int64_t images() const { return both + only_a + only_b + neither; }
  int64_t right_a() const { return both + only_a; }
  int64_t right_b() const { return both + only_b; }
};

// Place i of both: the same image.  Equally long.
PairCounts CountPairs(const std::vector<bool>& right_a, const std::vector<bool>& right_b);

// Accuracy of A minus accuracy of B.  At least one image.
double Difference(const PairCounts& counts);

// The percentile bootstrap of that difference: a draw takes as many images as there are, with replacement, each with
// the outcomes of both trials.  Only the counts of a draw matter, and counts of uniform draws with replacement are
// multinomial, so a draw is made of counts directly (random_counts.h): the same distribution as drawing single images,
// at a cost that grows with the root of their number.  A pure function of its arguments; A and B swapped negate it
// exactly. Identical trials have [0, 0].  At least one image.
Interval PairedDifferenceInterval(const PairCounts& counts, uint64_t seed = 0, int draws = kBootstrapDraws);

// The exact two-sided p of McNemar's test: the probability that the images on which exactly one of two trials is right
// fall apart at least as unevenly, were each as likely to fall to either.  1 where there are none.
double McNemarExact(int64_t only_a, int64_t only_b);

// Holm's step-down adjustment of a family of p values, in the family's order: rejecting what is at most alpha keeps the
// probability of any false rejection at most alpha, however the tests depend on each other.  Values in [0, 1].
std::vector<double> HolmAdjusted(const std::vector<double>& p_values);

}  // namespace ptq::results
