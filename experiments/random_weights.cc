#include "experiments/random_weights.h"

#include <cmath>
#include <functional>
#include <numeric>
#include <string>

#include "core/base/parallel.h"
#include "core/base/random.h"
#include "core/vit/op.h"
#include "core/vit/parameters.h"

namespace ptq::experiments {
namespace {

constexpr double kDeviation = 0.02;
constexpr double kCut = 2;

float TruncatedNormal(RandomStream& random) {
  double value = random.NextNormal();
  while (std::abs(value) > kCut) {
    value = random.NextNormal();
  }
  return static_cast<float>(kDeviation * value);
}

// 1 of a LayerNorm's weight, 0 of its bias; otherwise drawn.
vit::HostTensor Draw(const vit::ParameterShape& parameter, uint64_t seed) {
  const auto& [name, shape] = parameter;
  const int64_t count = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  const size_t dot = name.rfind('.');
  if (dot != std::string::npos && vit::ParseNorm(name.substr(0, dot)).ok()) {
    return vit::MakeTensor(std::vector<float>(count, name.substr(dot) == ".weight" ? 1.0F : 0.0F), shape);
  }
  RandomStream random(seed, "random_weights/" + name);
  std::vector<float> values(count);
  for (float& value : values) {
    value = TruncatedNormal(random);
  }
  return vit::MakeTensor(values, shape);
}

}  // namespace

vit::TensorMap RandomWeights(const vit::VitConfig& config, uint64_t seed, int threads) {
  const std::vector<vit::ParameterShape> parameters = vit::RequiredParameters(config);
  std::vector<vit::HostTensor> tensors(parameters.size());
  ParallelFor(threads, static_cast<int64_t>(parameters.size()),
              [&](int64_t i) { tensors[i] = Draw(parameters[i], seed); });
  vit::TensorMap map;
  for (size_t i = 0; i < parameters.size(); ++i) {
    map.emplace(parameters[i].name, std::move(tensors[i]));
  }
  return map;
}

}  // namespace ptq::experiments
