// op_search.h: the intervals of one op at given bits, found over its captured operands (Liu et al. 2021, Section 3).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/checkpoint.h"
#include "core/base/progress.h"
#include "core/calib/op_capture.h"
#include "core/liu/settings.h"
#include "core/method/scheme.h"
#include "core/vit/config.h"

namespace ptq::liu {

struct OpBits {
  int weight = 8, activation = 8;

  int Of(const vit::OperandId& operand) const { return operand.is_weight() ? weight : activation; }
};

// What a search found: QuantParams of both operands, ready for a plan.
struct FoundOp {
  quant::QuantParams left, right;
  double objective = 0;
  int64_t rounds = 0;
};

std::string ToJson(const FoundOp& found);
Result<FoundOp> FoundOpFromJson(const std::string& json);

// Searches ops, and remembers what it found: in memory, and in the checkpoint across runs.
class OpSearcher {
 public:
  // All references outlive the searcher.
  OpSearcher(const Settings& settings, const vit::VitConfig& config, quant::Granularity weight_granularity,
             Checkpoint& checkpoint, Progress& progress, const vit::VitModel& model);

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
  const vit::VitConfig& config_;
  const quant::Granularity weight_granularity_;
  Checkpoint& checkpoint_;
  Progress& progress_;
  const vit::VitModel& model_;
  std::map<std::string, FoundOp> known_;
};

// The initial interval of an operand: `x` per tensor, or per row of a weight.  Errors: those of quant::ParamsFromRange.
Result<quant::QuantParams> InitialParams(const at::Tensor& x, quant::Grid grid, int num_bits,
                                         quant::Granularity granularity, InitialInterval rule);

}  // namespace ptq::liu
