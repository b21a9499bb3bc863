#include "tests/baselines/quantize_tiny.h"

#include <ATen/ATen.h>

namespace ptq::baselines {
namespace {

class ValueVisitor final : public calib::OpVisitor {
 public:
  explicit ValueVisitor(std::map<vit::OperandId, std::vector<float>>& values) : values_(values) {}
  Status Observe(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right, const at::Tensor&) override {
    Append({op, vit::Side::kLeft}, left);
    if (!op.has_weight() || values_.count({op, vit::Side::kRight}) == 0) {
      Append({op, vit::Side::kRight}, right);
    }
    return OkStatus();
  }

 private:
  void Append(const vit::OperandId& operand, const at::Tensor& x) {
    const at::Tensor in = x.contiguous();
    std::vector<float>& values = values_[operand];
    values.insert(values.end(), in.data_ptr<float>(), in.data_ptr<float>() + in.numel());
  }
  std::map<vit::OperandId, std::vector<float>>& values_;
};

}  // namespace

QuantizeTiny::QuantizeTiny() : model_(testing::TinyModel()), images_(testing::RandomImages(model_.config(), 20)) {
  NullProgress progress;
  calib::Calibration calibration(model_, images_, progress);
  ValueVisitor visitor(values_);
  PTQ_CHECK(calibration.Visit(visitor).ok());
}

Result<method::Plan> QuantizeTiny::Run(const method::Method& method, const method::Scheme& scheme,
                                       const std::map<std::string, method::ParameterValue>& given) {
  NullProgress progress;
  PTQ_ASSIGN_OR_RETURN(const method::Parameters parameters,
                       method::Parameters::Resolve(method.info().parameters, given, scheme.mixed));
  PTQ_RETURN_IF_ERROR(method::CheckSupport(method, scheme, parameters, model_.config()));
  calib::Calibration calibration(model_, images_, progress);
  NullCheckpoint checkpoint;
  return method.Quantize({model_, calibration, scheme, parameters, RandomStream(1, "tiny"), progress, checkpoint});
}

}  // namespace ptq::baselines
