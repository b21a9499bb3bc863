// picture_files.h: pictures that tests draw, and the bytes of JPEG and PNG files that hold them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/images/image.h"

namespace ptq::data {

// Channel c of pixel (x, y) is (37 x + 59 y + 83 c + 7 x y) mod 256.
Image Pattern(int64_t width, int64_t height);
// Smooth enough that JPEG keeps it within a few levels; no symmetry maps it to itself.
Image Ramp(int64_t width, int64_t height);

enum class JpegKind { kColour, kColourHalved, kGrey, kProgressive };
std::string JpegBytes(const Image& image, JpegKind kind);
// ink: (height, width, 4) as stored in the file, that is 255 for no ink.
std::string CmykJpegBytes(const std::vector<uint8_t>& ink, int64_t width, int64_t height);
// The JPEG file with an EXIF block that holds the orientation tag alone.
std::string WithExifOrientation(const std::string& jpeg, int orientation, bool big_endian);
// That block, from "Exif\0\0" on.
std::string ExifBlock(int orientation, bool big_endian);

struct PngSpec {
  uint32_t width = 0;
  uint32_t height = 0;
  int bit_depth = 8;
  int color_type = 2;  // 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA
  bool interlaced = false;
  std::string rows;              // packed as PNG packs them
  std::vector<uint8_t> palette;  // RGB triples
  std::vector<uint8_t> alpha;    // tRNS of the palette
  std::string exif;              // eXIf chunk, without "Exif\0\0"
};
PngSpec RgbPng(const Image& image);
std::string PngBytes(const PngSpec& spec);

}  // namespace ptq::data
