// candidates.h: the intervals that a search tries.
//
// The paper's S multiplies a value before it is rounded, S = q/T of the clip T, and is the inverse of an interval (a
// QuantParams' scale): a larger S is a smaller clip.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/quant/quant_params.h"

namespace ptq::baselines::easyquant {

struct CandidateRange {
  enum class Units {
    kMultiplier,  // S = f S0: intervals Delta0 / f
    kInterval,    // Delta = f Delta0
    // The released tool's: S from 1 to S0, whatever the unit of the values; Delta never falls below Delta0.
    kMultiplierFromOne,
  };
  Units units = Units::kInterval;
  double low = 0.5, high = 2;  // f = low + t (high - low) / steps
  int64_t steps = 100;
  bool open = false;  // t = 1..steps - 1 in place of 0..steps

  std::string ToString() const;
};

// The initial interval first, then the others from near to far, so that the first of the best is the nearest to it.
// Every scale of a candidate is moved by the same t.
std::vector<quant::QuantParams> Candidates(const quant::QuantParams& initial, const CandidateRange& range);

}  // namespace ptq::baselines::easyquant
