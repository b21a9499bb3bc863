#include "results/random_counts.h"

#include <math.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/check.h"

namespace ptq::results {
namespace {

// std::lgamma writes a global sign, which two threads must not.
double LogFactorial(int64_t n) {
  int sign = 0;
  return ::lgamma_r(static_cast<double>(n) + 1, &sign);
}

}  // namespace

double LogBinomialProbability(int64_t successes, int64_t trials, double p) {
  PTQ_CHECK(successes >= 0 && successes <= trials);
  PTQ_CHECK(p > 0 && p < 1);
  const int64_t failures = trials - successes;
  return LogFactorial(trials) - LogFactorial(successes) - LogFactorial(failures) +
         static_cast<double>(successes) * std::log(p) + static_cast<double>(failures) * std::log1p(-p);
}

int64_t DrawBinomial(RandomStream& random, int64_t trials, double p) {
  PTQ_CHECK(trials >= 0);
  PTQ_CHECK(p >= 0 && p <= 1);
  if (trials == 0 || p == 0) return 0;
  if (p == 1) return trials;
  const double odds = p / (1 - p);
  const auto n = static_cast<double>(trials);
  const auto mode = std::min(trials, static_cast<int64_t>(std::floor((n + 1) * p)));
  double rest = random.NextDouble();
  const double at_mode = std::exp(LogBinomialProbability(mode, trials, p));
  rest -= at_mode;
  if (rest < 0) return mode;
  double above = at_mode, below = at_mode;
  // Neighbouring terms: P(k + 1) / P(k) = (n - k) / (k + 1) odds.
  for (int64_t high = mode, low = mode; high < trials || low > 0;) {
    if (high < trials) {
      above *= static_cast<double>(trials - high) / static_cast<double>(high + 1) * odds;
      ++high;
      rest -= above;
      if (rest < 0) return high;
    }
    if (low > 0) {
      below *= static_cast<double>(low) / (static_cast<double>(trials - low + 1) * odds);
      --low;
      rest -= below;
      if (rest < 0) return low;
    }
    if (above == 0 && below == 0) break;
  }
  return mode;  // all terms added up to a rounding error less than the uniform number
}

std::vector<int64_t> DrawMultinomial(RandomStream& random, int64_t draws, const std::vector<int64_t>& counts) {
  int64_t left = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  PTQ_CHECK(left > 0);
  std::vector<int64_t> drawn(counts.size());
  for (size_t k = 0; k < counts.size() && draws > 0; ++k) {
    PTQ_CHECK(counts[k] >= 0);
    if (counts[k] == 0) continue;
    drawn[k] = DrawBinomial(random, draws, static_cast<double>(counts[k]) / static_cast<double>(left));
    draws -= drawn[k];
    left -= counts[k];
  }
  return drawn;
}

}  // namespace ptq::results
