#include "data/embedded/pictures.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "data/embedded/generator.h"

namespace ptq::data {

Pictures DrawSplit(const std::string& split) {
  const int64_t count = EmbeddedCount(split).value();
  at::Tensor rows = at::empty({count, kEmbeddedSize, kEmbeddedSize, 3}, at::kByte);
  Pictures pictures;
  pictures.labels = at::empty({count}, at::kLong);
  const int64_t bytes = kEmbeddedSize * kEmbeddedSize * 3;
  for (int64_t i = 0; i < count; ++i) {
    const EmbeddedSample sample = DrawEmbedded(split, i);
    std::memcpy(rows.data_ptr<uint8_t>() + i * bytes, sample.image.pixels.data(), bytes);
    pictures.labels.data_ptr<int64_t>()[i] = sample.label;
  }
  pictures.pixels = rows.permute({0, 3, 1, 2}).contiguous();
  return pictures;
}

at::Tensor Normalized(const at::Tensor& pixels, const at::Device& device) {
  return pixels.to(device).to(at::kFloat).div(127.5).sub(1.0);
}

at::Tensor Predict(const vit::VitModel& model, const Pictures& pictures, int threads) {
  constexpr int64_t kBatch = 250;
  at::Tensor predictions = at::empty({pictures.count()}, at::kLong);
  const at::Device device = model.parameter("pos_embed").device();
  auto work = [&](int first) {
    const torch::NoGradGuard no_grad;
    vit::OpEngine engine;
    for (int64_t begin = first * kBatch; begin < pictures.count(); begin += threads * kBatch) {
      const int64_t size = std::min(kBatch, pictures.count() - begin);
      const at::Tensor images = Normalized(pictures.pixels.narrow(0, begin, size), device);
      predictions.narrow(0, begin, size).copy_(model.Forward(images, engine).argmax(1));
    }
  };
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back(work, i);
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  return predictions;
}

double AccuracyFraction(const vit::VitModel& model, const Pictures& pictures, int threads) {
  return Predict(model, pictures, threads).eq(pictures.labels).to(at::kDouble).mean().item<double>();
}

}  // namespace ptq::data
