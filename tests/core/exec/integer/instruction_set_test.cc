#include "core/exec/integer/instruction_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ptq::exec {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr InstructionSet kAll[] = {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512Vnni};

TEST(InstructionSet, NamesAreReadBack) {
  EXPECT_STREQ(Name(InstructionSet::kScalar), "scalar");
  EXPECT_STREQ(Name(InstructionSet::kAvx2), "avx2");
  EXPECT_STREQ(Name(InstructionSet::kAvx512Vnni), "avx512_vnni");
  for (InstructionSet set : kAll) {
    const Result<InstructionSet> parsed = ParseInstructionSet(Name(set));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, set);
  }
}

TEST(InstructionSet, AnUnknownNameIsRefusedWithTheKnownOnes) {
  for (const char* name : {"", "AVX2", "avx512", "scalar "}) {
    const Result<InstructionSet> parsed = ParseInstructionSet(name);
    ASSERT_FALSE(parsed.ok()) << name;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(parsed.error().message,
                AllOf(HasSubstr("\"" + std::string(name) + "\""), HasSubstr("scalar, avx2, avx512_vnni")));
  }
}

TEST(InstructionSet, WhatIsAvailableEndsAtTheBest) {
  for (InstructionSet set : kAll) {
    const Status status = CheckAvailable(set);
    EXPECT_EQ(status.ok(), set <= BestInstructionSet()) << Name(set);
    if (!status.ok()) {
      EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
      EXPECT_THAT(status.error().message, AllOf(HasSubstr(Name(set)), HasSubstr("scalar")));
    }
  }
}

}  // namespace
}  // namespace ptq::exec
