// quant_params.h: what a quantized operand is: a grid, a bit width, scale(s), zero point(s) and an axis.
//
// Every grid here is uniform and maps an integer code to a real value by
//   value = scale * (code - zero_point + offset),   code in [qmin, qmax],
// where offset is 0, or 1/2 on the two grids on which zero is no level.
// Plain data without LibTorch.  A non-uniform grid (log2, twin) will be a new Grid with fields of its own here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace ptq::quant {

constexpr int kMinBits = 2;
constexpr int kMaxBits = 16;

enum class Grid {
  kSymmetricRestricted,  // SYM_R: -q..q, q = 2^(b-1) - 1
  kSymmetricFull,        // SYM_F: -2^(b-1)..2^(b-1) - 1 (Liu et al. 2021, Eq. 8)
  kUnsigned,             // UNS:   0..2^b - 1, for operands that are never negative
  kAffine,               // AFF:   0..2^b - 1 with an integer zero point
  kSymmetricHalf,        // LAPQ and MIDRISE: 2^b levels at odd multiples of scale/2; zero is no level
};

enum class Granularity { kPerTensor, kPerChannel };

// "symmetric_restricted", "symmetric_full", "unsigned", "affine", "symmetric_half".
const char* Name(Grid grid);
Result<Grid> ParseGrid(std::string_view name);
const char* Name(Granularity granularity);  // "per_tensor", "per_channel"
Result<Granularity> ParseGranularity(std::string_view name);

// The codes of a grid, both ends included.
struct CodeRange {
  int32_t qmin = 0;
  int32_t qmax = 0;
};
CodeRange Codes(Grid grid, int num_bits);

// 1/2 on kSymmetricHalf, else 0.
float LevelOffset(Grid grid);

struct QuantParams {
  Grid grid = Grid::kSymmetricFull;
  int num_bits = 8;
  Granularity granularity = Granularity::kPerTensor;
  int axis = -1;                    // per_channel: the dimension that scale runs along; -1 otherwise
  std::vector<float> scale;         // one, or one per channel; finite and > 0
  std::vector<int32_t> zero_point;  // as many as scale; 0 on every grid but kAffine

  bool operator==(const QuantParams& other) const;
};

// InvalidArgument where bits, sizes, scales or zero points are outside what the fields above promise.
Status Validate(const QuantParams& params);

// The parameters whose grid covers [min[c], max[c]] for each channel c (one entry: per tensor).
// kAffine: the range is widened to hold 0; scale = (max - min)/(2^b - 1), zero_point = rne(-min/scale) (gemmlowp).
// Symmetric grids, a = max(|min|, |max|): restricted and full a/(2^(b-1) - 1), half 2a/(2^b - 1) (LAPQ; the mid-rise
// grid of ACIQ's theory has the same codes with the step 2a/2^b).
// kUnsigned: scale = max(max, 0)/(2^b - 1).
// A range of 0 gives scale 1, so that codes are 0 and nothing is NaN.
// Errors: InvalidArgument for bits outside 2..16, a NaN or infinite bound, min > max.
Result<QuantParams> ParamsFromRange(Grid grid, int num_bits, const std::vector<float>& min,
                                    const std::vector<float>& max, Granularity granularity = Granularity::kPerTensor,
                                    int axis = -1);

}  // namespace ptq::quant
