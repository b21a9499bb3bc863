#include "core/method/method.h"

#include <algorithm>

#include "core/base/nearest_name.h"

namespace ptq::method {

Status CheckSupport(const Method& method, const Scheme& scheme, const Parameters& parameters,
                    const vit::VitConfig& config) {
  if (scheme.mixed && !method.info().mixes_bits) {
    return Unsupported(method.info().id + " uses the same bits everywhere; it has no mixed precision");
  }
  return method.Supports(scheme, parameters, config);
}

std::vector<vit::OperandId> CoveredOperands(const Scheme& scheme, const vit::VitConfig& config) {
  std::vector<vit::OperandId> operands;
  for (const vit::OpId& op : vit::AllOps(config)) {
    for (const vit::Side side : {vit::Side::kLeft, vit::Side::kRight}) {
      if (scheme.Covers(vit::OperandId{op, side})) {
        operands.push_back({op, side});
      }
    }
  }
  return operands;
}

std::vector<vit::OperandId> Activations(const std::vector<vit::OperandId>& operands) {
  std::vector<vit::OperandId> activations;
  std::copy_if(operands.begin(), operands.end(), std::back_inserter(activations),
               [](const vit::OperandId& operand) { return !operand.is_weight(); });
  return activations;
}

Status Registry::Add(std::unique_ptr<Method> method) {
  const MethodInfo& info = method->info();
  const bool well_formed = !info.id.empty() && std::all_of(info.id.begin(), info.id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!well_formed) {
    return InvalidArgument("method id '" + info.id + "' must consist of lower-case letters, digits and '_'");
  }
  for (const auto& other : methods_) {
    if (other->info().id == info.id) {
      return InvalidArgument("method id '" + info.id + "' is registered twice: '" + other->info().summary + "' and '" +
                             info.summary + "'");
    }
  }
  methods_.push_back(std::move(method));
  return OkStatus();
}

Result<const Method*> Registry::Find(const std::string& id) const {
  std::vector<std::string> ids;
  std::string list;
  for (const auto& method : methods_) {
    if (method->info().id == id) {
      return static_cast<const Method*>(method.get());
    }
    ids.push_back(method->info().id);
    list += (list.empty() ? "" : ", ") + ids.back();
  }
  return NotFound("no method is called '" + id + "'" + DidYouMean(id, ids) + " (there are: " + list + ")");
}

}  // namespace ptq::method
