#include "tests/testing/tiny_model.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/random.h"

namespace ptq::testing {

vit::VitModel RandomModel(const vit::VitConfig& config, uint64_t seed) {
  return vit::VitModel::Create(config, RandomParameters(config, seed)).value();
}

at::Tensor RandomTensor(at::IntArrayRef shape, uint64_t seed) {
  RandomStream stream(seed, "tensor");
  at::Tensor out = at::empty(shape, at::kFloat);
  float* data = out.data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i) {
    data[i] = static_cast<float>(stream.NextNormal());
  }
  return out;
}

at::Tensor RandomImages(const vit::VitConfig& config, int64_t count, uint64_t seed) {
  return RandomTensor({count, config.channels, config.image_size, config.image_size}, seed);
}

Status MemoryImages::ForEachBatch(int64_t batch_size, const std::function<Status(const at::Tensor&)>& visit) {
  for (int64_t begin = 0; begin < count(); begin += batch_size) {
    PTQ_RETURN_IF_ERROR(visit(images_.narrow(0, begin, std::min(batch_size, count() - begin))));
  }
  return OkStatus();
}

bool BitEqual(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor left = a.contiguous();
  const at::Tensor right = b.contiguous();
  return left.scalar_type() == right.scalar_type() && left.sizes() == right.sizes() &&
         (left.numel() == 0 || std::memcmp(left.data_ptr(), right.data_ptr(), left.nbytes()) == 0);
}

std::map<std::string, at::Tensor> Snapshot(const vit::VitModel& model) {
  std::map<std::string, at::Tensor> copies;
  for (const auto& [name, tensor] : model.parameters()) {
    copies[name] = tensor.clone();
  }
  return copies;
}

bool Unchanged(const vit::VitModel& model, const std::map<std::string, at::Tensor>& snapshot) {
  return model.parameters().size() == snapshot.size() &&
         std::all_of(snapshot.begin(), snapshot.end(),
                     [&](const auto& entry) { return BitEqual(model.parameter(entry.first), entry.second); });
}

double SignalToNoise(const at::Tensor& a, const at::Tensor& b) {
  const double signal = a.to(at::kDouble).square().sum().item<double>();
  const double noise = (a.to(at::kDouble) - b.to(at::kDouble)).square().sum().item<double>();
  return 10 * std::log10(signal / noise);
}

}  // namespace ptq::testing
