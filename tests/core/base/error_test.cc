#include "core/base/error.h"

#include <gtest/gtest.h>

#include <memory>

namespace ptq {
namespace {

TEST(ErrorTest, EveryConstructorSetsItsCodeMessageAndPlace) {
  struct Case {
    Error error;
    ErrorCode code;
    const char* name;
  };
  const Case cases[] = {
      {InvalidArgument("m", "w"), ErrorCode::kInvalidArgument, "invalid argument"},
      {NotFound("m", "w"), ErrorCode::kNotFound, "not found"},
      {Corrupt("m", "w"), ErrorCode::kCorrupt, "corrupt"},
      {Unsupported("m", "w"), ErrorCode::kUnsupported, "unsupported"},
      {IoError("m", "w"), ErrorCode::kIo, "input/output"},
      {Interrupted("m", "w"), ErrorCode::kInterrupted, "interrupted"},
      {Internal("m", "w"), ErrorCode::kInternal, "internal"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(c.error.code, c.code);
    EXPECT_STREQ(Name(c.code), c.name);
    EXPECT_EQ(c.error.message, "m");
    EXPECT_EQ(c.error.where, "w");
  }
}

TEST(ErrorTest, TextNamesThePlaceOnlyWhereThereIsOne) {
  EXPECT_EQ(NotFound("no such file", "weights.pth").ToString(), "weights.pth: no such file");
  EXPECT_EQ(NotFound("no such file").ToString(), "no such file");
}

TEST(ResultTest, HoldsAValueOrAnError) {
  const Result<int> value = 3;
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(*value, 3);
  const Result<int> error = Corrupt("bad");
  ASSERT_FALSE(error.ok());
  EXPECT_EQ(error.error().code, ErrorCode::kCorrupt);
}

TEST(ResultTest, MovesOutWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  const std::unique_ptr<int> moved = std::move(result).value();
  EXPECT_EQ(*moved, 5);
}

TEST(ResultTest, ArrowReachesTheValue) {
  Result<std::string> text = std::string("abc");
  EXPECT_EQ(text->size(), 3U);
  *text += "d";
  EXPECT_EQ(text.value(), "abcd");
}

TEST(ResultDeathTest, AskingTheWrongSideAborts) {
  const Result<int> error = InvalidArgument("bits is 99", "spec.toml:3");
  EXPECT_DEATH((void)error.value(), "spec.toml:3: bits is 99");
  const Result<int> value = 1;
  EXPECT_DEATH((void)value.error(), "error\\(\\) called on a value");
  EXPECT_DEATH((void)OkStatus().error(), "error\\(\\) called on success");
}

Result<int> Half(int x) {
  if (x % 2 != 0) {
    return InvalidArgument(std::to_string(x) + " is odd");
  }
  return x / 2;
}

Result<int> Quarter(int x) {
  PTQ_ASSIGN_OR_RETURN(const int half, Half(x));
  PTQ_ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

Status Halvable(int x, bool& went_on) {
  PTQ_RETURN_IF_ERROR(Half(x));
  went_on = true;
  return OkStatus();
}

TEST(MacroTest, AssignOrReturnPassesTheErrorOn) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(6).error().message, "3 is odd");
  EXPECT_EQ(Quarter(5).error().message, "5 is odd");
}

TEST(MacroTest, ReturnIfErrorStopsTheFunction) {
  bool went_on = false;
  EXPECT_FALSE(Halvable(3, went_on).ok());
  EXPECT_FALSE(went_on);
  EXPECT_TRUE(Halvable(4, went_on).ok());
  EXPECT_TRUE(went_on);
}

}  // namespace
}  // namespace ptq
