// scheme.h: what is asked of a method: how many bits, how fine, and which ops.
//
// The experiment states a scheme; a method either meets it or says why it cannot (Method::Supports).
#pragma once

#include <string>

#include "core/base/error.h"
#include "core/quant/quant_params.h"
#include "core/vit/op.h"

namespace ptq::method {

struct Scheme {
  int weight_bits = 8;      // 2..16
  int activation_bits = 8;  // 2..16; also the bits of both operands of qk and pv
  quant::Granularity weight_granularity = quant::Granularity::kPerTensor;  // per_channel: one scale per output row
  bool quantize_patch_embed = true;
  bool quantize_head = true;
  bool quantize_attention_products = true;  // qk and pv
  // Bits of the patch embedding's input, the picture itself; 0: activation_bits, 32: it stays in float.  Papers differ
  // silently: PTQ4ViT leaves it in float, RepQ-ViT takes 8 bits.
  int patch_input_bits = 0;
  // Mixed precision: the bits above are the target; a method chooses bits per group of ops so that the model is about
  // as small as at the target everywhere.  Asked of methods with MethodInfo::mixes_bits only; weight and activation
  // bits are equal.
  bool mixed = false;

  // Whether the scheme quantizes this op.
  bool Covers(const vit::OpId& op) const;
  // Whether the scheme quantizes this operand: of a covered op, and not a patch embedding's input left in float.
  bool Covers(const vit::OperandId& operand) const;
  // Bits of an operand that it quantizes: weight_bits for weights, else activation_bits or patch_input_bits.
  int BitsOf(const vit::OperandId& operand) const;
  // "W8A8", "W8A8 MP".
  std::string ShortName() const;
  // Every field, canonical; part of a trial's key.  `patch_input_bits` and `mixed` are written only where they are set.
  std::string ToString() const;
};

Status Validate(const Scheme& scheme);

}  // namespace ptq::method
