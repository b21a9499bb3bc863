#include "data/catalog/toml_nesting.h"

#include <gtest/gtest.h>

#include <string>

namespace ptq::data {
namespace {

std::string Repeat(const std::string& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) {
    result += text;
  }
  return result;
}

TEST(TomlNestingTest, CountsBracketsBracesAndDots) {
  EXPECT_FALSE(DeeperThan("a = " + Repeat("[", 4) + Repeat("]", 4), 4));
  EXPECT_TRUE(DeeperThan("a = " + Repeat("[", 5) + Repeat("]", 5), 4));
  EXPECT_FALSE(DeeperThan("a.b.c.d.e = 1", 4));
  EXPECT_TRUE(DeeperThan("a.b.c.d.e.f = 1", 4));
  EXPECT_FALSE(DeeperThan("a.b = { c.d = [ 1 ] }", 4));
  EXPECT_TRUE(DeeperThan("a.b = { c.d = [ [ 1 ] ] }", 4));
}

TEST(TomlNestingTest, ClosedLevelsDoNotCount) {
  EXPECT_FALSE(DeeperThan(Repeat("a = [[1, 2], [3.5, 4.5]]\n", 100), 3));
  EXPECT_FALSE(DeeperThan(Repeat("a.b.c = 1\n", 100), 3));
  EXPECT_FALSE(DeeperThan("a = { b.c = 1, d.e = 2, f.g = 3 }", 2));
}

TEST(TomlNestingTest, StringsAndCommentsDoNotCount) {
  EXPECT_FALSE(DeeperThan("a = \"[[[[.....\" # [[[[\n", 2));
  EXPECT_FALSE(DeeperThan("a = '[[[[.....\\' # ....\n", 2));
  EXPECT_FALSE(DeeperThan("a = \"\\\"[[[[\"\n", 2));
  EXPECT_FALSE(DeeperThan("a = \"\"\"\n\" [[[[\n \"\" [[[[\"\"\"\n", 2));
  EXPECT_FALSE(DeeperThan("a = '''\n [[[[ '''\n", 2));
  EXPECT_TRUE(DeeperThan("a = '' # x\nb = [[[1]]]\n", 2));
  EXPECT_TRUE(DeeperThan("a = \"\"\"x\"\"\"\"\"\nb = [[[1]]]\n", 2));
}

TEST(TomlNestingTest, SaysWhere) {
  const std::optional<SourcePosition> position = DeeperThan("a = 1\nbc = \"\xC3\xA9\"\nd = [[[1]]]\n", 2);
  ASSERT_TRUE(position);
  EXPECT_EQ(position->line, 3);
  EXPECT_EQ(position->column, 7);
}

TEST(TomlNestingTest, EndsOnUnfinishedText) {
  for (const char* text : {"", "\"", "'", "\"\"\"", "'''", "\"\\", "#", "]]]]", "a = \"\"\"\\"}) {
    EXPECT_FALSE(DeeperThan(text, 1)) << text;
  }
}

}  // namespace
}  // namespace ptq::data
