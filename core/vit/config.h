// config.h: the geometry of a DeiT or ViT.  Plain data, no LibTorch.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"

namespace ptq::vit {

struct VitConfig {
  int64_t image_size = 224;  // pixels, square
  int64_t patch_size = 16;   // pixels; divides image_size
  int64_t channels = 3;      // of the image
  int64_t width = 192;       // C, the embedding dimension; a multiple of heads
  int64_t depth = 12;        // blocks
  int64_t heads = 3;         // H
  int64_t mlp_hidden = 768;  // width of the MLP's hidden layer
  int64_t classes = 1000;
  bool distilled = false;  // DeiT's second token and head; the two heads' logits are averaged
  double layer_norm_eps = 1e-6;

  int64_t head_width() const { return width / heads; }  // D
  int64_t patches() const { return (image_size / patch_size) * (image_size / patch_size); }
  int64_t prefix_tokens() const { return distilled ? 2 : 1; }
  int64_t tokens() const { return patches() + prefix_tokens(); }  // N
  int64_t patch_elements() const { return channels * patch_size * patch_size; }
};

// InvalidArgument where a size is not positive, absurdly large (over 2^20), or does not divide as promised above.
Status Validate(const VitConfig& config);

// All weights and biases, exact: DeiT-Tiny has 5,717,416.
int64_t ParameterCount(const VitConfig& config);

// "image 224, patch 16, width 192, ...", the text that goes into a trial's record.
std::string ToString(const VitConfig& config);

}  // namespace ptq::vit
