#include "experiments/plan_file.h"

#include "data/weights/safetensors.h"

namespace ptq::experiments {

Status WritePlan(const std::string& path, const method::Plan& plan) {
  method::EncodedPlan encoded = method::Encode(plan);
  return data::WriteSafetensors(path, {std::move(encoded.tensors), std::move(encoded.metadata)});
}

Result<method::Plan> ReadPlan(const std::string& path) {
  PTQ_ASSIGN_OR_RETURN(data::SafetensorsFile file, data::ReadSafetensors(path));
  Result<method::Plan> plan = method::Decode({std::move(file.tensors), std::move(file.metadata)});
  if (!plan.ok()) {
    const Error& error = plan.error();
    return Error{error.code, error.ToString(), path};
  }
  return plan;
}

}  // namespace ptq::experiments
