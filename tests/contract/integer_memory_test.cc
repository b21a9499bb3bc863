// The integer executor's steady state: no tensors, no buffers.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/exec/integer/integer_executor.h"
#include "tests/contract/allocation_peak.h"
#include "tests/testing/range_plan.h"
#include "tests/testing/tiny_model.h"

namespace ptq::exec {
namespace {

TEST(IntegerMemoryTest, ASecondRunAllocatesNoBuffers) {
  vit::VitConfig config = testing::TinyConfig(false);
  config.image_size = 64;
  config.width = 128;
  config.depth = 3;
  config.mlp_hidden = 512;
  const vit::VitModel model = testing::RandomModel(config);
  const at::Tensor images = testing::RandomImages(config, 4);
  const method::Plan plan =
      testing::RangePlan(model, images, {quant::Grid::kAffine, quant::Grid::kSymmetricFull, 8, 8, true});
  const auto executor = MakeIntegerExecutor(model, plan, {BestInstructionSet(), 1}).value();
  const int64_t smallest_buffer = config.tokens() * config.width;  // codes of one activation, a byte each
  const int64_t first = testing::AllocationPeak([&] { executor->Run(images); });
  EXPECT_GT(first, smallest_buffer);
  const int64_t second = testing::AllocationPeak([&] { executor->Run(images); });
  EXPECT_LT(second, smallest_buffer / 2);
}

}  // namespace
}  // namespace ptq::exec
