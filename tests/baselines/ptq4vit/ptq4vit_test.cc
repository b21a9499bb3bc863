#include "baselines/ptq4vit/ptq4vit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/quant/reference.h"
#include "tests/baselines/quantize_tiny.h"

namespace ptq::baselines {
namespace {

using vit::OpKind;
using vit::Side;

// q = 3 steps of 1/2 above zero, 4 of 1/4 below.
TEST(Ptq4VitTest, LevelsOfTheSignedTwinGrid) {
  quant::QuantParams params;
  params.grid = quant::Grid::kTwinSigned;
  params.num_bits = 3;
  params.scale = {0.5F};
  params.second_scale = {0.25F};
  params.zero_point = {0};
  const std::vector<std::pair<float, float>> cases = {{-9, -1}, {-0.6F, -0.5F}, {-0.1F, 0},
                                                      {0, 0},   {0.3F, 0.5F},   {9, 1.5F}};
  for (const auto& [x, value] : cases) {
    EXPECT_EQ(quant::FakeQuantizeScalar(x, params), value) << x;
  }
}

TEST(Ptq4VitTest, GridsOfAPlan) {
  const auto method = MakePtq4Vit();
  QuantizeTiny tiny;
  const Result<method::Plan> plan = tiny.Run(*method);
  ASSERT_TRUE(plan.ok()) << plan.error().ToString();
  const quant::QuantParams& gelu = plan->operands.at({{OpKind::kFc2, 0}, Side::kLeft});
  EXPECT_EQ(gelu.grid, quant::Grid::kTwinSigned);
  EXPECT_FLOAT_EQ(gelu.second_scale[0], 0.16997124F / 128);
  const quant::QuantParams& softmax = plan->operands.at({{OpKind::kPv, 0}, Side::kLeft});
  EXPECT_EQ(softmax.grid, quant::Grid::kTwinSoftmax);
  EXPECT_FLOAT_EQ(softmax.second_scale[0], 1.0F / 127);
  const double octave = std::log2(softmax.scale[0] * 127.0);
  EXPECT_NEAR(octave, std::round(octave), 1e-5) << "the split is a power of two";
  // A weight's step is a candidate: a multiple of max/127.5 in steps of 0.0119 from 0.01 on.
  const std::vector<float>& weight = tiny.ValuesOf({{OpKind::kProj, 1}, Side::kRight});
  float largest = 0;
  for (const float w : weight) {
    largest = std::max(largest, std::abs(w));
  }
  const double index =
      (plan->operands.at({{OpKind::kProj, 1}, Side::kRight}).scale[0] * 127.5 / largest - 0.01) / 0.0119;
  EXPECT_NEAR(index, std::round(index), 1e-2);
}

TEST(Ptq4VitTest, QkvInThirdsAndThePictureInFloat) {
  method::Scheme scheme;
  scheme.patch_input_bits = 32;
  QuantizeTiny tiny;
  const Result<method::Plan> plan = tiny.Run(*MakePtq4Vit(), scheme);
  ASSERT_TRUE(plan.ok()) << plan.error().ToString();
  EXPECT_EQ(plan->operands.count({{OpKind::kPatchEmbed, -1}, Side::kLeft}), 0U);
  EXPECT_EQ(plan->operands.count({{OpKind::kPatchEmbed, -1}, Side::kRight}), 1U);
  const std::vector<float>& scale = plan->operands.at({{OpKind::kQkv, 0}, Side::kRight}).scale;
  ASSERT_EQ(scale.size() % 3, 0U);
  for (size_t row = 0; row < scale.size(); ++row) {
    EXPECT_EQ(scale[row], scale[row / (scale.size() / 3) * (scale.size() / 3)]);
  }
}

TEST(Ptq4VitTest, RefusesAnIntervalPerRow) {
  method::Scheme scheme;
  scheme.weight_granularity = quant::Granularity::kPerChannel;
  QuantizeTiny tiny;
  const Result<method::Plan> plan = tiny.Run(*MakePtq4Vit(), scheme);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace ptq::baselines
