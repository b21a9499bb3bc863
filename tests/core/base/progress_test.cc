#include "core/base/progress.h"

#include <gtest/gtest.h>

namespace ptq {
namespace {

TEST(NullProgressTest, NeverAsksToStop) {
  NullProgress progress;
  progress.Begin("calibrate", 2);
  progress.Advance(1);
  EXPECT_FALSE(progress.stop_requested());
  progress.End();
  EXPECT_FALSE(progress.stop_requested());
}

}  // namespace
}  // namespace ptq
