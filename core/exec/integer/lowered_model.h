// lowered_model.h: a model under a plan, as products and code maps: all that does not change from image to image.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/exec/integer/integer_executor.h"
#include "core/exec/integer/products.h"
#include "core/exec/integer/stored_codes.h"

namespace ptq::exec {

// A linear op.  Integer: its left operand is bytes from `left`.  Float: floats, fake-quantized by `float_left` where
// the plan has it.
struct LoweredLinear {
  vit::OpId op;
  bool integer = false;
  StoredActivation left;
  std::optional<quant::QuantParams> float_left;
  int64_t rows = 0, inner = 0, columns = 0;
  std::unique_ptr<Linear> product;
  // Where codes of the weight have a zero or a correction: y[i][j] += (sum of row i's left values) * column_values[j].
  // Empty: nothing to add.
  std::vector<float> column_values;
};

struct LoweredNorm {
  std::vector<float> gamma, beta;
  float eps = 1e-6F;
  std::optional<quant::QuantParams> input;  // fake-quantized in place, the stream too
};

// qk and pv.  Integer: both operands are bytes, parameters one or per head.
struct LoweredAttention {
  bool qk_integer = false, pv_integer = false;
  bool qkv_stores_codes = false;             // the qkv product itself writes q, k and v as codes
  std::vector<StoredActivation> q, k, p, v;  // of integer ops
  std::optional<quant::QuantParams> float_q, float_k, float_p, float_v;  // of float ops
  // By part of the rows: a head is worked on in `parts` slices of its rows.
  struct Slice {
    int64_t begin = 0, end = 0;
    std::unique_ptr<Attention> qk, pv;
  };
  std::vector<Slice> slices;
};

struct LoweredBlock {
  LoweredNorm norm1, norm2;
  LoweredLinear qkv, proj, fc1, fc2;
  LoweredAttention attention;
};

struct LoweredModel {
  vit::VitConfig config;
  InstructionSet set = InstructionSet::kScalar;
  int threads = 1;  // of each step
  LoweredLinear patch_embed;
  std::vector<float> first_stream;  // (N, C): class tokens and position embedding, to which patches are added
  std::vector<LoweredBlock> blocks;
  LoweredNorm norm;
  std::vector<LoweredLinear> heads;  // one, or two of a distilled model
  std::vector<OpExecution> ops;

  // Row stride of scores and probabilities: N rounded up to a cache line of floats.
  int64_t score_stride() const { return (config.tokens() + 15) / 16 * 16; }
};

// model: with the plan's replaced parameters.  The plan is valid and has no grid without an integer kernel (CHECKed).
std::unique_ptr<LoweredModel> Lower(const vit::VitModel& model, const method::Plan& plan, InstructionSet set,
                                    int threads);

}  // namespace ptq::exec
