// image.h: a decoded picture.
#pragma once

#include <cstdint>
#include <vector>

namespace ptq::data {

// 8-bit RGB, rows from the top, pixels interleaved: pixels[(y * width + x) * 3 + channel].
struct Image {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> pixels;
};

}  // namespace ptq::data
