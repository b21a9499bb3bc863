#include "data/images/jpeg.h"

#include <turbojpeg.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace ptq::data {
namespace {

using Decompressor = std::unique_ptr<void, int (*)(tjhandle)>;

struct Header {
  int width = 0;
  int height = 0;
  int colorspace = -1;
};

// JPEG allows more pairs of sampling factors than TurboJPEG has names for.  It then fails, after it filled in all that
// decoding needs; only an incomplete answer is an error here.
Result<Header> ReadHeader(tjhandle decompressor, const unsigned char* bytes, size_t size, const std::string& where) {
  Header header;
  int subsampling = -1;
  const int code =
      tjDecompressHeader3(decompressor, bytes, size, &header.width, &header.height, &subsampling, &header.colorspace);
  const bool parsed = header.width > 0 && header.height > 0;
  if (parsed && header.colorspace < 0) {
    return Unsupported("the JPEG is neither grey, RGB, YCbCr, CMYK nor YCCK; convert it to one of them", where);
  }
  const bool only_unnamed_sampling = parsed && subsampling < 0 && tjGetErrorCode(decompressor) == TJERR_FATAL;
  if (code != 0 && !only_unnamed_sampling) {
    return Corrupt(std::string("the JPEG header is damaged: ") + tjGetErrorStr2(decompressor), where);
  }
  return header;
}

// a * b / 255 rounded, as Pillow computes it.
int MultiplyAndDivideBy255(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// Files hold CMYK inverted (255: no ink): Adobe's programs write it so and Pillow takes it as the rule.
void InvertedCmykToRgb(const std::vector<uint8_t>& cmyk, std::vector<uint8_t>& rgb) {
  const size_t pixels = cmyk.size() / 4;
  for (size_t i = 0; i < pixels; ++i) {
    const int white = cmyk[4 * i + 3];
    for (size_t c = 0; c < 3; ++c) {
      const int ink = 255 - cmyk[4 * i + c];
      rgb[3 * i + c] = static_cast<uint8_t>(std::clamp(white - MultiplyAndDivideBy255(ink, white), 0, 255));
    }
  }
}

}  // namespace

bool LooksLikeJpeg(const std::byte* bytes, size_t size) {
  return size >= 3 && bytes[0] == std::byte{0xff} && bytes[1] == std::byte{0xd8} && bytes[2] == std::byte{0xff};
}

Result<Image> DecodeJpeg(const std::byte* bytes, size_t size, int64_t max_pixels, const std::string& where) {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes);
  Decompressor decompressor(tjInitDecompress(), tjDestroy);
  if (decompressor == nullptr) return Internal("libjpeg-turbo cannot start a decoder", where);
  PTQ_ASSIGN_OR_RETURN(const Header header, ReadHeader(decompressor.get(), data, size, where));
  const int64_t pixels = int64_t{header.width} * header.height;
  if (pixels > max_pixels) {
    return Unsupported("the picture has " + std::to_string(header.width) + "x" + std::to_string(header.height) +
                           " pixels, more than the accepted " + std::to_string(max_pixels),
                       where);
  }
  Image image{header.width, header.height, std::vector<uint8_t>(static_cast<size_t>(pixels) * 3)};
  const bool cmyk = header.colorspace == TJCS_CMYK || header.colorspace == TJCS_YCCK;
  std::vector<uint8_t> ink(cmyk ? static_cast<size_t>(pixels) * 4 : 0);
  if (tjDecompress2(decompressor.get(), data, size, cmyk ? ink.data() : image.pixels.data(), header.width, 0,
                    header.height, cmyk ? TJPF_CMYK : TJPF_RGB, TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS) != 0) {
    return Corrupt(std::string("the JPEG data is damaged or cut short: ") + tjGetErrorStr2(decompressor.get()), where);
  }
  if (cmyk) InvertedCmykToRgb(ink, image.pixels);
  return image;
}

}  // namespace ptq::data
