#include "baselines/kl/kl.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/search/entropy_threshold.h"
#include "tests/baselines/quantize_tiny.h"

namespace ptq::baselines {
namespace {

bool IsSoftmax(const vit::OperandId& operand) {
  return operand.op.kind == vit::OpKind::kPv && operand.side == vit::Side::kLeft;
}

class KlTest : public ::testing::Test {
 protected:
  float Bound(const vit::OperandId& operand) const {
    float bound = 0;
    for (const float x : tiny_.ValuesOf(operand)) {
      bound = std::max(bound, std::abs(x));
    }
    return bound;
  }
  // The clip from a histogram of exactly 0..max.
  double DirectClip(const vit::OperandId& operand, int64_t groups, const search::EntropyOptions& options) const {
    const double bound = Bound(operand);
    std::vector<int64_t> counts(options.bins, 0);
    for (const float x : tiny_.ValuesOf(operand)) {
      const auto bin =
          static_cast<int64_t>(std::abs(static_cast<double>(x)) / bound * static_cast<double>(options.bins));
      ++counts[std::min(bin, options.bins - 1)];
    }
    return search::EntropyClip(counts, bound / static_cast<double>(options.bins), bound, groups, options);
  }
  QuantizeTiny tiny_;
  const std::unique_ptr<method::Method> method_ = MakeKl();
};

TEST_F(KlTest, WeightsKeepTheirRangeAndGridsAreAsDocumented) {
  const method::Plan plan = tiny_.Run(*method_).value();
  for (const auto& [operand, params] : plan.operands) {
    EXPECT_EQ(params.grid, IsSoftmax(operand) ? quant::Grid::kUnsigned : quant::Grid::kSymmetricRestricted)
        << operand.name();
    const float top = params.scale[0] * static_cast<float>(quant::Codes(params.grid, 8).qmax);
    if (operand.is_weight()) {
      EXPECT_FLOAT_EQ(top, Bound(operand));
    } else {
      EXPECT_LE(top, Bound(operand) * 1.000001F) << operand.name();
      EXPECT_GT(top, 0);
    }
  }
}

// A tiny model's activations are few: most bins hold no value or one, and where values were moved between neighbours by
// the way of binning the divergence changes a little.  So the clip need not be the same to the bin, but it must be
// about as good under the directly counted histogram.
TEST_F(KlTest, TheClipIsThatOfTheValuesThemselves) {
  for (const int bits : {3, 4, 6}) {
    const method::Plan plan = tiny_.Run(*method_, {bits, bits}, {{"drop_zero_bin", false}}).value();
    int near = 0, all = 0;
    for (const auto& [operand, params] : plan.operands) {
      if (!operand.is_weight()) {
        const double clip = static_cast<double>(params.scale[0]) * quant::Codes(params.grid, bits).qmax;
        const double direct = DirectClip(operand, search::EntropyGroups(params.grid, bits), {});
        EXPECT_GT(clip, 0.5 * direct) << operand.name();
        EXPECT_LT(clip, 2 * direct) << operand.name();
        near += std::abs(clip / direct - 1) < 0.1 ? 1 : 0;
        ++all;
      }
    }
    EXPECT_GE(near, all * 3 / 4) << bits;
  }
}

TEST_F(KlTest, ALevelForEveryBinLeavesNothingToClip) {
  const method::Plan plan = tiny_.Run(*method_, {8, 12}).value();
  for (const auto& [operand, params] : plan.operands) {
    if (!operand.is_weight()) {
      EXPECT_FLOAT_EQ(params.scale[0] * static_cast<float>(quant::Codes(params.grid, 12).qmax), Bound(operand));
    }
  }
}

TEST_F(KlTest, DroppedValuesAreNoted) {
  EXPECT_TRUE(tiny_.Run(*method_, {}, {{"drop_zero_bin", false}}).value().notes.empty());
  const method::Plan plan = tiny_.Run(*method_).value();
  double shares = 0, activations = 0;
  for (const auto& [operand, params] : plan.operands) {
    if (!operand.is_weight()) {
      const std::vector<float>& values = tiny_.ValuesOf(operand);
      const float width = Bound(operand) / 2048;
      const auto zeros = std::count_if(values.begin(), values.end(), [=](float x) { return std::abs(x) < width; });
      shares += static_cast<double>(zeros) / static_cast<double>(values.size());
      ++activations;
    }
  }
  EXPECT_NEAR(std::stod(plan.notes.at("dropped_share")), shares / activations, 1e-3);
}

TEST_F(KlTest, WeightsPerRow) {
  method::Scheme scheme;
  scheme.weight_granularity = quant::Granularity::kPerChannel;
  const method::Plan plan = tiny_.Run(*method_, scheme).value();
  const vit::OperandId fc1{{vit::OpKind::kFc1, 0}, vit::Side::kRight};
  const std::vector<float>& weight = tiny_.ValuesOf(fc1);
  const quant::QuantParams& params = plan.operands.at(fc1);
  const size_t inner = weight.size() / params.scale.size();
  for (size_t row = 0; row < params.scale.size(); ++row) {
    float bound = 0;
    for (size_t k = 0; k < inner; ++k) {
      bound = std::max(bound, std::abs(weight[row * inner + k]));
    }
    EXPECT_FLOAT_EQ(params.scale[row] * 127, bound) << row;
  }
}

}  // namespace
}  // namespace ptq::baselines
