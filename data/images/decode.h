// decode.h: JPEG and PNG files to RGB, as Pillow's convert("RGB") gives them.
//
// Grey is replicated, CMYK and YCCK (stored inverted, as Adobe and Pillow take it) converted, palettes expanded, alpha
// dropped, 16-bit PNG reduced to the high byte (Pillow clips 16-bit grey instead).  A truncated or damaged file is
// Corrupt, never a half grey picture: whatever libjpeg only warns of is an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "data/images/image.h"

namespace ptq::data {

// The largest accepted picture: 2^28 pixels; larger ones are Unsupported.
constexpr int64_t kMaxPixels = int64_t{1} << 28;

// Format by content.  apply_exif_orientation: turn and mirror as the EXIF tag says.  where: the name in messages.
Result<Image> DecodeImage(const std::byte* bytes, size_t size, bool apply_exif_orientation, const std::string& where,
                          int64_t max_pixels = kMaxPixels);
Result<Image> ReadImage(const std::string& path, bool apply_exif_orientation);

// A PNG file of the picture; written whole or not at all.  Errors: Io, InvalidArgument for a picture without pixels.
Status WritePng(const std::string& path, const Image& image);

}  // namespace ptq::data
