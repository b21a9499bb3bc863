#include "core/method/scheme.h"

namespace ptq::method {

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

std::string Scheme::ShortName() const {
  return "W" + std::to_string(weight_bits) + "A" + std::to_string(activation_bits) + (mixed ? " MP" : "");
}

std::string Scheme::ToString() const {
  auto flag = [](const char* name, bool value) { return std::string(" ") + name + "=" + (value ? "true" : "false"); };
  return "weight_bits=" + std::to_string(weight_bits) + " activation_bits=" + std::to_string(activation_bits) +
         " weight_granularity=" + quant::Name(weight_granularity) + flag("quantize_patch_embed", quantize_patch_embed) +
         flag("quantize_head", quantize_head) + flag("quantize_attention_products", quantize_attention_products) +
         (mixed ? flag("mixed", true) : "");
}

Status Validate(const Scheme& scheme) {
  for (const auto& [name, bits] :
       {std::pair{"weight_bits", scheme.weight_bits}, std::pair{"activation_bits", scheme.activation_bits}}) {
    if (bits < quant::kMinBits || bits > quant::kMaxBits) {
      return InvalidArgument(std::string(name) + " is " + std::to_string(bits) + "; it must lie in 2..16");
    }
  }
  if (scheme.mixed && scheme.weight_bits != scheme.activation_bits) {
    return InvalidArgument(
        scheme.ShortName() +
        ": under mixed precision weights and activations of a group share one width; write equal bits");
  }
  return OkStatus();
}

}  // namespace ptq::method
