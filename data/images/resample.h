// resample.h: the two-pass resampling of Pillow (its src/libImaging/Resample.c), for a window of the result.
#pragma once

#include "data/images/image.h"
#include "data/images/preprocess.h"

namespace ptq::data {

struct Window {
  int64_t x = 0;
  int64_t y = 0;
  int64_t width = 0;
  int64_t height = 0;
};

// The pixels of `window` of the picture resized to (width, height), without computing the rest.  The window lies inside
// the resized picture; the picture has pixels.
Image ResampleWindow(const Image& image, int64_t width, int64_t height, const Window& window,
                     Interpolation interpolation);

}  // namespace ptq::data
