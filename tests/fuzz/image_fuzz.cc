// Picture bytes of unknown origin: an Image whose size and pixels agree, or an error; never a crash.
//
// libjpeg and libpng are not instrumented, so the fuzzer needs the seeds of image_seeds/: nine files of a few pixels,
// written by libjpeg (grey, colour, CMYK, sampling factors 1x1 1x2 1x1) and by tests/data/images/picture_files.h.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "data/images/decode.h"

// The first byte decides whether the EXIF tag is applied; the rest is the file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // Small enough that the time goes into many inputs rather than into large pictures.
  constexpr int64_t kPixels = int64_t{1} << 16;
  const auto decoded = ptq::data::DecodeImage(reinterpret_cast<const std::byte*>(data + 1), size - 1,
                                              (data[0] & 1) != 0, "fuzz", kPixels);
  if (!decoded.ok()) {
    if (decoded.error().message.empty()) std::abort();
    return 0;
  }
  const int64_t pixels = decoded->width * decoded->height;
  const bool sound = decoded->width > 0 && decoded->height > 0 && pixels <= kPixels &&
                     decoded->pixels.size() == static_cast<size_t>(pixels) * 3;
  if (!sound) std::abort();
  return 0;
}
