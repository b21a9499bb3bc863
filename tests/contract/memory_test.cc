// A method holds one stage's activations at a time (core/calib/calibration.h), so that memory does not grow with depth.
#include <ATen/Parallel.h>

#include "tests/contract/allocation_peak.h"
#include "tests/contract/method_contract.h"

namespace ptq::method {
namespace {

TEST(AllocationPeakTest, SeesTensorsAndVectors) {
  const int64_t tensors = testing::AllocationPeak([] {
    at::Tensor first = at::zeros({1 << 20});
    first = at::Tensor();
    const at::Tensor second = at::zeros({1 << 19});
  });
  EXPECT_GE(tensors, 4 << 20);
  EXPECT_LT(tensors, 5 << 20) << "the first was given back";
  const int64_t vectors = testing::AllocationPeak([] {
    std::vector<std::vector<float>> all;
    for (int i = 0; i < 4; ++i) {
      all.emplace_back(1 << 18);
    }
  });
  EXPECT_GE(vectors, 4 << 20);
  EXPECT_LT(vectors, 5 << 20);
}

constexpr int64_t kFewImages = 8;
constexpr int64_t kManyImages = 32;
constexpr int64_t kShallow = 2;
constexpr int64_t kDeep = 6;

class MemoryContractTest : public ContractTest {
 protected:
  MemoryContractTest() : threads_(at::get_num_threads()) { at::set_num_threads(1); }
  ~MemoryContractTest() override { at::set_num_threads(threads_); }

  static vit::VitConfig Config(int64_t depth) {
    vit::VitConfig config = testing::TinyConfig();
    config.image_size = 16;
    config.depth = depth;
    return config;
  }

  // Bytes that Quantize holds at once.
  int64_t Peak(int64_t depth, int64_t images) {
    model_ = testing::RandomModel(Config(depth));
    pixels_ = testing::RandomImages(model_.config(), images);
    return testing::AllocationPeak([this] {
      const Result<Plan> plan = RunCheaply(Standard());
      EXPECT_TRUE(plan.ok()) << plan.error().ToString();
    });
  }
  // What more blocks add to it: statistics of operands, quantized weights, the plan.
  int64_t AddedByDepth(int64_t images) { return Peak(kDeep, images) - Peak(kShallow, images); }

 private:
  const int threads_;
};

// What depth adds does not depend on the number of images.  The allowance is half of one residual stream per block, so
// that a method that keeps as little as that of every block at once is found; one that says so may keep that and no
// more.
TEST_P(MemoryContractTest, NoActivationsOfAllBlocksAtOnce) {
  Peak(kShallow, kFewImages);  // what is made once per process
  const int64_t few = AddedByDepth(kFewImages);
  const int64_t many = AddedByDepth(kManyImages);
  const vit::VitConfig config = Config(kDeep);
  const int64_t residual_bytes = config.tokens() * config.width * static_cast<int64_t>(sizeof(float));
  const int64_t streams = (kDeep - kShallow) * (kManyImages - kFewImages);
  const std::string kilobytes = std::to_string(few / 1000) + ", " + std::to_string(many / 1000);
  RecordProperty("kilobytes_added_by_depth", kilobytes);
  const bool keeps_inputs = method_.info().keeps_stage_inputs;
  EXPECT_LE(many - few, streams * residual_bytes * (keeps_inputs ? 5 : 2) / 4)
      << "four blocks more take " << kilobytes << " KB with 8 and 32 images";
  EXPECT_TRUE(many - few > streams * residual_bytes / 2 || !keeps_inputs)
      << "info() says that stage inputs are kept, and they are not";
}

INSTANTIATE_TEST_SUITE_P(EveryMethod, MemoryContractTest, ::testing::ValuesIn(Ids()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace ptq::method
