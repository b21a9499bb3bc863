// Every method under every kind of scheme: it meets what it is asked, or says why it cannot.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "core/exec/executor.h"
#include "tests/contract/method_contract.h"

namespace ptq::method {
namespace {

using ::testing::HasSubstr;

TEST_P(ContractTest, MeetsWeightsPerTensorOrPerChannel) {
  const Result<Plan> plan = Run();
  ASSERT_TRUE(plan.ok()) << plan.error().ToString();
  ExpectMeets(*plan, Standard());
}

TEST_P(ContractTest, CoversExactlyWhatEachSchemeAsksFor) {
  FewImages();
  std::vector<Scheme> schemes(9, Standard());
  schemes[0].weight_granularity = quant::Granularity::kPerTensor;
  schemes[1].weight_granularity = quant::Granularity::kPerChannel;
  schemes[2].quantize_head = false;
  schemes[3].quantize_patch_embed = false;
  schemes[4].quantize_attention_products = false;
  schemes[5] = {4, 6, Standard().weight_granularity, false, false, false};
  schemes[6].patch_input_bits = 32;
  schemes[7].patch_input_bits = 8;
  schemes[7].weight_bits = schemes[7].activation_bits = 6;
  schemes[8].patch_input_bits = 4;
  schemes[8].quantize_head = false;
  for (const Scheme& scheme : schemes) {
    SCOPED_TRACE(scheme.ToString());
    ExpectMeetsOrRefuses(RunCheaply(scheme), scheme);
  }
}

TEST_P(ContractTest, EveryWidthIsMetOrRefusedWithAReason) {
  FewImages();
  for (int bits = quant::kMinBits; bits <= quant::kMaxBits; ++bits) {
    std::vector<Scheme> schemes = {Standard(bits, bits)};
    if (bits < 6 || bits == quant::kMaxBits) {
      schemes.push_back(Standard(bits, 8));
      schemes.push_back(Standard(8, bits));
    }
    for (const Scheme& scheme : schemes) {
      SCOPED_TRACE(scheme.ShortName());
      ExpectMeetsOrRefuses(RunCheaply(scheme), scheme);
    }
  }
}

// On images other than the calibration's.  8 bits keep the error near 1 % of each operand on a uniform grid; 20 dB is
// 10 % at the logits.  On powers of two (or of their root) the attention errs by up to a third, whatever the bits: 12
// dB.
TEST_P(ContractTest, EightBitsStayNearFloat) {
  const Result<Plan> plan = Run();
  ASSERT_TRUE(plan.ok()) << plan.error().ToString();
  const at::Tensor images = testing::RandomImages(model_.config(), 32, 99);
  vit::OpEngine engine;
  const at::Tensor expected = model_.Forward(images, engine);
  const at::Tensor logits = exec::MakeSimulatedExecutor(model_, *plan).value()->Run(images);
  const double sqnr = testing::SignalToNoise(expected, logits);
  RecordProperty("sqnr_db", std::to_string(sqnr));
  const std::vector<std::string> grids = SimulatedOnlyGrids(*plan);
  const bool has_powers = std::any_of(grids.begin(), grids.end(), [](const std::string& grid) {
    return grid == quant::Name(quant::Grid::kLog2) || grid == quant::Name(quant::Grid::kLogSqrt2);
  });
  EXPECT_GT(sqnr, has_powers ? 12 : 20);
}

TEST_P(ContractTest, MixedPrecisionIsMetOrRefused) {
  for (const int bits : {4, 6, 8}) {
    Scheme scheme = Standard(bits, bits);
    scheme.mixed = true;
    SCOPED_TRACE(scheme.ShortName());
    const Result<Plan> plan = Run(scheme);
    if (!method_.info().mixes_bits) {
      ASSERT_FALSE(plan.ok());
      EXPECT_EQ(plan.error().code, ErrorCode::kUnsupported);
      EXPECT_THAT(plan.error().message, HasSubstr("mixed precision"));
      continue;
    }
    ASSERT_TRUE(plan.ok()) << plan.error().ToString();
    ASSERT_TRUE(plan->allocation.has_value());
    const BitAllocation& allocation = *plan->allocation;
    const Status valid = Validate(allocation);
    ASSERT_TRUE(valid.ok()) << valid.error().ToString();
    ExpectMeets(*plan, scheme);
    EXPECT_EQ(allocation.target_bits, bits);
    std::set<const BitAllocation::Group*> used;
    for (const auto& [operand, params] : plan->operands) {
      used.insert(GroupOf(allocation, operand.op));
    }
    for (const BitAllocation::Group& group : allocation.groups) {
      EXPECT_EQ(used.count(&group), 1U) << group.name << " holds no quantized op";
    }
    for (size_t p = 1; p < allocation.front.size(); ++p) {
      EXPECT_GT(allocation.front[p].size_bytes, allocation.front[p - 1].size_bytes) << p;
      EXPECT_LT(allocation.front[p].omega, allocation.front[p - 1].omega) << p;
    }
    const double paper_bytes = SizeUnder(*plan, model_.config()).paper_bytes;
    EXPECT_NEAR(allocation.choice().size_bytes, paper_bytes, 1e-6 * paper_bytes);
  }
}

}  // namespace
}  // namespace ptq::method
