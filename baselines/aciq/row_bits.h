// row_bits.h: how ACIQ shares bits between the rows of a weight (Banner et al. 2019, Section 4).  No LibTorch.
//
// A row of spread a, quantized to M bits, loses a^2/(3 * 4^M).
#pragma once

#include <cstdint>
#include <vector>

namespace ptq::baselines::aciq {

enum class Quota {
  kBins,     // sum of 2^bits <= rows * 2^nominal, the paper's; its optimum is 2^bits ~ spread^(2/3) (Eq. 10, 11)
  kAverage,  // sum of bits <= rows * nominal: what storage costs; its optimum is 2^bits ~ spread
};

// The paper's real-valued answer for kBins: bins of each row.  Spreads >= 0, not all 0.
std::vector<double> IdealBins(const std::vector<double>& spreads, int nominal_bits);

// Bits of each row, 0..max(8, nominal + 4) and at most 16, from 0 bits on: the next bit goes where the loss falls most
// for what the bit costs, as long as one fits the quota.  For kBins this path passes floor(log2(IdealBins)), ties and
// limits aside.  Ties go to the row with fewer bits, then to the first.  Rows of spread 0 get 0 bits; where all are,
// every row gets the nominal bits.
std::vector<int32_t> ShareBits(const std::vector<double>& spreads, int nominal_bits, Quota quota);

}  // namespace ptq::baselines::aciq
