// packed_codes.h: the integer codes of a weight as a stream of bits, each code in the bits that the plan gives its row.
//
// Row after row (axis 0) a code is stored as code - qmin of its row's range (quant::Codes) in the row's bits, least
// significant bit first, without gaps; zeros fill the last byte.  A row of 0 bits takes no space: its codes are 0.
// A code lies where the sum of the widths before it says, so that any row can be found without reading others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/error.h"
#include "core/quant/quant_params.h"

namespace ptq::method {

// Bits of one code of the row: num_bits, or the row's own.
int RowBits(const quant::QuantParams& params, int64_t row);

// Bits of all codes of `rows` rows of `row_elements` each, without the fill of the last byte.
int64_t PackedBits(const quant::QuantParams& params, int64_t rows, int64_t row_elements);

// codes: row-major, a whole number of `rows` rows, each within quant::Codes of its row (CHECKed).
// Errors: Unsupported for a grid that has more codes than its bits can number (quant::SimulatedOnly).
Result<std::vector<std::byte>> PackCodes(const std::vector<int32_t>& codes, const quant::QuantParams& params,
                                         int64_t rows);

// The inverse of PackCodes.  Errors: those of PackCodes; Corrupt for another number of bytes than the codes take, a
// code above the row's range (a restricted grid leaves a pattern unused), a bit of the fill that is set.
Result<std::vector<int32_t>> UnpackCodes(const std::vector<std::byte>& bytes, const quant::QuantParams& params,
                                         int64_t rows, int64_t row_elements);

}  // namespace ptq::method
