// Runs the tests of this binary with the settings that ptqbench itself starts with.
#include <gtest/gtest.h>

#include "core/base/fast_start.h"

int main(int argc, char** argv) {
  ptq::RestartWithFastSettings(argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
