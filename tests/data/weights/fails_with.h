// fails_with.h: EXPECT_THAT(result, FailsWith(ErrorCode::kCorrupt, HasSubstr("overlap"))).
#pragma once

#include <gmock/gmock.h>

#include <string>

#include "core/base/error.h"

namespace ptq {

MATCHER_P2(FailsWith, code, message_matcher,
           std::string("is the error '") + Name(code) + "' whose text " +
               testing::DescribeMatcher<std::string>(message_matcher)) {
  if (arg.ok()) {
    *result_listener << "is no error";
    return false;
  }
  *result_listener << Name(arg.error().code) << ": " << arg.error().ToString();
  return arg.error().code == code && testing::Matches(message_matcher)(arg.error().ToString());
}

}  // namespace ptq
