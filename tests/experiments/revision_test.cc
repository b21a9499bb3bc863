#include "experiments/revision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ptq::experiments {
namespace {

using ::testing::HasSubstr;

TEST(RevisionTest, UncommittedSourcesNeedPermission) {
  EXPECT_TRUE(CheckRevision("0123abc", false).ok());
  EXPECT_TRUE(CheckRevision("", false).ok()) << "no git checkout";
  EXPECT_TRUE(CheckRevision("0123abc-dirty", true).ok());
  const Status refused = CheckRevision("0123abc-dirty", false);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("0123abc-dirty"));
  EXPECT_THAT(refused.error().message, HasSubstr("--allow-dirty"));
  EXPECT_FALSE(IsDirty("dirty"));
}

}  // namespace
}  // namespace ptq::experiments
