// bit_widths.h: "W8A8" and "W8A8 MP": how experiments and flags name bits.
#pragma once

#include <string>

#include "core/base/error.h"

namespace ptq::experiments {

struct BitWidths {
  int weight = 8, activation = 8;
  bool mixed = false;  // mixed precision around these bits, which are equal
};

// W<bits>A<bits>, bits in 2..16 without leading zeros, then " MP" for mixed precision.
// InvalidArgument: a sentence that begins with `what` ("'bits'", "--bits").
Result<BitWidths> ParseBitWidths(const std::string& text, const std::string& what);

}  // namespace ptq::experiments
