#include "baselines/aciq/aciq.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "baselines/aciq/activation.h"
#include "baselines/aciq/weight.h"
#include "core/exec/executor.h"
#include "core/quant/fake_quant.h"
#include "core/quant/lp_range.h"
#include "core/quant/range.h"
#include "tests/baselines/quantize_tiny.h"

namespace ptq::baselines {
namespace {

using aciq::Prior;
using aciq::Sides;

const vit::OperandId kFc1Input{{vit::OpKind::kFc1, 0}, vit::Side::kLeft};
const vit::OperandId kGelu{{vit::OpKind::kFc2, 0}, vit::Side::kLeft};
const vit::OperandId kSoftmax{{vit::OpKind::kPv, 0}, vit::Side::kLeft};

calib::TensorStatistics StatisticsOf(const std::vector<float>& values) {
  calib::TensorStatistics statistics({}, RandomStream(1, "reservoir"));
  PTQ_CHECK(statistics.Add(at::tensor(values)).ok());
  return statistics;
}

std::vector<float> LaplaceSamples(int64_t count, double mean) {
  RandomStream random(2, "laplace");
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    const double uniform = random.NextDouble() - 0.5;
    values.push_back(static_cast<float>(mean - std::copysign(std::log1p(-2 * std::fabs(uniform)), uniform)));
  }
  return values;
}

double MeanOf(const std::vector<float>& x) {
  double sum = 0;
  for (const float v : x) {
    sum += v;
  }
  return sum / static_cast<double>(x.size());
}

// The spreads against sums over the elements.
TEST(AciqActivationTest, SpreadsAreThoseOfTheElements) {
  const std::vector<float> values = LaplaceSamples(100000, 0.3);
  const double mean = MeanOf(values);
  double absolute = 0;
  double square = 0;
  double positive = 0;
  double positive_sum = 0;
  double positive_square = 0;
  for (const float x : values) {
    absolute += std::fabs(x - mean);
    square += (x - mean) * (x - mean);
    positive += x > 0 ? 1 : 0;
    positive_sum += x > 0 ? x : 0;
    positive_square += x > 0 ? static_cast<double>(x) * x : 0;
  }
  const auto count = static_cast<double>(values.size());
  const calib::TensorStatistics statistics = StatisticsOf(values);
  const aciq::Spread two = aciq::SpreadOf(statistics, Sides::kTwo);
  EXPECT_NEAR(two.center, mean, 1e-9);
  EXPECT_NEAR(two.laplace / (absolute / count), 1, 1e-3);
  EXPECT_NEAR(two.gauss / std::sqrt(square / (count - 1)), 1, 1e-9);
  const aciq::Spread one = aciq::SpreadOf(statistics, Sides::kOne);
  EXPECT_EQ(one.center, 0);
  EXPECT_NEAR(one.laplace / (positive_sum / positive), 1, 2e-3);
  EXPECT_NEAR(one.gauss / std::sqrt(positive_square / positive), 1, 2e-3);
  EXPECT_FALSE(aciq::SpreadOf(StatisticsOf({-1, -2}), Sides::kOne).fitted);
}

TEST(AciqActivationTest, TwoSidedRangesLieAroundTheMean) {
  const calib::TensorStatistics statistics = StatisticsOf(LaplaceSamples(200000, 0.25));
  for (const int bits : {2, 4, 6}) {
    const auto laplace =
        aciq::GridOfActivation(kFc1Input, statistics, bits, aciq::PriorRule::kLaplace, aciq::SoftmaxRule::kMax).value();
    EXPECT_EQ(laplace.params.grid, quant::Grid::kAffine);
    EXPECT_EQ(laplace.fit, aciq::Fit::kLaplace);
    const double clip = aciq::OptimalClip(Prior::kLaplace, Sides::kTwo, bits);  // b is 1
    const double steps = std::ldexp(1.0, bits) - 1;
    EXPECT_NEAR(laplace.params.scale[0] * steps / (2 * clip), 1, 0.02) << bits;
    EXPECT_NEAR(laplace.params.zero_point[0], (clip - 0.25) / (2 * clip) * steps, 0.6) << bits;
    const auto gauss =
        aciq::GridOfActivation(kFc1Input, statistics, bits, aciq::PriorRule::kGauss, aciq::SoftmaxRule::kMax).value();
    const double gauss_clip = std::sqrt(2.0) * aciq::OptimalClip(Prior::kGauss, Sides::kTwo, bits);
    EXPECT_NEAR(gauss.params.scale[0] * steps / (2 * gauss_clip), 1, 0.02) << bits;
  }
}

TEST(AciqActivationTest, NoRangeExceedsTheObservedOne) {
  const calib::TensorStatistics statistics = StatisticsOf({-1, -0.5F, 0, 0.5F, 1, 0.75F});
  const auto grid =
      aciq::GridOfActivation(kFc1Input, statistics, 8, aciq::PriorRule::kLaplace, aciq::SoftmaxRule::kMax).value();
  EXPECT_FLOAT_EQ(grid.params.scale[0], 2.0F / 255);
}

TEST(AciqActivationTest, GeluOutputsAreOneSidedAboveTheirMinimum) {
  std::vector<float> values = LaplaceSamples(200000, 0);
  for (float& x : values) {
    x = std::max(x, -0.17F);
  }
  const auto grid =
      aciq::GridOfActivation(kGelu, StatisticsOf(values), 4, aciq::PriorRule::kLaplace, aciq::SoftmaxRule::kMax)
          .value();
  EXPECT_EQ(grid.params.grid, quant::Grid::kAffine);
  EXPECT_NEAR(grid.params.scale[0] * 15, 6.204766 + 0.17, 0.05);
}

// Probabilities over 197 tokens have the mean 1/197 whatever they are, and so the clipping values 0.0315, 0.0439,
// 0.0567.
TEST(AciqActivationTest, FaithfulSoftmaxClipsNearlyAllAttention) {
  std::vector<float> row(197, 0.1F / 196);
  row[0] = 0.9F;
  const calib::TensorStatistics statistics = StatisticsOf(row);
  const std::pair<int, double> clips[] = {{4, 0.0315}, {6, 0.0439}, {8, 0.0567}};
  for (const auto& [bits, clip] : clips) {
    const auto faithful =
        aciq::GridOfActivation(kSoftmax, statistics, bits, aciq::PriorRule::kLaplace, aciq::SoftmaxRule::kFaithful)
            .value();
    EXPECT_EQ(faithful.params.grid, quant::Grid::kUnsigned);
    EXPECT_NEAR(faithful.params.scale[0] * (std::ldexp(1.0, bits) - 1), clip, 1e-4) << bits;
    const auto max =
        aciq::GridOfActivation(kSoftmax, statistics, bits, aciq::PriorRule::kLaplace, aciq::SoftmaxRule::kMax).value();
    EXPECT_FLOAT_EQ(max.params.scale[0] * (std::ldexp(1.0F, bits) - 1), 0.9F);
    const auto one =
        aciq::GridOfActivation(kSoftmax, statistics, bits, aciq::PriorRule::kLaplace, aciq::SoftmaxRule::kOne).value();
    EXPECT_FLOAT_EQ(one.params.scale[0] * (std::ldexp(1.0F, bits) - 1), 1.0F);
    EXPECT_EQ(one.fit, aciq::Fit::kMinMax);
  }
}

TEST(AciqActivationTest, MixTakesTheFitThatMeasuresBest) {
  RandomStream random(4, "values");
  std::vector<float> normal;
  std::vector<float> uniform;
  for (int i = 0; i < 100000; ++i) {
    normal.push_back(static_cast<float>(random.NextNormal()));
    uniform.push_back(static_cast<float>(random.NextDouble() - 0.5));
  }
  const auto fit_of = [](const std::vector<float>& values) {
    return aciq::GridOfActivation(kFc1Input, StatisticsOf(values), 4, aciq::PriorRule::kMix, aciq::SoftmaxRule::kMax)
        .value()
        .fit;
  };
  EXPECT_EQ(fit_of(LaplaceSamples(100000, 0)), aciq::Fit::kLaplace);
  EXPECT_EQ(fit_of(normal), aciq::Fit::kGauss);
  EXPECT_EQ(fit_of(uniform), aciq::Fit::kMinMax);
}

class AciqWeightTest : public ::testing::Test {
 protected:
  // (24, 40): rows of very different spread and mean; row 7 is constant.
  AciqWeightTest() {
    RandomStream random(6, "weight");
    weight_ = at::empty({24, 40});
    float* data = weight_.data_ptr<float>();
    for (int row = 0; row < 24; ++row) {
      const double spread = std::exp(1.2 * random.NextNormal());
      for (int k = 0; k < 40; ++k) {
        data[row * 40 + k] = row == 7 ? 0.3F : static_cast<float>(spread * (random.NextNormal() + 0.2));
      }
    }
  }
  aciq::QuantizedWeight Quantize(const aciq::WeightRule& rule, int bits = 4) const {
    return aciq::QuantizeWeight(weight_, bits, quant::Granularity::kPerChannel, rule).value();
  }
  at::Tensor Dequantized(const aciq::QuantizedWeight& quantized) const {
    const at::Tensor source =
        quantized.replaced.empty() ? weight_ : at::tensor(quantized.replaced).view(weight_.sizes());
    PTQ_CHECK(quant::Validate(quantized.params).ok());
    return quant::FakeQuantize(source, quantized.params);
  }
  at::Tensor weight_;
};

TEST_F(AciqWeightTest, WithoutExtrasItIsMinMaxOfEachRow) {
  const quant::QuantParams params = Quantize({std::nullopt, false, false}).params;
  const quant::Range range = quant::RangeOf(weight_, quant::Granularity::kPerChannel).value();
  EXPECT_TRUE(params == quant::WeightParams(quant::Grid::kAffine, 4, quant::Granularity::kPerChannel, range).value());
}

TEST_F(AciqWeightTest, RowMeansArePutBack) {
  for (const std::optional<aciq::Quota> quota :
       {std::optional<aciq::Quota>(), std::optional(aciq::Quota::kAverage), std::optional(aciq::Quota::kBins)}) {
    for (const int bits : {2, 4}) {
      const at::Tensor corrected = Dequantized(Quantize({quota, true, false}, bits)).to(at::kDouble).mean(1);
      EXPECT_LT((corrected - weight_.to(at::kDouble).mean(1)).abs().max().item<double>(), 1e-6) << bits;
    }
  }
}

TEST_F(AciqWeightTest, RowSpreadsArePutBackAndNoCodeChanges) {
  const aciq::QuantizedWeight plain = Quantize({std::nullopt, true, false}, 3);
  const aciq::QuantizedWeight quantized = Quantize({std::nullopt, true, true}, 3);
  ASSERT_EQ(quantized.replaced.size(), 24U * 40U);
  const at::Tensor replaced = at::tensor(quantized.replaced).view({24, 40});
  EXPECT_TRUE(quant::Quantize(replaced, quantized.params).equal(quant::Quantize(weight_, plain.params)));
  const at::Tensor corrected = Dequantized(quantized).to(at::kDouble);
  const at::Tensor exact = weight_.to(at::kDouble);
  EXPECT_LT((corrected.mean(1) - exact.mean(1)).abs().max().item<double>(), 1e-6);
  EXPECT_LT((corrected.std(1) - exact.std(1)).abs().max().item<double>(), 1e-5);
}

TEST_F(AciqWeightTest, ARowOfNoBitsIsItsMean) {
  for (const bool bias_correction : {true, false}) {
    const aciq::QuantizedWeight quantized = Quantize({aciq::Quota::kAverage, bias_correction, false}, 2);
    ASSERT_EQ(quantized.params.channel_bits.size(), 24U);
    EXPECT_EQ(quantized.params.channel_bits[7], 0);
    const at::Tensor row = Dequantized(quantized)[7];
    EXPECT_LT((row - 0.3).abs().max().item<float>(), 1e-6F);
    if (!bias_correction) {
      for (size_t r = 0; r < 24; ++r) {
        EXPECT_TRUE(quantized.params.correction[r] == 0 || quantized.params.channel_bits[r] == 0) << r;
      }
    }
  }
}

TEST_F(AciqWeightTest, SharedBitsLoseLessAtTheSameAverage) {
  const auto loss = [&](const aciq::WeightRule& rule) {
    return (Dequantized(Quantize(rule, 4)) - weight_).square().mean().item<double>();
  };
  EXPECT_LT(loss({aciq::Quota::kAverage, true, false}), 0.7 * loss({std::nullopt, true, false}));
}

TEST_F(AciqWeightTest, PerTensorTheWholeWeightIsOneRow) {
  const aciq::QuantizedWeight quantized =
      aciq::QuantizeWeight(weight_, 4, quant::Granularity::kPerTensor, {std::nullopt, true, true}).value();
  ASSERT_EQ(quantized.params.scale.size(), 1U);
  ASSERT_EQ(quantized.params.correction.size(), 1U);
  const at::Tensor corrected = Dequantized(quantized).to(at::kDouble);
  EXPECT_NEAR(corrected.mean().item<double>(), weight_.to(at::kDouble).mean().item<double>(), 1e-6);
  EXPECT_NEAR(corrected.std().item<double>(), weight_.to(at::kDouble).std().item<double>(), 1e-5);
}

TEST_F(AciqWeightTest, ZerosAndWhatIsNotFinite) {
  const at::Tensor zeros = at::zeros({3, 5});
  for (const auto granularity : {quant::Granularity::kPerTensor, quant::Granularity::kPerChannel}) {
    const auto quantized = aciq::QuantizeWeight(zeros, 4, granularity, {std::nullopt, true, true}).value();
    EXPECT_TRUE(quant::FakeQuantize(zeros, quantized.params).equal(zeros));
  }
  const auto shared =
      aciq::QuantizeWeight(zeros, 4, quant::Granularity::kPerChannel, {aciq::Quota::kAverage, true, false}).value();
  EXPECT_TRUE(quant::FakeQuantize(zeros, shared.params).equal(zeros));
  weight_[2][3] = std::nanf("");
  EXPECT_FALSE(aciq::QuantizeWeight(weight_, 4, quant::Granularity::kPerChannel, {std::nullopt, true, false}).ok());
}

class AciqTest : public ::testing::Test {
 protected:
  static method::Scheme PerChannel(int weight_bits, int activation_bits) {
    method::Scheme scheme{weight_bits, activation_bits};
    scheme.weight_granularity = quant::Granularity::kPerChannel;
    return scheme;
  }
  QuantizeTiny tiny_;
  const std::unique_ptr<method::Method> method_ = MakeAciq();
};

TEST_F(AciqTest, FourBitRowsShareTheirBitsByDefault) {
  const method::Plan plan = tiny_.Run(*method_, PerChannel(4, 4)).value();
  int shared = 0;
  for (const auto& [operand, params] : plan.operands) {
    EXPECT_EQ(params.channel_bits.empty(), !operand.is_weight()) << operand.name();
    EXPECT_EQ(params.num_bits, 4);
    int64_t sum = 0;
    for (const int32_t bits : params.channel_bits) {
      sum += bits;
      shared += bits != 4 ? 1 : 0;
    }
    EXPECT_LE(sum, 4 * static_cast<int64_t>(params.channel_bits.size())) << operand.name();
  }
  EXPECT_GT(shared, 0);
  EXPECT_EQ(plan.notes.at("mean_weight_bits"), "4.0000");
  EXPECT_EQ(plan.notes.at("gauss_operands"), "0");
  const method::Plan bins = tiny_.Run(*method_, PerChannel(4, 4), {{"allocation", std::string("bins")}}).value();
  EXPECT_LE(std::stod(bins.notes.at("mean_weight_bits")), 4.0);
  EXPECT_LE(std::stod(bins.notes.at("weight_bins_of_quota")), 1.0);
}

TEST_F(AciqTest, MoreThanFourBitsAndWholeTensorsDoNot) {
  for (const method::Scheme& scheme : {PerChannel(5, 4), method::Scheme{4, 4}}) {
    const method::Plan plan = tiny_.Run(*method_, scheme).value();
    for (const auto& [operand, params] : plan.operands) {
      EXPECT_TRUE(params.channel_bits.empty()) << operand.name();
      EXPECT_EQ(params.correction.empty(), !operand.is_weight()) << operand.name();
    }
    EXPECT_EQ(plan.notes.count("mean_weight_bits"), 0U);
  }
  const Result<method::Plan> refused = tiny_.Run(*method_, {4, 4}, {{"allocation", std::string("bins")}});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  const method::Plan asked = tiny_.Run(*method_, PerChannel(6, 6), {{"allocation", std::string("average")}}).value();
  EXPECT_EQ(asked.notes.at("mean_weight_bits"), "6.0000");
}

TEST_F(AciqTest, CorrectedPlansRunInEveryForm) {
  const at::Tensor images = testing::RandomImages(tiny_.model().config(), 8, 5);
  vit::OpEngine engine;
  const at::Tensor exact = tiny_.model().Forward(images, engine);
  for (const bool variance : {false, true}) {
    const method::Plan plan = tiny_.Run(*method_, PerChannel(8, 8), {{"variance_correction", variance}}).value();
    EXPECT_EQ(plan.replaced_parameters.empty(), !variance);
    const at::Tensor logits = exec::MakeSimulatedExecutor(tiny_.model(), plan).value()->Run(images);
    EXPECT_GT(testing::SignalToNoise(exact, logits), 20) << variance;
  }
}

TEST_F(AciqTest, NotesCountThePriors) {
  const method::Plan plan = tiny_.Run(*method_, {4, 4}, {{"prior", std::string("mix")}}).value();
  int activations = 0;
  for (const auto& [operand, params] : plan.operands) {
    activations += operand.is_weight() ? 0 : 1;
  }
  EXPECT_EQ(std::stoi(plan.notes.at("laplace_operands")) + std::stoi(plan.notes.at("gauss_operands")) +
                std::stoi(plan.notes.at("unclipped_operands")),
            activations);
}

}  // namespace
}  // namespace ptq::baselines
