// What a person with a real model and a thousand photographs needs: memory that does not grow with depth.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/e2e/program.h"

namespace ptq {
namespace {

TEST(MemoryTest, AThousandImagesOnDeitTinyStayUnderThreeGibibytes) {
  const char* shared = std::getenv("PTQBENCH_SHARED");
  if (shared == nullptr) {
    GTEST_SKIP() << "PTQBENCH_SHARED is not set: no real model and photographs";
  }
  const std::string plan = e2e::FreshFolder("memory") + "/plan.safetensors";
  const e2e::Outcome outcome =
      e2e::RunProgram({"quantize", "--model", "deit_tiny_patch16_224", "--method", "percentile",
                       "--calibration-dataset", "imagenet_calib1000", "--calibration-images", "1000", "--data-root",
                       std::string(shared) + "/data", "--out", plan});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  RecordProperty("peak_rss_mib", std::to_string(outcome.peak_rss_bytes >> 20));
  EXPECT_LT(outcome.peak_rss_bytes, int64_t{3} << 30);
}

}  // namespace
}  // namespace ptq
