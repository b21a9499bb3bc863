// stored_codes.h: a plan's codes as bytes: value = scale * (stored - zero), with a zero that may be a half.
#pragma once

#include <cstdint>
#include <vector>

#include "core/exec/integer/kernels.h"
#include "core/quant/quant_params.h"

namespace ptq::exec {

// Whether codes of the parameters fit bytes on a uniform grid: at most 8 bits, of every channel.
bool FitsBytes(const quant::QuantParams& params);

// One channel (tensor or head) of an activation.
struct StoredActivation {
  float scale = 1;
  float zero = 0;
  CodeMap map;
};

// Of every channel of the parameters; FitsBytes is CHECKed.
// Unsigned: stored = code - qmin.  What a linear op reads.
std::vector<StoredActivation> StoreUnsigned(const quant::QuantParams& params);
// Signed: the code itself, or code - 128 on grids that reach above 127.  Operands of qk, and pv's right one.
std::vector<StoredActivation> StoreSigned(const quant::QuantParams& params);
// Of values that are never negative: stored = code - zero_point >= 0.  pv's left operand.
std::vector<StoredActivation> StoreNonNegative(const quant::QuantParams& params);

// A weight's codes, signed as above, (rows, inner), with what each row needs: value = scale * (stored - zero) +
// correction.
struct StoredWeight {
  std::vector<int8_t> codes;
  std::vector<float> scale, zero, correction;
  std::vector<int32_t> sums;  // of each row's stored codes
};
// codes: of quant::Quantize, (rows, inner).
StoredWeight StoreWeight(const quant::QuantParams& params, const int32_t* codes, int64_t rows, int64_t inner);

// Fake-quantizes in place: x[i] of channel `channel`; any uniform grid.
void FakeQuantizeInPlace(const quant::QuantParams& params, int64_t channel, float* x, int64_t count);

}  // namespace ptq::exec
