#include "data/embedded/channel_spread.h"

#include <ATen/ATen.h>

#include <string>

#include "core/base/random.h"

namespace ptq::data {
namespace {

at::Tensor DrawFactors(int64_t channels, RandomStream random) {
  at::Tensor factors = at::empty({channels}, at::kFloat);
  for (int64_t c = 0; c < channels; ++c) {
    const uint64_t percent = random.NextBelow(100);
    factors.data_ptr<float>()[c] = percent < 5 ? 4.0F : percent < 20 ? 2.0F : 1.0F;
  }
  return factors;
}

}  // namespace

void SpreadChannels(const vit::VitModel& model, uint64_t seed) {
  const at::NoGradGuard no_grad;
  const std::string stream = model.config().distilled ? "embedded/spread/distilled/" : "embedded/spread/";
  for (int64_t block = 0; block < model.config().depth; ++block) {
    const std::string path = "blocks." + std::to_string(block);
    for (const auto& [norm, reader] : {std::pair{".norm1", ".attn.qkv"}, std::pair{".norm2", ".mlp.fc1"}}) {
      at::Tensor weight = model.parameter(path + norm + ".weight");
      at::Tensor bias = model.parameter(path + norm + ".bias");
      at::Tensor columns = model.parameter(path + reader + ".weight");
      const at::Tensor factors =
          DrawFactors(model.config().width, RandomStream(seed, stream + path + norm)).to(weight.device());
      weight.mul_(factors);
      bias.mul_(factors);
      columns.div_(factors);
    }
  }
}

}  // namespace ptq::data
