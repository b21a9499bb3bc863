// orientation.h: the EXIF orientation tag, and pictures turned by it.
#pragma once

#include <cstddef>

#include "data/images/image.h"

namespace ptq::data {

// The tag 0x0112 of a JPEG file, or of an EXIF block that begins with "Exif\0\0".  1 (as stored) where it is absent,
// damaged or outside 1..8.
int ExifOrientation(const std::byte* bytes, size_t size);

// The picture as it is meant to be seen.  orientation: 1..8; 2, 4, 5 and 7 mirror, 5 to 8 swap width and height.
Image Orient(Image image, int orientation);

}  // namespace ptq::data
