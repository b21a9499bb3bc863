// random_counts.h: how often each kind of a thing comes up when things are drawn with replacement.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/random.h"

namespace ptq::results {

// The logarithm of the probability of `successes` in `trials`, each of which succeeds with probability p.
// 0 <= successes <= trials, 0 < p < 1.  Relative error of the probability: below 1e-9 up to a million trials.
double LogBinomialProbability(int64_t successes, int64_t trials, double p);

// The successes of `trials` independent trials with probability p each, by inversion outwards from the mode: one
// uniform number of the stream, about sqrt(trials p (1 - p)) steps.  No normal or Poisson approximation: the
// distribution is the binomial one up to the rounding of its terms.  0 <= p <= 1; takes no number where the answer is
// certain.
int64_t DrawBinomial(RandomStream& random, int64_t trials, double p);

// How often each of the kinds comes up in `draws` draws with replacement from a set that holds counts[k] things of kind
// k.  What `draws` uniform draws of single things would count, at the price of one binomial draw for each kind.
// Counts are not negative and not all 0.
std::vector<int64_t> DrawMultinomial(RandomStream& random, int64_t draws, const std::vector<int64_t>& counts);

}  // namespace ptq::results
