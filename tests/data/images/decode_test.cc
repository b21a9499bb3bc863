#include "data/images/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "data/files/file_io.h"
#include "tests/data/images/picture_files.h"

namespace ptq::data {
namespace {

using ::testing::HasSubstr;

Result<Image> Decode(const std::string& bytes, bool exif = false, int64_t max_pixels = kMaxPixels) {
  return DecodeImage(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), exif, "photo.x", max_pixels);
}

int LargestDifference(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height || a.pixels.size() != b.pixels.size()) return 256;
  int largest = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  return largest;
}

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

TEST(DecodeTest, ColourJpegComesBackNearlyUnchanged) {
  const Image image = Ramp(37, 21);
  for (const JpegKind kind : {JpegKind::kColour, JpegKind::kColourHalved, JpegKind::kProgressive}) {
    const Result<Image> decoded = Decode(JpegBytes(image, kind));
    ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
    EXPECT_LE(LargestDifference(*decoded, image), kind == JpegKind::kColourHalved ? 12 : 3);
  }
}

TEST(DecodeTest, GreyJpegIsReplicated) {
  const Result<Image> decoded = Decode(JpegBytes(Ramp(20, 10), JpegKind::kGrey));
  ASSERT_TRUE(decoded.ok());
  for (size_t i = 0; i < decoded->pixels.size(); i += 3) {
    EXPECT_EQ(decoded->pixels[i], decoded->pixels[i + 1]);
    EXPECT_EQ(decoded->pixels[i], decoded->pixels[i + 2]);
  }
  EXPECT_LT(decoded->pixels.front(), decoded->pixels.back());
}

TEST(DecodeTest, CmykJpegIsConvertedAsPillowDoes) {
  struct Case {
    std::vector<uint8_t> stored;
    std::vector<int> rgb;
  };
  // The last one: ink (100, 50, 0, 50) of 255; 205 - 100 * 205 / 255 = 125 and so on.
  const Case cases[] = {{{255, 255, 255, 255}, {255, 255, 255}},
                        {{0, 255, 255, 255}, {0, 255, 255}},
                        {{255, 255, 0, 255}, {255, 255, 0}},
                        {{255, 255, 255, 0}, {0, 0, 0}},
                        {{155, 205, 255, 205}, {125, 165, 205}}};
  for (const Case& test : cases) {
    std::vector<uint8_t> ink;
    for (int i = 0; i < 16 * 16; ++i) ink.insert(ink.end(), test.stored.begin(), test.stored.end());
    const Result<Image> decoded = Decode(CmykJpegBytes(ink, 16, 16));
    ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
    for (size_t i = 0; i < decoded->pixels.size(); ++i) ASSERT_NEAR(decoded->pixels[i], test.rgb[i % 3], 2);
  }
}

// 8x16 pixels of (200, 100, 60) with sampling factors 1x1, 1x2, 1x1, for which TurboJPEG has no name.  Made by
// libjpeg's jpeg_start_compress with those factors, quality 100, optimised codes; Pillow reads (199, 100, 59).
TEST(DecodeTest, JpegOfUnusualSamplingIsRead) {
  const Result<Image> decoded = Decode(FromHex(
      "ffd8ffdb0043000101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101"
      "0101010101010101010101010101010101ffc00011080010000803011100021200031100ffc400140001000000000000000000000000"
      "00000005ffc40014100100000000000000000000000000000000ffc4001501010100000000000000000000000000000900ffc4001411"
      "0100000000000000000000000000000000ffda000c03010002110311003f001c6ba350ffd9"));
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  ASSERT_EQ(decoded->width, 8);
  ASSERT_EQ(decoded->height, 16);
  for (size_t i = 0; i < decoded->pixels.size(); ++i) EXPECT_EQ(decoded->pixels[i], (std::array{199, 100, 59})[i % 3]);
}

TEST(DecodeTest, EveryTruncationIsAnErrorThatNamesTheFile) {
  const Image image = Pattern(24, 24);
  for (const std::string& bytes :
       {JpegBytes(image, JpegKind::kColour), JpegBytes(image, JpegKind::kProgressive), PngBytes(RgbPng(image))}) {
    ASSERT_TRUE(Decode(bytes).ok());
    for (size_t size = 0; size < bytes.size(); ++size) {
      const Result<Image> decoded = Decode(bytes.substr(0, size));
      ASSERT_FALSE(decoded.ok()) << size << " of " << bytes.size();
      EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt) << size;
      EXPECT_EQ(decoded.error().where, "photo.x");
    }
  }
}

TEST(DecodeTest, DamagedBytesInsideAPngAreFound) {
  std::string bytes = PngBytes(RgbPng(Pattern(24, 24)));
  bytes[bytes.size() / 2] ^= 0x10;
  EXPECT_EQ(Decode(bytes).error().code, ErrorCode::kCorrupt);
}

TEST(DecodeTest, PngOfEveryKindIsRgb) {
  struct Case {
    const char* name;
    PngSpec spec;
    std::vector<uint8_t> rgb;
  };
  const Case cases[] = {
      {"RGB", {2, 1, 8, 2, false, {"\1\2\3\4\5\6", 6}, {}, {}, ""}, {1, 2, 3, 4, 5, 6}},
      {"RGBA drops alpha", {2, 1, 8, 6, false, {"\1\2\3\0\4\5\6\7", 8}, {}, {}, ""}, {1, 2, 3, 4, 5, 6}},
      {"grey", {2, 1, 8, 0, false, {"\7\x80", 2}, {}, {}, ""}, {7, 7, 7, 128, 128, 128}},
      {"grey and alpha", {2, 1, 8, 4, false, {"\7\0\x80\xff", 4}, {}, {}, ""}, {7, 7, 7, 128, 128, 128}},
      {"1 bit", {2, 1, 1, 0, false, {"\x40", 1}, {}, {}, ""}, {0, 0, 0, 255, 255, 255}},
      {"2 bits", {2, 1, 2, 0, false, {"\x60", 1}, {}, {}, ""}, {85, 85, 85, 170, 170, 170}},
      {"4 bits", {2, 1, 4, 0, false, {"\x1e", 1}, {}, {}, ""}, {17, 17, 17, 238, 238, 238}},
      {"16-bit grey", {2, 1, 16, 0, false, {"\x12\xff\x80\0", 4}, {}, {}, ""}, {18, 18, 18, 128, 128, 128}},
      {"16-bit RGB", {1, 1, 16, 2, false, {"\1\xff\2\x80\3\0", 6}, {}, {}, ""}, {1, 2, 3}},
      {"palette", {2, 1, 8, 3, false, {"\1\0", 2}, {9, 8, 7, 6, 5, 4}, {}, ""}, {6, 5, 4, 9, 8, 7}},
      {"palette and alpha", {2, 1, 8, 3, false, {"\1\0", 2}, {9, 8, 7, 6, 5, 4}, {0, 3}, ""}, {6, 5, 4, 9, 8, 7}},
      {"4-bit palette", {2, 1, 4, 3, false, {"\x10", 1}, {9, 8, 7, 6, 5, 4}, {}, ""}, {6, 5, 4, 9, 8, 7}},
  };
  for (const Case& test : cases) {
    const Result<Image> decoded = Decode(PngBytes(test.spec));
    ASSERT_TRUE(decoded.ok()) << test.name << ": " << decoded.error().ToString();
    EXPECT_EQ(decoded->width, test.spec.width) << test.name;
    EXPECT_EQ(decoded->pixels, test.rgb) << test.name;
  }
}

TEST(DecodeTest, InterlacedPngIsWhole) {
  const Image image = Pattern(19, 23);
  PngSpec png = RgbPng(image);
  png.interlaced = true;
  const Result<Image> decoded = Decode(PngBytes(png));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->pixels, image.pixels);
}

TEST(DecodeTest, ExifTurnsJpegOnlyWhereAsked) {
  const std::string upright = JpegBytes(Ramp(16, 8), JpegKind::kColour);
  const Image stored = *Decode(upright);
  for (const bool big_endian : {false, true}) {
    const std::string turned = WithExifOrientation(upright, 6, big_endian);
    EXPECT_EQ(Decode(turned, false)->pixels, stored.pixels);
    const Image shown = *Decode(turned, true);
    ASSERT_EQ(shown.width, 8);
    ASSERT_EQ(shown.height, 16);
    // Turned clockwise: the stored picture's lower left corner comes to the upper left.
    EXPECT_TRUE(std::equal(shown.pixels.begin(), shown.pixels.begin() + 3, stored.pixels.begin() + 7 * 16 * 3));
  }
}

TEST(DecodeTest, ExifTurnsPng) {
  PngSpec png = RgbPng(Image{2, 1, {1, 2, 3, 4, 5, 6}});
  png.exif = ExifBlock(3, true).substr(6);
  EXPECT_EQ(Decode(PngBytes(png), true)->pixels, (std::vector<uint8_t>{4, 5, 6, 1, 2, 3}));
  EXPECT_EQ(Decode(PngBytes(png), false)->pixels, (std::vector<uint8_t>{1, 2, 3, 4, 5, 6}));
}

TEST(DecodeTest, TooManyPixelsAreRefusedBeforeTheyAreDecoded) {
  const Image image = Pattern(40, 30);
  for (const std::string& bytes : {JpegBytes(image, JpegKind::kColour), PngBytes(RgbPng(image))}) {
    EXPECT_TRUE(Decode(bytes, false, 1200).ok());
    // The data is cut away too: the size alone decides.
    const Result<Image> decoded = Decode(bytes.substr(0, bytes.size() - 30), false, 1199);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(decoded.error().message, HasSubstr("40x30"));
  }
}

TEST(DecodeTest, OtherFormatsAreNamed) {
  EXPECT_THAT(Decode("GIF89a......").error().ToString(), HasSubstr("photo.x: this seems to be a GIF"));
  EXPECT_EQ(Decode("GIF89a......").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(Decode("<html>not found</html>").error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(Decode("").error().message, HasSubstr("empty"));
}

TEST(DecodeTest, FilesAreReadByContentNotByName) {
  const Image image = Pattern(9, 5);
  const std::string path = ::testing::TempDir() + "decode_test.jpg";
  ASSERT_TRUE(WritePng(path, image).ok());
  const Result<Image> read = ReadImage(path, true);
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ(read->width, 9);
  EXPECT_EQ(read->pixels, image.pixels);
  EXPECT_EQ(ReadImage("/no/such/picture.png", true).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(WritePng("/no/such/folder/picture.png", image).error().code, ErrorCode::kIo);
  EXPECT_EQ(WritePng(path, Image{}).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace ptq::data
