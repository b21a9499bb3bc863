#include "core/method/scheme.h"

namespace ptq::method {
namespace {

constexpr int kFloatBits = 32;

}  // namespace

bool Scheme::Covers(const vit::OpId& op) const {
  switch (op.kind) {
    case vit::OpKind::kPatchEmbed:
      return quantize_patch_embed;
    case vit::OpKind::kHead:
    case vit::OpKind::kHeadDist:
      return quantize_head;
    case vit::OpKind::kQk:
    case vit::OpKind::kPv:
      return quantize_attention_products;
    default:
      return true;
  }
}

bool Scheme::Covers(const vit::OperandId& operand) const {
  const bool picture = operand.op.kind == vit::OpKind::kPatchEmbed && operand.side == vit::Side::kLeft;
  return Covers(operand.op) && !(picture && patch_input_bits == kFloatBits);
}

int Scheme::BitsOf(const vit::OperandId& operand) const {
  if (operand.is_weight()) {
    return weight_bits;
  }
  return operand.op.kind == vit::OpKind::kPatchEmbed && patch_input_bits != 0 ? patch_input_bits : activation_bits;
}

std::string Scheme::ShortName() const {
  return "W" + std::to_string(weight_bits) + "A" + std::to_string(activation_bits) + (mixed ? " MP" : "");
}

std::string Scheme::ToString() const {
  auto flag = [](const char* name, bool value) { return std::string(" ") + name + "=" + (value ? "true" : "false"); };
  return "weight_bits=" + std::to_string(weight_bits) + " activation_bits=" + std::to_string(activation_bits) +
         " weight_granularity=" + quant::Name(weight_granularity) + flag("quantize_patch_embed", quantize_patch_embed) +
         flag("quantize_head", quantize_head) + flag("quantize_attention_products", quantize_attention_products) +
         (patch_input_bits != 0 ? " patch_input_bits=" + std::to_string(patch_input_bits) : "") +
         (mixed ? flag("mixed", true) : "");
}

Status Validate(const Scheme& scheme) {
  for (const auto& [name, bits] :
       {std::pair{"weight_bits", scheme.weight_bits}, std::pair{"activation_bits", scheme.activation_bits}}) {
    if (bits < quant::kMinBits || bits > quant::kMaxBits) {
      return InvalidArgument(std::string(name) + " is " + std::to_string(bits) + "; it must lie in 2..16");
    }
  }
  const int picture = scheme.patch_input_bits;
  if (picture != 0 && picture != kFloatBits && (picture < quant::kMinBits || picture > quant::kMaxBits)) {
    return InvalidArgument("patch_input_bits is " + std::to_string(picture) +
                           "; it must lie in 2..16, or be 32 (float) or 0 (as other activations)");
  }
  if (scheme.mixed && picture != 0) {
    return InvalidArgument("patch_input_bits has no meaning under mixed precision, which chooses widths itself");
  }
  if (scheme.mixed && scheme.weight_bits != scheme.activation_bits) {
    return InvalidArgument(
        scheme.ShortName() +
        ": under mixed precision weights and activations of a group share one width; write equal bits");
  }
  return OkStatus();
}

}  // namespace ptq::method
