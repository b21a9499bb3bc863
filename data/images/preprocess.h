// preprocess.h: from a picture to a model's input, exact to Pillow and torchvision.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "data/images/image.h"

namespace ptq::data {

enum class Interpolation { kBicubic, kBilinear };

struct Preprocessing {
  int64_t resize = 256;                                   // pixels of the shorter side; 0: no resize
  int64_t crop = 224;                                     // pixels of the centre crop, square
  Interpolation interpolation = Interpolation::kBicubic;  // antialiased, as Pillow does
  std::array<float, 3> mean = {0.485F, 0.456F, 0.406F};
  std::array<float, 3> std = {0.229F, 0.224F, 0.225F};
};

const char* Name(Interpolation interpolation);  // "bicubic", "bilinear"

// Canonical text of every field; part of a trial's key.
std::string ToString(const Preprocessing& preprocessing);

// Pillow's two-pass antialiased resampling in its fixed-point arithmetic: the same bytes.
Image Resize(const Image& image, int64_t width, int64_t height, Interpolation interpolation);

// Shorter side to `size`; the other side is int(size * long / short), truncated as torchvision does: a picture of
// extreme shape becomes huge, ResizeAndCrop does not build it.
Image ResizeShorterSide(const Image& image, int64_t size, Interpolation interpolation);

// Offsets round half to even, as torchvision's center_crop; a picture smaller than the crop is padded with black.
Image CenterCrop(const Image& image, int64_t size);

// ResizeShorterSide and CenterCrop of `preprocessing`, still 8 bit.  Computes the crop's pixels only.
Image ResizeAndCrop(const Image& image, const Preprocessing& preprocessing);

// (x/255 - mean)/std in float32, planar (channel, row, column).  out: 3 * width * height floats.
void Normalize(const Image& image, const Preprocessing& preprocessing, float* out);

}  // namespace ptq::data
