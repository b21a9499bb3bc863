#include "tests/data/images/picture_files.h"

#include <png.h>
#include <turbojpeg.h>

#include "core/base/check.h"

namespace ptq::data {
namespace {

std::string Compress(const uint8_t* pixels, int64_t width, int64_t height, int pixel_format, int subsampling,
                     int flags) {
  tjhandle compressor = tjInitCompress();
  PTQ_CHECK(compressor != nullptr);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const int code = tjCompress2(compressor, pixels, static_cast<int>(width), 0, static_cast<int>(height), pixel_format,
                               &bytes, &size, subsampling, 100, flags | TJFLAG_ACCURATEDCT);
  PTQ_CHECK(code == 0) << tjGetErrorStr2(compressor);
  const std::string result(reinterpret_cast<const char*>(bytes), size);
  tjFree(bytes);
  tjDestroy(compressor);
  return result;
}

std::string Number(uint32_t value, int bytes, bool big_endian) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * (big_endian ? bytes - 1 - i : i));
  return text;
}

}  // namespace

Image Pattern(int64_t width, int64_t height) {
  Image image{width, height, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c)
        image.pixels.push_back(static_cast<uint8_t>(x * 37 + y * 59 + c * 83 + x * y * 7));
    }
  }
  return image;
}

Image Ramp(int64_t width, int64_t height) {
  Image image{width, height, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      image.pixels.push_back(static_cast<uint8_t>(20 + 180 * x / width));
      image.pixels.push_back(static_cast<uint8_t>(30 + 150 * y / height));
      image.pixels.push_back(90);
    }
  }
  return image;
}

std::string JpegBytes(const Image& image, JpegKind kind) {
  const int subsampling = kind == JpegKind::kGrey           ? TJSAMP_GRAY
                          : kind == JpegKind::kColourHalved ? TJSAMP_420
                                                            : TJSAMP_444;
  return Compress(image.pixels.data(), image.width, image.height, TJPF_RGB, subsampling,
                  kind == JpegKind::kProgressive ? TJFLAG_PROGRESSIVE : 0);
}

std::string CmykJpegBytes(const std::vector<uint8_t>& ink, int64_t width, int64_t height) {
  return Compress(ink.data(), width, height, TJPF_CMYK, TJSAMP_444, 0);
}

std::string ExifBlock(int orientation, bool big_endian) {
  const auto number = [&](uint32_t value, int bytes) { return Number(value, bytes, big_endian); };
  return std::string("Exif\0\0", 6) + (big_endian ? "MM" : "II") + number(42, 2) + number(8, 4) +  // header
         number(1, 2) +                                                                            // one entry
         number(0x0112, 2) + number(3, 2) + number(1, 4) + number(static_cast<uint32_t>(orientation), 2) +
         number(0, 2) + number(0, 4);
}

std::string WithExifOrientation(const std::string& jpeg, int orientation, bool big_endian) {
  const std::string block = ExifBlock(orientation, big_endian);
  return jpeg.substr(0, 2) + "\xff\xe1" + Number(static_cast<uint32_t>(block.size() + 2), 2, true) + block +
         jpeg.substr(2);
}

PngSpec RgbPng(const Image& image) {
  PngSpec spec;
  spec.width = static_cast<uint32_t>(image.width);
  spec.height = static_cast<uint32_t>(image.height);
  spec.rows.assign(image.pixels.begin(), image.pixels.end());
  return spec;
}

std::string PngBytes(const PngSpec& spec) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  PTQ_CHECK(info != nullptr);
  std::string bytes;
  if (setjmp(png_jmpbuf(png)) != 0) PTQ_CHECK(false) << "libpng refuses the test's picture";
  png_set_write_fn(
      png, &bytes,
      [](png_structp self, png_bytep data, size_t size) {
        static_cast<std::string*>(png_get_io_ptr(self))->append(reinterpret_cast<const char*>(data), size);
      },
      [](png_structp) {});
  png_set_IHDR(png, info, spec.width, spec.height, spec.bit_depth, spec.color_type,
               spec.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (!spec.palette.empty()) {
    png_set_PLTE(png, info, reinterpret_cast<png_const_colorp>(spec.palette.data()),
                 static_cast<int>(spec.palette.size() / 3));
  }
  if (!spec.alpha.empty()) png_set_tRNS(png, info, spec.alpha.data(), static_cast<int>(spec.alpha.size()), nullptr);
  std::string exif = spec.exif;
  if (!exif.empty()) {
    png_set_eXIf_1(png, info, static_cast<png_uint_32>(exif.size()), reinterpret_cast<png_bytep>(exif.data()));
  }
  const size_t row_bytes = png_get_rowbytes(png, info);
  PTQ_CHECK(spec.rows.size() == row_bytes * spec.height) << spec.rows.size() << ", " << row_bytes;
  std::vector<png_bytep> rows;
  for (uint32_t y = 0; y < spec.height; ++y) {
    rows.push_back(const_cast<png_bytep>(reinterpret_cast<png_const_bytep>(spec.rows.data() + y * row_bytes)));
  }
  png_set_rows(png, info, rows.data());
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

}  // namespace ptq::data
