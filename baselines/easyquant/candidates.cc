#include "baselines/easyquant/candidates.h"

#include <algorithm>
#include <cmath>

#include "core/method/parameters.h"
#include "core/search/interval_search.h"

namespace ptq::baselines::easyquant {
namespace {

// low + t (high - low) / steps, for all t.
std::vector<double> Linear(double low, double high, const CandidateRange& range) {
  std::vector<double> values;
  for (int64_t t = range.open ? 1 : 0; t <= (range.open ? range.steps - 1 : range.steps); ++t) {
    values.push_back(low + static_cast<double>(t) * (high - low) / static_cast<double>(range.steps));
  }
  return values;
}

std::vector<quant::QuantParams> MultipliersFromOne(const quant::QuantParams& initial, const CandidateRange& range) {
  std::vector<quant::QuantParams> candidates;
  for (const double share : Linear(0, 1, range)) {
    quant::QuantParams candidate = initial;
    for (float& scale : candidate.scale) {
      const double multiplier = 1 / static_cast<double>(scale);
      scale = static_cast<float>(1 / (1 + share * (multiplier - 1)));
    }
    candidates.push_back(std::move(candidate));
  }
  std::reverse(candidates.begin(), candidates.end());  // from S0 towards 1
  return candidates;
}

}  // namespace

std::string CandidateRange::ToString() const {
  const char* const unit = units == Units::kMultiplier ? "multiplier"
                           : units == Units::kInterval ? "interval"
                                                       : "from_one";
  return std::string(unit) + (open ? "(" : "[") + method::ToString(low) + "," + method::ToString(high) + "/" +
         std::to_string(steps);
}

std::vector<quant::QuantParams> Candidates(const quant::QuantParams& initial, const CandidateRange& range) {
  std::vector<quant::QuantParams> candidates = {initial};
  if (range.units == CandidateRange::Units::kMultiplierFromOne) {
    for (quant::QuantParams& candidate : MultipliersFromOne(initial, range)) {
      candidates.push_back(std::move(candidate));
    }
    return candidates;
  }
  std::vector<double> factors = Linear(range.low, range.high, range);
  if (range.units == CandidateRange::Units::kMultiplier) {
    for (double& factor : factors) {
      factor = 1 / factor;
    }
  }
  std::stable_sort(factors.begin(), factors.end(),
                   [](double a, double b) { return std::abs(a - 1) < std::abs(b - 1); });
  for (const double factor : factors) {
    candidates.push_back(search::Scaled(initial, factor));
  }
  return candidates;
}

}  // namespace ptq::baselines::easyquant
