#include "data/images/orientation.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/data/images/picture_files.h"

namespace ptq::data {
namespace {

int OrientationOf(const std::string& block) {
  return ExifOrientation(reinterpret_cast<const std::byte*>(block.data()), block.size());
}

TEST(OrientationTest, TheTagIsReadInBothByteOrders) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    EXPECT_EQ(OrientationOf(ExifBlock(orientation, false)), orientation);
    EXPECT_EQ(OrientationOf(ExifBlock(orientation, true)), orientation);
  }
}

TEST(OrientationTest, NonsenseCountsAsUpright) {
  EXPECT_EQ(OrientationOf(ExifBlock(0, true)), 1);
  EXPECT_EQ(OrientationOf(ExifBlock(9, true)), 1);
  EXPECT_EQ(OrientationOf(""), 1);
  const std::string block = ExifBlock(6, true);
  for (size_t size = 0; size + 6 < block.size(); ++size) EXPECT_EQ(OrientationOf(block.substr(0, size)), 1) << size;
}

// The eight pictures of the EXIF specification for the stored rows (1 2 3), (4 5 6).
TEST(OrientationTest, TurnsAndMirrors) {
  const struct {
    int64_t width;
    std::vector<uint8_t> values;
  } expected[] = {{3, {1, 2, 3, 4, 5, 6}}, {3, {3, 2, 1, 6, 5, 4}}, {3, {6, 5, 4, 3, 2, 1}}, {3, {4, 5, 6, 1, 2, 3}},
                  {2, {1, 4, 2, 5, 3, 6}}, {2, {4, 1, 5, 2, 6, 3}}, {2, {6, 3, 5, 2, 4, 1}}, {2, {3, 6, 2, 5, 1, 4}}};
  Image stored{3, 2, {}};
  for (int i = 0; i < 18; ++i) stored.pixels.push_back(i % 3 == 0 ? static_cast<uint8_t>(1 + i / 3) : 60);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Image turned = Orient(stored, orientation);
    EXPECT_EQ(turned.width, expected[orientation - 1].width) << orientation;
    EXPECT_EQ(turned.width * turned.height, 6) << orientation;
    for (size_t i = 0; i < 6; ++i) {
      EXPECT_EQ(turned.pixels[3 * i], expected[orientation - 1].values[i]) << orientation << ", " << i;
      EXPECT_EQ(turned.pixels[3 * i + 2], 60);
    }
  }
}

}  // namespace
}  // namespace ptq::data
