// quant_params.h: what a quantized operand is: a grid, a bit width, scale(s), zero point(s) and an axis.
//
// A uniform grid maps an integer code to a real value by
//   value = scale * (code - zero_point + offset) + correction,   code in [qmin, qmax],
// where offset is 0, or 1/2 on the grid on which zero is no level, and correction is 0 unless given.
// The grids after kSymmetricHalf are not uniform: no integer product takes their codes (SimulatedOnly).
// Plain data without LibTorch.
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
  // For operands in 0..scale.  Codes 0..2^b - 1 are levels and 2^b is zero, as the official codes of both papers have
  // it: one level more than b bits hold.
  kLog2,      // value = scale * 2^-code (Lin et al. 2022, FQ-ViT, Log-Int-Softmax)
  kLogSqrt2,  // value = scale * 2^(-code/2) (Li et al. 2023, RepQ-ViT)
  // Two uniform ranges (Yuan et al. 2022, PTQ4ViT), q = 2^(b-1) - 1.
  kTwinSigned,  // x >= 0 in steps of scale up to q, x < 0 in steps of second_scale down to -2^(b-1)
  // low + high, where low counts steps of scale in 0..split, split = q * scale, and high steps of second_scale in
  // split..q * second_scale = {}; as the official code adds both.  Code = low + high, in 0..2q.
  kTwinSoftmax,
};

enum class Granularity { kPerTensor, kPerChannel };

// "symmetric_restricted", "symmetric_full", "unsigned", "affine", "symmetric_half", "log2", "log_sqrt2",
// "twin_signed", "twin_softmax".
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

// No integer kernel can run the grid: its values are not one scale times an integer.
bool SimulatedOnly(Grid grid);

struct QuantParams {
  Grid grid = Grid::kSymmetricFull;
  int num_bits = 8;
  Granularity granularity = Granularity::kPerTensor;
  int axis = -1;                    // per_channel: the dimension that scale runs along; -1 otherwise
  std::vector<float> scale;         // one, or one per channel; finite and > 0
  std::vector<int32_t> zero_point;  // as many as scale; 0 on every grid but kAffine
  // Each empty, or as many as scale:
  std::vector<float> second_scale = {};    // of the twin grids, there only and always
  std::vector<int32_t> channel_bits = {};  // bits of each channel, 0..16, in place of num_bits; 0: the one code 0
  // Added to every dequantized value of the channel: a mean that quantization moved, put back (Banner et al. 2019,
  // Section 4.2).  In integers: one sum of the other operand's codes per row.
  std::vector<float> correction = {};

  bool operator==(const QuantParams& other) const;
};

// The codes of one channel.
CodeRange Codes(const QuantParams& params, int64_t channel);

// InvalidArgument where bits, sizes, scales or zero points are outside what the fields above promise.
Status Validate(const QuantParams& params);

// The parameters whose grid covers [min[c], max[c]] for each channel c (one entry: per tensor).
// kAffine: the range is widened to hold 0; scale = (max - min)/(2^b - 1), zero_point = rne(-min/scale) (gemmlowp).
// Symmetric grids, a = max(|min|, |max|): restricted and full a/(2^(b-1) - 1), half 2a/(2^b - 1) (LAPQ; the mid-rise
// grid of ACIQ's theory has the same codes with the step 2a/2^b).
// kUnsigned: scale = max(max, 0)/(2^b - 1).  kLog2, kLogSqrt2: scale = max(max, 0).
// A range of 0 gives scale 1, so that codes are 0 and nothing is NaN.
// Errors: InvalidArgument for bits outside 2..16, a NaN or infinite bound, min > max, a twin grid.
Result<QuantParams> ParamsFromRange(Grid grid, int num_bits, const std::vector<float>& min,
                                    const std::vector<float>& max, Granularity granularity = Granularity::kPerTensor,
                                    int axis = -1);

}  // namespace ptq::quant
