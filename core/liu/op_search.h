// op_search.h: the intervals of one op at given bits, found over its captured operands (Liu et al. 2021, Section 3).
#pragma once

#include <functional>
#include <map>
#include <string>

#include "core/calib/op_capture.h"
#include "core/liu/settings.h"
#include "core/method/method.h"

namespace ptq::liu {

struct OpBits {
  int weight = 8, activation = 8;

  int Of(const vit::OperandId& operand) const { return operand.is_weight() ? weight : activation; }
};

// What a search found: QuantParams of both operands, ready for a plan.
struct FoundOp {
  quant::QuantParams left, right;
};

// Searches ops, and remembers what it found: in memory, and in the checkpoint across runs.
class OpSearcher {
 public:
  // All references outlive the searcher.
  OpSearcher(const Settings& settings, const method::QuantizeInputs& inputs);

  // Whether the op's objective has the ranking term.
  bool Ranks(const vit::OpId& op) const;
  // All that a search of the op depends on besides the model, the images and what it stands behind.
  std::string Key(const vit::OpId& op, OpBits bits, const std::string& prefix) const;

  // The op's intervals.  `capture` is called only where they are not yet known; prefix names the quantized ops that the
  // operands come from behind ("" for the float model's).
  // Errors: those of capture and the checkpoint; InvalidArgument naming an operand that is the same everywhere;
  // Interrupted.
  Result<FoundOp> Find(const vit::OpId& op, OpBits bits, const std::string& prefix,
                       const std::function<Result<const calib::CapturedOp*>()>& capture);

 private:
  Result<FoundOp> Search(const calib::CapturedOp& captured, OpBits bits) const;

  const Settings& settings_;
  const method::QuantizeInputs& inputs_;
  std::map<std::string, FoundOp> known_;
};

}  // namespace ptq::liu
