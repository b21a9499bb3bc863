#include "core/method/op_noise.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "core/method/fake_quant_engine.h"

namespace ptq::method {
namespace {

// Gives float products and compares each with the quantized one.
class NoiseEngine final : public vit::OpEngine {
 public:
  NoiseEngine(const vit::VitModel& model, const Plan& plan) : quantized_(model, plan) {}

  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    at::Tensor exact = OpEngine::Linear(op, input, weight, bias);
    Compare(op, exact, quantized_.Linear(op, input, weight, bias));
    return exact;
  }
  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) override {
    at::Tensor exact = OpEngine::MatMul(op, left, right);
    Compare(op, exact, quantized_.MatMul(op, left, right));
    return exact;
  }

  std::vector<OpNoise> Result() const {
    std::vector<OpNoise> result;
    for (const auto& [op, sums] : sums_) {
      const double ratio = sums.noise > 0 ? sums.signal / sums.noise : std::numeric_limits<double>::infinity();
      result.push_back({op, 10 * std::log10(ratio)});
    }
    std::stable_sort(result.begin(), result.end(),
                     [](const OpNoise& a, const OpNoise& b) { return a.signal_to_noise_db < b.signal_to_noise_db; });
    return result;
  }

 private:
  struct Sums {
    double signal = 0, noise = 0;
  };
  void Compare(const vit::OpId& op, const at::Tensor& exact, const at::Tensor& quantized) {
    Sums& sums = sums_[op];
    sums.signal += exact.square().sum(at::kDouble).item<double>();
    sums.noise += (exact - quantized).square().sum(at::kDouble).item<double>();
  }

  FakeQuantEngine quantized_;
  std::map<vit::OpId, Sums> sums_;
};

}  // namespace

std::vector<OpNoise> MeasureOpNoise(const vit::VitModel& model, const Plan& plan, const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  NoiseEngine engine(model, plan);
  model.Forward(images, engine);
  return engine.Result();
}

}  // namespace ptq::method
