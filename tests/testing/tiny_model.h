// tiny_model.h: tiny_config.h as a model, with images for it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "core/calib/calibration.h"
#include "core/vit/model.h"
#include "tests/testing/tiny_config.h"

namespace ptq::testing {

vit::VitModel RandomModel(const vit::VitConfig& config, uint64_t seed = 1);
inline vit::VitModel TinyModel(bool distilled = false, uint64_t seed = 1) {
  return RandomModel(TinyConfig(distilled), seed);
}

// Standard normal numbers of a RandomStream, float32.
at::Tensor RandomTensor(at::IntArrayRef shape, uint64_t seed);
// (count, channels, S, S), standard normal.
at::Tensor RandomImages(const vit::VitConfig& config, int64_t count, uint64_t seed = 2);

// Calibration images that lie in memory.
class MemoryImages final : public calib::ImageSource {
 public:
  explicit MemoryImages(at::Tensor images) : images_(std::move(images)) {}
  int64_t count() const override { return images_.size(0); }
  Status ForEachBatch(int64_t batch_size, const std::function<Status(const at::Tensor&)>& visit) override;

 private:
  at::Tensor images_;
};

// Asks to stop once `steps` images-times-stages have passed.
class StoppingProgress final : public Progress {
 public:
  explicit StoppingProgress(int64_t steps) : left_(steps) {}
  void Begin(const std::string&, int64_t) override {}
  void Advance(int64_t steps) override { left_ -= steps; }
  void End() override {}
  bool stop_requested() const override { return left_ <= 0; }

 private:
  int64_t left_;
};

// Same type, shape and bytes; tells 0 from -0.
bool BitEqual(const at::Tensor& a, const at::Tensor& b);

// Copies of a model's parameters, to hold against the model later.
std::map<std::string, at::Tensor> Snapshot(const vit::VitModel& model);
bool Unchanged(const vit::VitModel& model, const std::map<std::string, at::Tensor>& snapshot);

// 10 log10 (sum a^2 / sum (a-b)^2), in decibels.
double SignalToNoise(const at::Tensor& a, const at::Tensor& b);

}  // namespace ptq::testing
