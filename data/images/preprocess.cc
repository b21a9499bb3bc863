#include "data/images/preprocess.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/base/check.h"
#include "data/images/resample.h"

namespace ptq::data {
namespace {

std::string ShortestText(float value) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

std::string Join(const std::array<float, 3>& values) {
  return ShortestText(values[0]) + "," + ShortestText(values[1]) + "," + ShortestText(values[2]);
}

// One axis of a centre crop: `length` pixels from `begin` on, put at `pad` of the result.
struct CropSpan {
  int64_t begin = 0;
  int64_t length = 0;
  int64_t pad = 0;
};

CropSpan CenterSpan(int64_t size, int64_t crop) {
  if (size < crop) return {0, size, (crop - size) / 2};
  const int64_t margin = size - crop;
  const int64_t half = margin / 2;
  // An odd margin puts half a pixel on each side: to the even one of its two neighbours.
  return {margin % 2 == 0 ? half : half + half % 2, crop, 0};
}

// The picture in the middle of a black square, moved by the spans' pads.
Image Pad(Image image, const CropSpan& x, const CropSpan& y, int64_t size) {
  if (image.width == size && image.height == size) return image;
  Image padded{size, size, std::vector<uint8_t>(static_cast<size_t>(size * size) * 3)};
  for (int64_t row = 0; row < image.height; ++row) {
    const auto from = image.pixels.begin() + row * image.width * 3;
    std::copy(from, from + image.width * 3, padded.pixels.begin() + ((y.pad + row) * size + x.pad) * 3);
  }
  return padded;
}

// (width, height) after the shorter side became `size`.
std::pair<int64_t, int64_t> ShorterSideSize(const Image& image, int64_t size) {
  PTQ_CHECK(size > 0 && image.width > 0 && image.height > 0) << size;
  if (image.width <= image.height) return {size, size * image.height / image.width};
  return {size * image.width / image.height, size};
}

Image CropOfResized(const Image& image, int64_t width, int64_t height, int64_t crop, Interpolation interpolation) {
  PTQ_CHECK(crop > 0) << crop;
  const CropSpan x = CenterSpan(width, crop);
  const CropSpan y = CenterSpan(height, crop);
  return Pad(ResampleWindow(image, width, height, {x.begin, y.begin, x.length, y.length}, interpolation), x, y, crop);
}

}  // namespace

const char* Name(Interpolation interpolation) {
  return interpolation == Interpolation::kBicubic ? "bicubic" : "bilinear";
}

std::string ToString(const Preprocessing& preprocessing) {
  return "resize=" + std::to_string(preprocessing.resize) + " crop=" + std::to_string(preprocessing.crop) +
         " interpolation=" + Name(preprocessing.interpolation) + " mean=" + Join(preprocessing.mean) +
         " std=" + Join(preprocessing.std);
}

Image Resize(const Image& image, int64_t width, int64_t height, Interpolation interpolation) {
  return ResampleWindow(image, width, height, {0, 0, width, height}, interpolation);
}

Image ResizeShorterSide(const Image& image, int64_t size, Interpolation interpolation) {
  const auto [width, height] = ShorterSideSize(image, size);
  return Resize(image, width, height, interpolation);
}

Image CenterCrop(const Image& image, int64_t size) {
  return CropOfResized(image, image.width, image.height, size, Interpolation::kBicubic);
}

Image ResizeAndCrop(const Image& image, const Preprocessing& preprocessing) {
  if (preprocessing.resize == 0) return CenterCrop(image, preprocessing.crop);
  const auto [width, height] = ShorterSideSize(image, preprocessing.resize);
  return CropOfResized(image, width, height, preprocessing.crop, preprocessing.interpolation);
}

void Normalize(const Image& image, const Preprocessing& preprocessing, float* out) {
  const size_t pixels = static_cast<size_t>(image.width * image.height);
  for (size_t c = 0; c < 3; ++c) {
    std::array<float, 256> value_of;
    for (size_t level = 0; level < 256; ++level) {
      value_of[level] = (static_cast<float>(level) / 255.0F - preprocessing.mean[c]) / preprocessing.std[c];
    }
    for (size_t i = 0; i < pixels; ++i) *out++ = value_of[image.pixels[3 * i + c]];
  }
}

}  // namespace ptq::data
