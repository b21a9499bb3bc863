#include "data/images/labels_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ptq::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(LabelsFileTest, TheLastWordIsTheClass) {
  const auto samples = ParseImageList(
      "\xef\xbb\xbf"
      "images/b.JPEG 3\r\n\n  my photos/a 1.png \t 0  \r\n\nc.png\t9",
      10, "labels.txt");
  ASSERT_TRUE(samples.ok()) << samples.error().ToString();
  ASSERT_EQ(samples->size(), 3U);
  EXPECT_EQ((*samples)[0].id, "images/b.JPEG");
  EXPECT_EQ((*samples)[0].label, 3);
  EXPECT_EQ((*samples)[1].id, "my photos/a 1.png");
  EXPECT_EQ((*samples)[1].label, 0);
  EXPECT_EQ((*samples)[2].id, "c.png");
  EXPECT_EQ((*samples)[2].label, 9);
}

TEST(LabelsFileTest, ErrorsNameFileAndLine) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"a.png 0\n\nlonely\n", "l.txt:3: expected 'path class', found 'lonely'"},
      {"a.png 0\nb.png x\n", "l.txt:2: 'x' is not a class number"},
      {"a.png 1.5\n", "l.txt:1: '1.5' is not"},
      {"a.png 99999999999999999999\n", "l.txt:1: '99999999999999999999' is not"},
      {"a.png 10\n", "l.txt:1: class 10 is outside 0..9; classes are counted from 0"},
      {"a.png -1\n", "l.txt:1: class -1 is outside 0..9"},
  };
  for (const auto& test : cases) {
    const auto samples = ParseImageList(test.text, 10, "l.txt");
    ASSERT_FALSE(samples.ok()) << test.text;
    EXPECT_EQ(samples.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(samples.error().ToString(), HasSubstr(test.message));
  }
}

TEST(LabelsFileTest, PathsStayInTheFolder) {
  for (const char* path : {"../a.png", "/etc/a.png", "a/../b.png", "a/..", "./a.png", "a//b.png", "..", "a/", "/"}) {
    const auto samples = ParseImageList(std::string(path) + " 0\n", 10, "l.txt");
    ASSERT_FALSE(samples.ok()) << path;
    EXPECT_THAT(samples.error().ToString(), HasSubstr("l.txt:1: the path '" + std::string(path) + "'"));
  }
  EXPECT_FALSE(ParseImageList(std::string("a\0b 0\n", 6), 10, "l.txt").ok());
  EXPECT_TRUE(ParseImageList("..a/b...png 0\n", 10, "l.txt").ok());
}

TEST(LabelsFileTest, WithoutANumberOfClassesOnlyNegativeOnesAreWrong) {
  EXPECT_TRUE(ParseImageList("a.png 123456\n", 0, "l.txt").ok());
  EXPECT_FALSE(ParseImageList("a.png -1\n", 0, "l.txt").ok());
}

TEST(LabelsFileTest, ClassLines) {
  const auto labels = ParseClassLines("5\r\n0\n 7 \n\n", 8, "val.txt");
  ASSERT_TRUE(labels.ok()) << labels.error().ToString();
  EXPECT_THAT(*labels, ElementsAre(5, 0, 7));
  EXPECT_THAT(ParseClassLines("5\n\n7\n", 8, "val.txt").error().ToString(), HasSubstr("val.txt:2: ''"));
  EXPECT_THAT(ParseClassLines("5\n8\n", 8, "val.txt").error().ToString(), HasSubstr("val.txt:2: class 8"));
  EXPECT_THAT(ParseClassLines("a.JPEG 5\n", 8, "val.txt").error().ToString(), HasSubstr("val.txt:1: 'a.JPEG 5'"));
}

}  // namespace
}  // namespace ptq::data
