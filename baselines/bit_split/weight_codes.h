// weight_codes.h: integer codes of one output row of a weight, looking at the weight alone.  No LibTorch.
//
// A row w (K) at b bits becomes scale * code, code in -q..q, q = 2^(b-1) - 1, b >= 3.  Split into b - 1 planes of
// digits -1, 0, 1, most significant first, code = sum over k of 2^(b-2-k) * digit[k]; the digits of one code may differ
// in sign.  The paper's alpha is 2^(b-2) * scale, and its planes weigh 2^-k. Source: Wang et al., ICML 2020; the stages
// are called as in the released code.
#pragma once

#include <cstdint>
#include <vector>

namespace ptq::bit_split {

constexpr int kMinWeightBits = 3;

// Planes of b bits, and what a digit of plane k is worth in steps of the scale.
constexpr int Planes(int bits) { return bits - 1; }
constexpr int32_t PlaneWeight(int bits, int plane) { return 1 << (bits - 2 - plane); }

struct RowCodes {
  double scale = 1;  // > 0
  std::vector<int32_t> codes;
};

struct SplitRow {
  int bits = 8;
  double scale = 1;            // > 0
  std::vector<int8_t> digits;  // (planes, K)
};

// Stage fwa: from scale max|w|/q, codes to the nearest and scale <w,code>/<code,code> in turn until no code changes.
// Each step lowers the squared error or ends, so that the cap on the steps is a guard only.  A row of zeros, or of
// values too small for a float scale, has scale 1 and codes 0.
RowCodes FixedPointCodes(const float* row, int64_t size, int bits);

// The binary digits of |code|, each with the code's sign.
std::vector<int8_t> Split(const std::vector<int32_t>& codes, int bits);
std::vector<int32_t> Stitch(const std::vector<int8_t>& digits, int bits);

// Stage ofwa: scale <w,code>/<code,code>, then each plane to the nearest digit given the others, at most
// kRefineRounds times, ending where no digit changes: what follows would repeat it.  Never raises the squared error.
constexpr int kRefineRounds = 50;
void RefineOnWeights(const float* row, SplitRow& split);

// fwa, split and ofwa.
SplitRow QuantizeRow(const float* row, int64_t size, int bits);

// sum (w - scale * code)^2.
double SquaredError(const float* row, double scale, const std::vector<int32_t>& codes);

}  // namespace ptq::bit_split
