// pictures.h: a split of the embedded data set as LibTorch tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "core/vit/model.h"

namespace ptq::data {

struct Pictures {
  at::Tensor pixels;  // (count, 3, 32, 32) uint8
  at::Tensor labels;  // (count) int64
  int64_t count() const { return labels.size(0); }
};

// Every picture of the split.
Pictures DrawSplit(const std::string& split);

// Float32 on the device, (x/255 - 0.5)/0.5: the preprocessing that data/models.toml declares.
at::Tensor Normalized(const at::Tensor& pixels, const at::Device& device);

// The class of highest logit for every picture (int64), `threads` batches at a time.
at::Tensor Predict(const vit::VitModel& model, const Pictures& pictures, int threads);

// The share of correct predictions, 0..1.
double AccuracyFraction(const vit::VitModel& model, const Pictures& pictures, int threads);

}  // namespace ptq::data
