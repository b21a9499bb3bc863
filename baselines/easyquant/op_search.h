// op_search.h: EasyQuant's intervals of one op, over its captured operands.
#pragma once

#include <functional>
#include <string>

#include "baselines/easyquant/rounds.h"
#include "baselines/easyquant/settings.h"
#include "core/calib/op_capture.h"
#include "core/method/method.h"

namespace ptq::baselines::easyquant {

// Searches ops, and keeps what it found in the checkpoint.
class OpSearcher {
 public:
  // Both outlive the searcher.
  OpSearcher(const Settings& settings, const method::QuantizeInputs& inputs) : settings_(settings), inputs_(inputs) {}

  // All that a search of the op depends on besides the model and the images; prefix names the quantized ops that its
  // operands come from behind ("" for the float model's).
  std::string Key(const vit::OpId& op, const std::string& prefix) const;

  // The op's intervals.  Where the scheme leaves the left operand in float (the picture), `left` is a fine grid that
  // stood for it and is no part of a plan.  `capture` is called only where the checkpoint does not know them.
  // Errors: those of capture and the checkpoint; InvalidArgument naming a weight that is not finite; Interrupted.
  Result<Intervals> Find(const vit::OpId& op, const std::string& prefix,
                         const std::function<Result<calib::CapturedOp>()>& capture) const;

 private:
  bool LeftStaysFloat(const vit::OpId& op) const;
  // One interval per output row, or per third of a fused qkv weight.
  bool HasRowScales(const vit::OpId& op) const;
  Result<Intervals> Search(const calib::CapturedOp& captured) const;
  Result<quant::QuantParams> InitialActivation(const at::Tensor& x, const vit::OperandId& operand) const;
  Result<quant::QuantParams> InitialWeight(const at::Tensor& weight, const vit::OpId& op) const;
  Result<Intervals> FromKept(const vit::OpId& op, const std::string& text) const;

  const Settings& settings_;
  const method::QuantizeInputs& inputs_;
};

}  // namespace ptq::baselines::easyquant
