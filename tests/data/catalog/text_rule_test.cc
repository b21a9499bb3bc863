#include "data/catalog/text_rule.h"

#include <gtest/gtest.h>

#include <string>

namespace ptq::data {
namespace {

TEST(TextRuleTest, NamesHoldOnlyLettersDigitsAndThreeMarks) {
  EXPECT_EQ(Objection("deit_tiny-patch16.224", TextRule::kName), "");
  EXPECT_NE(Objection("a b", TextRule::kName), "");
  EXPECT_NE(Objection("a/b", TextRule::kName), "");
  EXPECT_NE(Objection("\xC3\xA9", TextRule::kName), "");
  EXPECT_NE(Objection(".hidden", TextRule::kName), "");
  EXPECT_NE(Objection("-flag", TextRule::kName), "");
  EXPECT_EQ(Objection(std::string(128, 'a'), TextRule::kName), "");
  EXPECT_NE(Objection(std::string(129, 'a'), TextRule::kName), "");
}

TEST(TextRuleTest, NothingIsEmptyOrHoldsNul) {
  for (const TextRule rule :
       {TextRule::kName, TextRule::kLine, TextRule::kText, TextRule::kRelativePath, TextRule::kPath}) {
    EXPECT_EQ(Objection("", rule), "is empty");
    EXPECT_EQ(Objection(" \t", rule), "is empty");
    EXPECT_NE(Objection(std::string("a\0b", 3), rule), "");
    EXPECT_EQ(Objection("a", rule), "");
  }
}

TEST(TextRuleTest, OnlyProseHasLineBreaks) {
  EXPECT_EQ(Objection("two\nlines", TextRule::kText), "");
  EXPECT_NE(Objection("two\nlines", TextRule::kLine), "");
  EXPECT_NE(Objection("two\nlines", TextRule::kPath), "");
}

TEST(TextRuleTest, PathsStayBelowTheirRoot) {
  EXPECT_EQ(Objection("models/a..b.safetensors", TextRule::kRelativePath), "");
  for (const char* path : {"..", "../a", "a/../b", "a/.."}) {
    EXPECT_NE(Objection(path, TextRule::kRelativePath), "") << path;
    EXPECT_NE(Objection(path, TextRule::kPath), "") << path;
  }
  EXPECT_NE(Objection("/home/me/x.pth", TextRule::kRelativePath), "");
  EXPECT_EQ(Objection("/home/me/x.pth", TextRule::kPath), "");
}

}  // namespace
}  // namespace ptq::data
