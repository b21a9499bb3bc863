// plan.h: what a method answers with: plain data that any executor can run.
//
// An operand that the plan does not name stays in float.  What a plan cannot express is a new field here, with a test
// in every executor, never a special case keyed on a method's name.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/method/bit_allocation.h"
#include "core/quant/quant_params.h"
#include "core/vit/config.h"
#include "core/vit/op.h"
#include "core/vit/tensor_map.h"

namespace ptq::method {

struct Plan {
  // Who made it, for readers; executors ignore these.
  std::string method;          // "percentile@1"; empty: the float model
  std::string scheme;          // Scheme::ToString()
  std::string parameters;      // Parameters::ToString()
  std::string weights_sha256;  // of the model it was made for; empty: not bound to one

  // Quantization of operands.  Per-channel scales run along axis 0 of a weight (its output rows), along axis 1 of an
  // operand of qk or pv (heads); the input of a linear layer has one scale.
  std::map<vit::OperandId, quant::QuantParams> operands;

  // Quantization of the residual stream where a LayerNorm reads it (vit::OpEngine::NormInput).  Per-channel scales run
  // along axis 2: no product reads the stream, so that a scale per channel costs no integer kernel its reduction.
  std::map<vit::NormId, quant::QuantParams> norm_inputs;

  // Parameters that replace the model's own before execution, under canonical names, float32, same shapes: corrected
  // biases, rounded weights, LayerNorms with scales folded in.  A replaced weight is still quantized by `operands`.
  vit::TensorMap replaced_parameters;

  // What a reader of the row should know of how the plan came about, by name: {"evaluations", "412"}.  Names of lower
  // case letters and '_', values on one line.  A pure function of the method's inputs.  Executors ignore it.
  std::map<std::string, std::string> notes;

  // How the bits were chosen; absent unless the scheme is mixed.  Executors ignore it.
  std::optional<BitAllocation> allocation;

  bool empty() const { return operands.empty() && norm_inputs.empty() && replaced_parameters.empty(); }
};

// The grids of the plan that no integer kernel can run, each once, ascending; empty: the plan can run in integers.
std::vector<std::string> SimulatedOnlyGrids(const Plan& plan);

// The plan fits a model of this geometry: its ops exist, each QuantParams is valid, per-channel axes and lengths are
// those above, notes are well formed.  The error names the operand.
Status Validate(const Plan& plan, const vit::VitConfig& config);

// Plan <-> named tensors and text, the content of a safetensors file (experiments/plan_file.h writes it); decoding
// what was encoded gives the same plan bit for bit.  Format version 1; 2 where the plan has norm_inputs, notes, or a
// QuantParams with more than scales and zero points.
struct EncodedPlan {
  vit::TensorMap tensors;
  std::map<std::string, std::string> metadata;
};
EncodedPlan Encode(const Plan& plan);
// Errors: Corrupt (not a plan, or a damaged one), Unsupported (a newer format version).
Result<Plan> Decode(const EncodedPlan& encoded);

// Sizes of the model under a plan, in bytes.
struct ModelSize {
  // As Liu et al. 2021 count: weights and biases at the weight bits of their op, every other parameter at the plan's
  // target bits, scales ignored.  DeiT-S at 6 bits: 16.5 MB.
  double paper_bytes = 0;
  // Quantized weights at their bits, everything else float32, plus scales and zero points.
  double true_bytes = 0;
};
ModelSize SizeUnder(const Plan& plan, const vit::VitConfig& config);

}  // namespace ptq::method
