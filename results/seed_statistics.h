// seed_statistics.h: accuracies of methods that ran with several seeds on the same images.
//
// Two things are drawn by chance: the evaluated images, and the seeds (which draw the calibration images).  Every seed
// of a method meets the same images, so a bootstrap draw takes, in this order,
//   1. as many seeds as there are, with replacement;
//   2. as many images as there are, with replacement, once for all trials of the draw: an image that is hard for one
//      seed is hard for the others.
// Rows and columns of a table drawn apart like this are Owen's (2007) pigeonhole bootstrap.  Given the seeds of a draw,
// an image adds nothing but the number of drawn trials that have it right, so images with equal numbers are one kind
// and step 2 draws how often each kind comes up (random_counts.h): the same distribution as drawing single images.
// With one seed the intervals know of the images alone; with few seeds they are too narrow (docs/statistics.md).
//
// All functions are pure functions of their arguments.  Intervals have 95 % coverage; accuracies are fractions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "results/accuracy_statistics.h"
#include "results/statistics.h"

namespace ptq::results {

// One trial: which images it has right, in an order that all trials of a comparison share.
struct SeedOutcome {
  int64_t seed = 0;
  std::vector<bool> right;
};

// The trials of one method, one for each seed; not empty, seeds differ, images as many as in every other and at least
// one.  The order of the trials means nothing.
using MethodOutcomes = std::vector<SeedOutcome>;

struct MeanAccuracy {
  int64_t seeds = 0, images = 0;
  double mean = 0;                  // over seeds
  std::optional<double> deviation;  // sample standard deviation over seeds, from two on
  Interval interval;                // of the mean
};

MeanAccuracy SummarizeSeeds(const MethodOutcomes& method, uint64_t seed = 0, int draws = kBootstrapDraws);

struct MeanDifference {
  double mean = 0;  // mean accuracy of A minus that of B
  bool paired_seeds =
      false;  // both have the same seeds, so that a draw takes the same ones for both; else each its own
  Interval interval;
};

// A and B swapped negate it exactly.  With one seed each: Difference and PairedDifferenceInterval.
MeanDifference CompareMethods(const MethodOutcomes& a, const MethodOutcomes& b, uint64_t seed = 0,
                              int draws = kBootstrapDraws);

// Two-sided p of both methods being as good on each image, the seeds taken as they are: an image's difference (mean
// over A's seeds minus mean over B's) is then as likely to be there with the other sign.  With one seed each
// McNemarExact; else the share of `draws` random flips of all signs whose sum is at least as far from 0, counting the
// actual one.
double SignFlipP(const MethodOutcomes& a, const MethodOutcomes& b, uint64_t seed = 0, int draws = kBootstrapDraws);

// The methods that cannot be told from the best one.
struct Leaders {
  size_t best = 0;                        // place of the highest mean; of equal ones the first
  std::vector<size_t> group;              // ascending: the best, and all whose interval against it contains 0
  std::optional<size_t> winner;           // the best, where it alone is in the group and has somebody to beat
  std::vector<MeanDifference> lead_over;  // CompareMethods(the best, method i); of the best itself all 0
};

// At least one method, all on the same images.  Each interval is taken by itself, without regard to their number.
Leaders FindLeaders(const std::vector<MethodOutcomes>& methods, uint64_t seed = 0, int draws = kBootstrapDraws);

}  // namespace ptq::results
