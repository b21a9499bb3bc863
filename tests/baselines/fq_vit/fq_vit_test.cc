#include "baselines/fq_vit/fq_vit.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "baselines/fq_vit/power_of_two_factor.h"
#include "tests/baselines/quantize_tiny.h"

namespace ptq::baselines {
namespace {

using quant::Granularity;
using quant::Grid;

// Channels of even values whose ranges are 1, 1/2, 1/4, 1/8 and 1/100 of the layer's: each takes the smallest scale
// that covers it, so that 8 codes more or fewer bits' worth of steps fit, and the narrowest stops at K = 3.
TEST(PowerOfTwoFactorsTest, AChannelTakesTheScaleThatCoversIt) {
  const at::Tensor ramp = at::linspace(-1.28, 1.27, 1000).view({4, 250, 1});
  const at::Tensor x = ramp * at::tensor({1.0F, 0.5F, 0.25F, 0.125F, 0.01F});
  const quant::QuantParams params = PowerOfTwoFactors(x, 8, 3).value();
  EXPECT_EQ(params.axis, 2);
  EXPECT_NEAR(params.scale[0], 0.01, 1e-7);
  for (int c = 0; c < 5; ++c) {
    EXPECT_EQ(params.scale[c], std::ldexp(params.scale[0], -std::min(c, 3))) << c;
    EXPECT_EQ(params.zero_point[c], 128);
  }
}

// The definition, one number at a time: codes clamp(round(x / s + z)), squared error, the smallest scale at a tie.
TEST(PowerOfTwoFactorsTest, EqualTheSearchByHand) {
  const at::Tensor noise = testing::RandomTensor({3, 200, 24}, 6);
  const at::Tensor x = noise * noise * noise * at::logspace(-2, 1, 24) + at::linspace(-1, 2, 24);
  for (const auto& [bits, largest] : {std::pair{8, 3}, std::pair{4, 3}, std::pair{6, 5}, std::pair{8, 1}}) {
    const quant::QuantParams params = PowerOfTwoFactors(x, bits, largest).value();
    const double levels = std::exp2(bits) - 1;
    const double layer = (x.max().item<double>() - x.min().item<double>()) / levels;
    const double zero_point = std::nearbyint(-x.min().item<double>() / layer);
    std::set<int> chosen;
    for (int64_t c = 0; c < x.size(2); ++c) {
      const at::Tensor values = x.select(2, c).contiguous();
      int best = -1;
      double least = INFINITY;
      for (int factor = 0; factor <= largest; ++factor) {
        const double scale = layer * std::exp2(factor - largest);
        double error = 0;
        for (int64_t i = 0; i < values.numel(); ++i) {
          const double value = values.data_ptr<float>()[i];
          const double code = std::clamp(std::nearbyint(value / scale + zero_point), 0.0, levels);
          error += std::pow(value - (code - zero_point) * scale, 2);
        }
        if (error < least) {
          least = error;
          best = factor;
        }
      }
      chosen.insert(best);
      EXPECT_NEAR(params.scale[c] / (layer * std::exp2(best - largest)), 1, 1e-5) << c << ", " << bits << " bits";
      EXPECT_EQ(params.zero_point[c], static_cast<int32_t>(zero_point));
    }
    EXPECT_GT(chosen.size(), 1U);
  }
}

TEST(PowerOfTwoFactorsTest, ZeroLargestFactorIsTheLayersScale) {
  const at::Tensor x = testing::RandomTensor({2, 30, 5}, 4);
  const quant::QuantParams params = PowerOfTwoFactors(x, 8, 0).value();
  const float scale = (x.max().item<float>() - x.min().item<float>()) / 255;
  for (const float each : params.scale) {
    EXPECT_FLOAT_EQ(each, scale);
  }
}

TEST(PowerOfTwoFactorsTest, AStreamOfZeros) {
  const quant::QuantParams params = PowerOfTwoFactors(at::zeros({2, 3, 4}), 8, 3).value();
  EXPECT_TRUE(quant::Validate(params).ok());
  EXPECT_EQ(params.zero_point, std::vector<int32_t>(4, 0));
}

class FqVitTest : public ::testing::Test {
 protected:
  float Min(const vit::OperandId& operand) const {
    const std::vector<float>& values = tiny_.ValuesOf(operand);
    return *std::min_element(values.begin(), values.end());
  }
  float Max(const vit::OperandId& operand) const {
    const std::vector<float>& values = tiny_.ValuesOf(operand);
    return *std::max_element(values.begin(), values.end());
  }
  method::Plan Run(const method::Scheme& scheme = {}, const std::map<std::string, method::ParameterValue>& given = {}) {
    return tiny_.Run(*method_, scheme, given).value();
  }
  QuantizeTiny tiny_;
  const std::unique_ptr<method::Method> method_ = MakeFqVit();
};

vit::OperandId Left(vit::OpKind kind, int64_t block) { return {{kind, block}, vit::Side::kLeft}; }
vit::OperandId Right(vit::OpKind kind, int64_t block) { return {{kind, block}, vit::Side::kRight}; }

TEST_F(FqVitTest, ActivationsCoverTheirRange) {
  const method::Plan plan = Run();
  for (const vit::OperandId& operand :
       {Left(vit::OpKind::kPatchEmbed, -1), Left(vit::OpKind::kQkv, 0), Left(vit::OpKind::kProj, 1),
        Left(vit::OpKind::kFc1, 0), Left(vit::OpKind::kFc2, 1), Left(vit::OpKind::kHead, -1)}) {
    const quant::QuantParams& params = plan.operands.at(operand);
    EXPECT_EQ(params.grid, Grid::kAffine) << operand.name();
    EXPECT_FLOAT_EQ(params.scale[0] * 255, Max(operand) - Min(operand)) << operand.name();
    EXPECT_EQ(params.zero_point[0], static_cast<int32_t>(std::nearbyint(-Min(operand) / params.scale[0])));
  }
}

// The official code quantizes the output of the qkv projection once.
TEST_F(FqVitTest, QueriesKeysAndValuesShareOneQuantizer) {
  const method::Plan plan = Run();
  const vit::OperandId q = Left(vit::OpKind::kQk, 1), k = Right(vit::OpKind::kQk, 1), v = Right(vit::OpKind::kPv, 1);
  const float low = std::min({Min(q), Min(k), Min(v)});
  const float high = std::max({Max(q), Max(k), Max(v)});
  EXPECT_FLOAT_EQ(plan.operands.at(q).scale[0] * 255, high - low);
  EXPECT_EQ(plan.operands.at(q), plan.operands.at(k));
  EXPECT_EQ(plan.operands.at(q), plan.operands.at(v));
}

// int8 with the scale max|w| / 127.5.
TEST_F(FqVitTest, WeightsAreSymmetricWithHalfACodeToSpare) {
  const vit::OperandId fc1 = Right(vit::OpKind::kFc1, 0);
  const float bound = std::max(Max(fc1), -Min(fc1));
  EXPECT_FLOAT_EQ(Run().operands.at(fc1).scale[0], bound / 127.5F);
  method::Scheme scheme{4, 8, Granularity::kPerChannel};
  const quant::QuantParams rows = Run(scheme).operands.at(fc1);
  EXPECT_EQ(rows.grid, Grid::kSymmetricFull);
  EXPECT_FLOAT_EQ(*std::max_element(rows.scale.begin(), rows.scale.end()), bound / 7.5F);
}

TEST_F(FqVitTest, SoftmaxLiesOnPowersOfTwoOrAnUnsignedGrid) {
  const vit::OperandId softmax = Left(vit::OpKind::kPv, 0);
  const quant::QuantParams powers = Run({8, 4}).operands.at(softmax);
  EXPECT_EQ(powers.grid, Grid::kLog2);
  EXPECT_EQ(powers.num_bits, 4);
  EXPECT_EQ(powers.scale[0], 1);
  const quant::QuantParams uniform = Run({}, {{"log2_softmax", false}}).operands.at(softmax);
  EXPECT_EQ(uniform.grid, Grid::kUnsigned);
  EXPECT_FLOAT_EQ(uniform.scale[0], Max(softmax) / 255);
}

// Keeps what the LayerNorms read.
class NormEngine final : public vit::OpEngine {
 public:
  at::Tensor NormInput(const vit::NormId& norm, const at::Tensor& x) override {
    inputs[norm] = x;
    return x;
  }
  std::map<vit::NormId, at::Tensor> inputs;
};

TEST_F(FqVitTest, LayerNormInputsAreQuantizedAtTheActivationBits) {
  const vit::VitModel& model = tiny_.model();
  const at::Tensor images = testing::RandomImages(model.config(), 20);
  NormEngine engine;
  at::Tensor x = model.Embed(images, engine);
  for (int64_t block = 0; block < model.config().depth; ++block) {
    x = model.Block(block, x, engine);
  }
  engine.inputs[{}] = x;  // the final LayerNorm's quantizer is made for all tokens
  for (const int factor : {3, 5}) {
    const method::Plan plan = Run({4, 6}, {{"ptf_factor", int64_t{factor}}});
    ASSERT_EQ(plan.norm_inputs.size(), vit::AllNorms(model.config()).size());
    for (const auto& [norm, params] : plan.norm_inputs) {
      const quant::QuantParams expected = PowerOfTwoFactors(engine.inputs.at(norm), 6, factor).value();
      ASSERT_EQ(params.scale.size(), expected.scale.size()) << norm.name();
      EXPECT_EQ(params.num_bits, 6);
      EXPECT_EQ(params.zero_point, expected.zero_point) << norm.name();
      for (size_t c = 0; c < params.scale.size(); ++c) {
        EXPECT_NEAR(params.scale[c] / expected.scale[c], 1, 1e-5) << norm.name() << " " << c;
      }
    }
  }
  EXPECT_TRUE(Run({}, {{"layer_norm_inputs", false}}).norm_inputs.empty());
}

TEST_F(FqVitTest, TheFactorIsReadWithQuantizedLayerNormInputsOnly) {
  const Result<method::Plan> plan = tiny_.Run(*method_, {}, {{"layer_norm_inputs", false}, {"ptf_factor", int64_t{2}}});
  EXPECT_FALSE(plan.ok());
}

// Large enough that the work is cut between threads.
TEST(FqVitModelsTest, ThreadsDoNotChangeThePlan) {
  vit::VitConfig config = testing::TinyConfig();
  config.image_size = 40;
  const vit::VitModel model = testing::RandomModel(config);
  testing::MemoryImages images(testing::RandomImages(config, 16));
  const std::unique_ptr<method::Method> method = MakeFqVit();
  const method::Parameters parameters = method::Parameters::Resolve(method->info().parameters, {}).value();
  const int threads = at::get_num_threads();
  std::vector<method::Plan> plans;
  for (const int count : {1, 2}) {
    at::set_num_threads(count);
    NullProgress progress;
    NullCheckpoint checkpoint;
    calib::Calibration calibration(model, images, progress);
    plans.push_back(
        method->Quantize({model, calibration, {}, parameters, RandomStream(1, "fq"), progress, checkpoint}).value());
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(plans[0].operands == plans[1].operands);
  EXPECT_TRUE(plans[0].norm_inputs == plans[1].norm_inputs);
}

}  // namespace
}  // namespace ptq::baselines
