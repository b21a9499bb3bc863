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

TEST(InstructionSet, TheBestIsAvailable) { EXPECT_TRUE(CheckAvailable(BestInstructionSet()).ok()); }

// The whole sentence, which names what is asked for and what there is instead.
TEST(InstructionSet, WhatTheCpuLacksIsRefusedInASentence) {
  if (BestInstructionSet() == InstructionSet::kAvx512Vnni) {
    GTEST_SKIP() << "this CPU has every instruction set: none is refused";
  }
  const Status status = CheckAvailable(InstructionSet::kAvx512Vnni);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, BestInstructionSet() == InstructionSet::kAvx2
                                        ? "this CPU does not run avx512_vnni; it runs scalar, avx2."
                                        : "this CPU does not run avx512_vnni; it runs scalar.");
}

}  // namespace
}  // namespace ptq::exec
