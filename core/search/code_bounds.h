// code_bounds.h: the range that the codes of a quantized operand take, less their zero point.
#pragma once

#include <algorithm>

#include "core/quant/quant_params.h"
#include "core/search/code_product.h"

namespace ptq::search {

inline CodeBounds BoundsOf(const quant::QuantParams& params) {
  const quant::CodeRange codes = quant::Codes(params.grid, params.num_bits);
  const auto [low, high] = std::minmax_element(params.zero_point.begin(), params.zero_point.end());
  return {codes.qmin - *high, codes.qmax - *low};
}

}  // namespace ptq::search
