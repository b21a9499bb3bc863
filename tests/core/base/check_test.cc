#include "core/base/check.h"

#include <gtest/gtest.h>

namespace ptq {
namespace {

TEST(CheckTest, PassesSilentlyAndEvaluatesOnce) {
  int evaluations = 0;
  PTQ_CHECK(++evaluations == 1) << "never printed";
  EXPECT_EQ(evaluations, 1);
}

TEST(CheckTest, DoesNotEvaluateItsTextWhenItPasses) {
  int texts = 0;
  PTQ_CHECK(true) << ++texts;
  EXPECT_EQ(texts, 0);
}

TEST(CheckTest, BindsToTheEnclosingIf) {
  bool reached_else = false;
  if (false)
    PTQ_CHECK(false) << "unreachable";
  else
    reached_else = true;
  EXPECT_TRUE(reached_else);
}

TEST(CheckDeathTest, AbortsWithFileConditionAndText) {
  const int index = 7;
  EXPECT_DEATH(PTQ_CHECK(index < 3) << "op " << index, "check_test.cc:[0-9]+: check failed: index < 3 op 7");
}

}  // namespace
}  // namespace ptq
