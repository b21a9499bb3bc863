#include "baselines/skeleton/skeleton.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/baselines/quantize_tiny.h"

namespace ptq::baselines {
namespace {

TEST(SkeletonTest, CoversTheAskedFractionOfTheLargestValue) {
  QuantizeTiny tiny;
  for (const double fraction : {1.0, 0.5}) {
    const method::Plan plan = tiny.Run(*MakeSkeleton(), {}, {{"kept_fraction", fraction}}).value();
    for (const auto& [operand, params] : plan.operands) {
      float bound = 0;
      for (const float x : tiny.ValuesOf(operand)) {
        bound = std::max(bound, std::abs(x));
      }
      EXPECT_EQ(params.grid, quant::Grid::kSymmetricFull);
      EXPECT_FLOAT_EQ(params.scale[0], static_cast<float>(fraction * bound / 127)) << operand.name();
    }
  }
}

TEST(SkeletonTest, TwoBitsAreUnsupportedWithTheMend) {
  QuantizeTiny tiny;
  for (const method::Scheme& scheme : {method::Scheme{2, 8}, method::Scheme{8, 2}}) {
    const Result<method::Plan> plan = tiny.Run(*MakeSkeleton(), scheme);
    ASSERT_FALSE(plan.ok());
    EXPECT_EQ(plan.error().code, ErrorCode::kUnsupported);
    EXPECT_EQ(plan.error().message, "skeleton needs at least 3 bits; ask for W3A3 or more");
  }
}

}  // namespace
}  // namespace ptq::baselines
