// quantize_tiny.h: runs one method on the tiny model.
#pragma once

#include <map>
#include <string>

#include "core/method/method.h"
#include "tests/testing/tiny_model.h"

namespace ptq::baselines {

// The tiny model, its 20 calibration images, and the float operands that a method sees.
class QuantizeTiny {
 public:
  QuantizeTiny();
  Result<method::Plan> Run(const method::Method& method, const method::Scheme& scheme = {},
                           const std::map<std::string, method::ParameterValue>& given = {});
  // All values of an activation operand over the calibration images, or the weight.
  const std::vector<float>& ValuesOf(const vit::OperandId& operand) const { return values_.at(operand); }
  const vit::VitModel& model() const { return model_; }

 private:
  vit::VitModel model_;
  testing::MemoryImages images_;
  std::map<vit::OperandId, std::vector<float>> values_;
};

}  // namespace ptq::baselines
