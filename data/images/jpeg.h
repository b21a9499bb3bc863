// jpeg.h: JPEG bytes to RGB by libjpeg-turbo, with the options that Pillow uses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "data/images/image.h"

namespace ptq::data {

bool LooksLikeJpeg(const std::byte* bytes, size_t size);

// Errors: Corrupt (any warning of the decoder too), Unsupported (larger than max_pixels, another colour space).
Result<Image> DecodeJpeg(const std::byte* bytes, size_t size, int64_t max_pixels, const std::string& where);

}  // namespace ptq::data
