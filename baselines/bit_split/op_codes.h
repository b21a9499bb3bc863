// op_codes.h: the stages of weight_codes.h and reconstruction.h over all rows of one op's weight.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "baselines/bit_split/op_recorder.h"
#include "baselines/bit_split/reconstruction.h"
#include "core/quant/quant_params.h"

namespace ptq::bit_split {

// A weight in codes, and how well it did.
struct OpCodes {
  int bits = 8;
  std::vector<float> scale;    // (O)
  std::vector<int16_t> codes;  // (O, K)
  // ||Y - X W'||^2 / ||Y||^2 over the rows, before and after reconstruction; 0 where there was none.
  double error_before = 0, error_after = 0;
  int64_t settled_rows = 0;  // rows that stopped changing before the epochs were over
  int64_t epochs = 0;        // of the row that took most

  // scale * code, (O, K).
  at::Tensor Weight() const;
  quant::QuantParams Params() const;
};

// Stages fwa, split and ofwa.  weight: (O, K) float32, finite.
OpCodes CodesOfWeight(const at::Tensor& weight, int bits, int threads);

// The same and then ofwa_rr: rows.input (P, K) times the codes against rows.output (P, O).  Errors: Interrupted.
Result<OpCodes> ReconstructedCodes(const at::Tensor& weight, const OpRows& rows, int bits,
                                   const ReconstructionOptions& options);

// As bytes for a checkpoint, and back; Corrupt where they are not what Encode wrote for this size.
std::string Encode(const OpCodes& codes);
Result<OpCodes> DecodeCodes(const std::string& bytes, int64_t outputs, int64_t inner, int bits);

}  // namespace ptq::bit_split
