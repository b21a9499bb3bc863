#include "data/embedded/generator.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>

#include "data/files/sha256.h"

namespace ptq::data {
namespace {

std::string PixelBytes(const EmbeddedSample& sample) {
  return std::string(sample.image.pixels.begin(), sample.image.pixels.end());
}

// SHA-256 over 3,072 bytes of pixels and one byte of label for each of the first `count` pictures.
std::string HashOf(const std::string& split, int64_t count) {
  std::string bytes;
  for (int64_t i = 0; i < count; ++i) {
    const EmbeddedSample sample = DrawEmbedded(split, i);
    bytes += PixelBytes(sample);
    bytes += static_cast<char>(sample.label);
  }
  return Sha256(bytes);
}

// The bytes are pinned: whoever moves them moves every number that was measured on this data set, and must train the
// embedded models anew.  The values are this test's own output on x86-64 with GCC 12.
TEST(GeneratorTest, BytesArePinned) {
  EXPECT_EQ(HashOf("train", 1000), "cf4eb9632407598ec3396ff40afd3d7ca6b7dd079b34af7a5b18dbf3d653eda3");
  EXPECT_EQ(HashOf("calibration", 2000), "cb19fb4e48584989ed3fe44aab6737132e87264625e6f723fc696f95e3cf69e6");
  EXPECT_EQ(HashOf("test", 5000), "c799336f3a2ec1a622e412d90365eb2e5ab118567cb0a5a184728b2efd8827c3");
}

TEST(GeneratorTest, CountsOfTheSplits) {
  EXPECT_EQ(EmbeddedCount("train").value(), 60000);
  EXPECT_EQ(EmbeddedCount("calibration").value(), 2000);
  EXPECT_EQ(EmbeddedCount("test").value(), 5000);
}

TEST(GeneratorTest, UnknownSplitIsNamed) {
  const Result<int64_t> count = EmbeddedCount("validation");
  ASSERT_FALSE(count.ok());
  EXPECT_EQ(count.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(count.error().message.find("'validation'"), std::string::npos) << count.error().message;
  EXPECT_NE(count.error().message.find("calibration"), std::string::npos) << "names what there is";
}

TEST(GeneratorTest, PictureIsAPureFunctionOfSplitAndIndex) {
  const EmbeddedSample first = DrawEmbedded("test", 4321);
  DrawEmbedded("train", 7);
  DrawEmbedded("test", 4320);
  const EmbeddedSample again = DrawEmbedded("test", 4321);
  EXPECT_EQ(first.image.pixels, again.image.pixels);
  EXPECT_EQ(first.label, again.label);
}

TEST(GeneratorTest, GeometryIs32x32Rgb) {
  const EmbeddedSample sample = DrawEmbedded("calibration", 0);
  EXPECT_EQ(sample.image.width, 32);
  EXPECT_EQ(sample.image.height, 32);
  EXPECT_EQ(sample.image.pixels.size(), 32U * 32U * 3U);
}

TEST(GeneratorTest, EveryTenPicturesHoldEachLabelOnce) {
  for (const char* split : {"train", "calibration", "test"}) {
    for (int64_t begin = 0; begin < 1000; begin += kEmbeddedClasses) {
      std::set<int64_t> labels;
      for (int64_t i = 0; i < kEmbeddedClasses; ++i) {
        labels.insert(EmbeddedLabel(split, begin + i));
      }
      ASSERT_EQ(labels.size(), static_cast<size_t>(kEmbeddedClasses)) << split << " " << begin;
      ASSERT_EQ(*labels.begin(), 0);
      ASSERT_EQ(*labels.rbegin(), kEmbeddedClasses - 1);
    }
  }
}

TEST(GeneratorTest, LabelDoesNotFollowFromThePositionInTheTen) {
  std::array<std::set<int64_t>, kEmbeddedClasses> seen;
  for (int64_t i = 0; i < 1000; ++i) {
    seen[i % kEmbeddedClasses].insert(EmbeddedLabel("test", i));
  }
  for (const std::set<int64_t>& labels : seen) {
    EXPECT_EQ(labels.size(), static_cast<size_t>(kEmbeddedClasses));
  }
}

TEST(GeneratorTest, LabelAloneIsTheDrawnOne) {
  for (int64_t i = 0; i < 200; ++i) {
    ASSERT_EQ(EmbeddedLabel("train", i), DrawEmbedded("train", i).label) << i;
  }
}

TEST(GeneratorTest, SplitsShareNoPicture) {
  std::set<std::string> seen;
  size_t drawn = 0;
  for (const char* split : {"train", "calibration", "test"}) {
    for (int64_t i = 0; i < 2000; ++i, ++drawn) {
      seen.insert(PixelBytes(DrawEmbedded(split, i)));
    }
  }
  EXPECT_EQ(seen.size(), drawn);
}

TEST(GeneratorTest, PicturesUseTheByteRangeAndDiffer) {
  std::array<int64_t, 256> histogram{};
  for (int64_t i = 0; i < 500; ++i) {
    for (const uint8_t value : DrawEmbedded("test", i).image.pixels) {
      ++histogram[value];
    }
  }
  const int64_t total = 500 * 32 * 32 * 3;
  EXPECT_LT(histogram[0], total / 10) << "too much black: clipped";
  EXPECT_LT(histogram[255], total / 10) << "too much white: clipped";
  for (int64_t value = 1; value < 255; ++value) {
    EXPECT_GT(histogram[value], 0) << value;
  }
}

TEST(GeneratorTest, ClassNamesDiffer) {
  std::set<std::string> names;
  for (int64_t label = 0; label < kEmbeddedClasses; ++label) {
    names.insert(EmbeddedClassName(label));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(kEmbeddedClasses));
}

TEST(GeneratorDeathTest, IndexOutsideTheSplitIsABug) {
  EXPECT_DEATH(DrawEmbedded("test", 5000), "picture 5000 of split 'test'");
  EXPECT_DEATH(DrawEmbedded("test", -1), "picture -1");
  EXPECT_DEATH(DrawEmbedded("nothing", 0), "nothing");
  EXPECT_DEATH(EmbeddedClassName(10), "10");
}

}  // namespace
}  // namespace ptq::data
