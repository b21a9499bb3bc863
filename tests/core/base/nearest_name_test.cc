#include "core/base/nearest_name.h"

#include <gtest/gtest.h>

namespace ptq {
namespace {

TEST(NearestNameTest, FindsTheClosest) {
  EXPECT_EQ(NearestName("percentil", {"min_max", "percentile"}), "percentile");
  EXPECT_EQ(NearestName("minmax", {"percentile", "min_max"}), "min_max");
  EXPECT_EQ(NearestName("head", {"head_dist", "head"}), "head");
}

TEST(NearestNameTest, TakesTheFirstOfTies) {
  EXPECT_EQ(NearestName("cat", {"bat", "rat"}), "bat");
  EXPECT_EQ(NearestName("cat", {"rat", "bat"}), "rat");
}

TEST(NearestNameTest, LimitIsAThirdOfTheLongerNameAndAtLeastTwo) {
  EXPECT_EQ(NearestName("abcdefghi", {"abcdefXYZ"}), "abcdefXYZ");  // 3 of 9
  EXPECT_EQ(NearestName("abcdefghi", {"abcdeWXYZ"}), "");           // 4 of 9
  EXPECT_EQ(NearestName("abc", {"aXY"}), "aXY");                    // 2 of 3
  EXPECT_EQ(NearestName("abc", {"XYZ"}), "");
}

TEST(NearestNameTest, NothingToCompare) {
  EXPECT_EQ(NearestName("x", {}), "");
  EXPECT_EQ(NearestName(std::string(1000, 'a'), {std::string(1000, 'a')}), "");  // bounded work
}

TEST(DidYouMeanTest, IsAClauseOrNothing) {
  EXPECT_EQ(DidYouMean("percentil", {"percentile"}), "; did you mean 'percentile'?");
  EXPECT_EQ(DidYouMean("zzzzzzzz", {"percentile"}), "");
}

}  // namespace
}  // namespace ptq
