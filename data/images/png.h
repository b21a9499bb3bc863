// png.h: PNG bytes to RGB and back by libpng.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "data/images/image.h"

namespace ptq::data {

bool LooksLikePng(const std::byte* bytes, size_t size);

// exif: the eXIf chunk, empty where there is none.  No gamma and no background is applied.
// Errors: Corrupt, Unsupported (larger than max_pixels).
Result<Image> DecodePng(const std::byte* bytes, size_t size, int64_t max_pixels, const std::string& where,
                        std::string* exif);

// Errors: InvalidArgument for an image without pixels, Internal.
Result<std::string> EncodePng(const Image& image);

}  // namespace ptq::data
