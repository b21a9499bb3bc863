#include "baselines/repq_vit/repq_vit.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "baselines/repq_vit/percentile_search.h"
#include "baselines/repq_vit/reparameterize.h"
#include "core/exec/executor.h"
#include "core/method/fake_quant_engine.h"
#include "core/quant/fake_quant.h"
#include "core/quant/range.h"
#include "tests/baselines/quantize_tiny.h"

namespace ptq::baselines {
namespace {

using quant::Granularity;
using quant::Grid;
using ::testing::HasSubstr;

method::Scheme RowWise(int bits = 8) { return {bits, bits, Granularity::kPerChannel}; }

std::vector<float> ToVector(const at::Tensor& x) {
  const at::Tensor in = x.contiguous();
  return {in.data_ptr<float>(), in.data_ptr<float>() + in.numel()};
}

TEST(TailsTest, EqualTheExactQuantiles) {
  for (const int64_t size : {1, 2, 3, 10, 999, 1001, 20000, 150001}) {
    at::Tensor x = testing::RandomTensor({size}, 5);
    for (const bool with_ties : {false, true}) {
      x = with_ties ? at::round(x * 2) : x;
      std::vector<float> values = ToVector(x);
      const Tails tails = TailsOf(values);
      for (size_t p = 0; p < kPercentiles.size(); ++p) {
        values = ToVector(x);
        EXPECT_FLOAT_EQ(tails.high[p], quant::ExactQuantile(values, kPercentiles[p])) << size;
        EXPECT_FLOAT_EQ(tails.low[p], quant::ExactQuantile(values, 1.0 - kPercentiles[p])) << size;
      }
    }
  }
}

// Linear interpolation at index p (n - 1): of 0..10000 the quantile 0.9999 is 9999.
TEST(TailsTest, OfTenThousandIntegers) {
  std::vector<float> values(10001);
  std::iota(values.rbegin(), values.rend(), 0.0F);
  const Tails tails = TailsOf(values);
  EXPECT_FLOAT_EQ(tails.high[0], 9990);
  EXPECT_FLOAT_EQ(tails.high[1], 9999);
  EXPECT_FLOAT_EQ(tails.high[2], 9999.9F);
  EXPECT_FLOAT_EQ(tails.low[0], 10);
  EXPECT_FLOAT_EQ(tails.low[1], 1);
  EXPECT_NEAR(tails.low[2], 0.1, 1e-4);
}

// 10,000 even values in -1..1 and a few far away: at 3 bits the error of a wide step outweighs that of the clipping, at
// 16 bits it does not.
TEST(ChooseParamsTest, ClipsWhereThatLosesLess) {
  at::Tensor x = at::linspace(-1, 1, 10000);
  x[0] = -20;
  x[9999] = 20;
  const auto width = [&](int bits) {
    const quant::QuantParams params = ChooseParams(x, Grid::kAffine, bits, Granularity::kPerTensor).value();
    return params.scale[0] * (std::exp2(static_cast<float>(bits)) - 1);
  };
  EXPECT_NEAR(width(3), 2, 0.01);
  EXPECT_GT(width(16), 30);
}

// Brute force over the three candidates, in the arithmetic of the definition.
TEST(ChooseParamsTest, TakesTheCandidateOfLeastSquaredError) {
  const at::Tensor noise = testing::RandomTensor({40, 3000}, 7);
  const at::Tensor x = noise * noise * noise * at::linspace(0.1, 3, 40).view({40, 1});
  std::set<size_t> chosen;
  for (const int bits : {4, 6, 10}) {
    const quant::QuantParams params = ChooseParams(x, Grid::kAffine, bits, Granularity::kPerChannel).value();
    for (int64_t row = 0; row < x.size(0); ++row) {
      std::vector<float> values = ToVector(x[row]);
      size_t best = 0;
      double least = INFINITY;
      std::vector<double> scales;
      for (size_t p = 0; p < kPercentiles.size(); ++p) {
        const double high = quant::ExactQuantile(values, kPercentiles[p]);
        const double low = quant::ExactQuantile(values, 1 - kPercentiles[p]);
        const double levels = std::exp2(bits) - 1;
        const double scale = (high - low) / levels;
        const double zero_point = std::nearbyint(-low / scale);
        double error = 0;
        for (const float value : values) {
          const double code = std::clamp(std::nearbyint(value / scale) + zero_point, 0.0, levels);
          error += std::pow(value - (code - zero_point) * scale, 2);
        }
        if (error < least) {
          least = error;
          best = p;
        }
        scales.push_back(scale);
      }
      chosen.insert(best);
      EXPECT_FLOAT_EQ(params.scale[row], scales[best]) << "row " << row << ", " << bits << " bits";
    }
  }
  EXPECT_EQ(chosen.size(), 3U) << "the data should make every candidate the best somewhere";
}

TEST(ChooseParamsTest, ZerosAndRangesAwayFromZero) {
  at::Tensor x = at::zeros({3, 50});
  x[1] = at::linspace(2, 3, 50);
  const quant::QuantParams params = ChooseParams(x, Grid::kAffine, 4, Granularity::kPerChannel).value();
  EXPECT_TRUE(quant::Validate(params).ok());
  EXPECT_EQ(params.scale[0], 1);
  EXPECT_EQ(params.zero_point[0], 0);
  EXPECT_NEAR(params.scale[1], 3 / 15.0, 1e-3) << "widened to hold 0";
}

// The official quantizer's formula: q = rne(-2 log2(x / delta)); 0 where q >= 2^b, else
// delta 2^(-ceil(q / 2)) (1 + (q mod 2)(sqrt 2 - 1)) with q clamped from below at 0.
TEST(LogSqrt2Test, CodeForCodeTheOfficialFormula) {
  const at::Tensor probabilities = at::softmax(testing::RandomTensor({200, 197}, 3) * 4, -1);
  const at::Tensor x = at::cat({probabilities.flatten(), at::tensor({0.0F, 1.0F, 1e-38F, 1e-45F})});
  for (const int bits : {2, 3, 4, 6, 8}) {
    const quant::QuantParams params = ChooseParams(x, Grid::kLogSqrt2, bits, Granularity::kPerTensor).value();
    const at::Tensor q = at::round(-1 * at::log2(x / params.scale[0]) * 2);
    const double levels = std::exp2(bits);
    const at::Tensor codes = at::clamp(q, 0, levels - 1);
    const at::Tensor values = at::where(
        q >= levels, at::zeros_like(x),
        at::pow(2, -1 * at::ceil(codes / 2)) * (at::remainder(codes, 2) * (std::sqrt(2.0) - 1) + 1) * params.scale[0]);
    EXPECT_TRUE(at::equal(quant::Quantize(x, params), at::clamp(q, 0, levels).to(at::kInt))) << bits;
    EXPECT_LT(((quant::FakeQuantize(x, params) - values).abs() / (values + 1e-30)).max().item<double>(), 3e-7) << bits;
  }
}

TEST(LogSqrt2Test, DeltaIsTheQuantileOfLeastError) {
  const at::Tensor x = at::softmax(testing::RandomTensor({300, 50}, 4) * 3, -1);
  const quant::QuantParams params = ChooseParams(x, Grid::kLogSqrt2, 3, Granularity::kPerTensor).value();
  double least = INFINITY;
  float best = 0;
  for (const double p : kPercentiles) {
    std::vector<float> values = ToVector(x);
    quant::QuantParams candidate = params;
    candidate.scale[0] = static_cast<float>(quant::ExactQuantile(values, p));
    const double error = at::sum(at::square(x - quant::FakeQuantize(x, candidate)), at::kDouble).item<double>();
    if (error < least) {
      least = error;
      best = candidate.scale[0];
    }
  }
  EXPECT_FLOAT_EQ(params.scale[0], best);
}

// A LayerNorm weight of exactly 0, as two channels of the public DeiT-Tiny have it, makes a channel of one value.
TEST(ChooseChannelsTest, ChannelsOfOneValueKeepIt) {
  at::Tensor x = testing::RandomTensor({4, 500, 6}, 8);
  x.select(2, 1).fill_(0.7);
  x.select(2, 2).fill_(-0.3);
  x.select(2, 3).fill_(0.0);
  x.select(2, 4).mul_(1e-9).add_(5);
  x.select(2, 5).mul_(0.01).add_(3);
  const quant::QuantParams params = ChooseChannels(x, 4);
  EXPECT_EQ(params.axis, 2);
  EXPECT_FLOAT_EQ(params.scale[1], 0.7F / 15);
  EXPECT_EQ(params.zero_point[1], 0);
  EXPECT_FLOAT_EQ(params.scale[2], 0.3F / 15);
  EXPECT_EQ(params.zero_point[2], 15);
  EXPECT_FLOAT_EQ(params.scale[3], 1e-3F);
  EXPECT_FLOAT_EQ(params.scale[4], 5.0F / 15);
  EXPECT_LT(params.scale[5], 0.01) << "a narrow range far from 0 is not widened";
  EXPECT_LT(params.zero_point[5], -100);
  const at::Tensor error = (quant::FakeQuantize(x, params) - x).abs();
  for (const int64_t channel : {1, 2, 3, 4}) {
    EXPECT_LT(error.select(2, channel).max().item<double>(), 1e-6) << channel;
  }
}

// Steps that are powers of two with a mean of 1, and multiples of 1/64 everywhere: float32 computes both sides without
// rounding.  Then the per-tensor codes of x' are the per-channel codes of x wherever x / s is no tie; at a tie, the
// parity of z - z~ may put them one apart.
TEST(ReparameterizeTest, CodesAreEqualInExactArithmetic) {
  const quant::QuantParams channels{Grid::kAffine, 4, Granularity::kPerChannel, 2, {0.5F, 0.5F, 1, 2}, {3, 12, -6, 31}};
  const at::Tensor normed = at::round(testing::RandomTensor({8, 500, 4}, 9) * 256) / 64;
  const at::Tensor gamma = at::tensor({1.5F, 0.25F, -1.25F, 4.0F});
  const at::Tensor beta = at::tensor({0.25F, -3.0F, 9.5F, -30.0F});
  const Reparameterized folded = Reparameterize(channels, gamma, beta, at::zeros({2, 4}), at::zeros({2}));
  EXPECT_EQ(folded.input.scale[0], 1);
  EXPECT_EQ(folded.input.zero_point[0], 10);
  const at::Tensor x = normed * gamma + beta;
  const at::Tensor reparameterized = normed * folded.norm_weight + folded.norm_bias;
  const at::Tensor steps = x / at::tensor(channels.scale);
  const at::Tensor tie = (steps - at::floor(steps)).eq(0.5);
  const at::Tensor difference = (quant::Quantize(x, channels) - quant::Quantize(reparameterized, folded.input)).abs();
  EXPECT_EQ(at::where(tie, at::zeros_like(difference), difference).max().item<int>(), 0);
  EXPECT_LE(difference.max().item<int>(), 1);
  EXPECT_GT(difference.sum().item<int64_t>(), 0) << "a tie between integers of unequal parity should occur";
  EXPECT_LT(tie.to(at::kFloat).mean().item<double>(), 0.05);
}

TEST(ReparameterizeTest, TheZeroPointStaysInsideTheCodes) {
  const quant::QuantParams channels{Grid::kAffine, 4, Granularity::kPerChannel, 2, {1, 3}, {-100, -101}};
  const Reparameterized folded =
      Reparameterize(channels, at::ones({2}), at::zeros({2}), at::ones({1, 2}), at::zeros({1}));
  EXPECT_EQ(folded.input.zero_point[0], 0);
  EXPECT_FLOAT_EQ(folded.norm_bias[0].item<float>(), -200) << "z s~";
}

class RepqVitTest : public ::testing::Test {
 protected:
  QuantizeTiny tiny_;
  const std::unique_ptr<method::Method> method_ = MakeRepqVit();
};

TEST_F(RepqVitTest, ReplacesTheLayerNormsOfTheBlocksAndWhatReadsThem) {
  const method::Plan plan = tiny_.Run(*method_, RowWise()).value();
  std::set<std::string> replaced;
  for (const auto& [name, tensor] : plan.replaced_parameters) {
    replaced.insert(name);
  }
  std::set<std::string> expected;
  for (const std::string block : {"blocks.0.", "blocks.1."}) {
    for (const std::string path : {"norm1", "norm2", "attn.qkv", "mlp.fc1"}) {
      expected.insert({block + path + ".weight", block + path + ".bias"});
    }
  }
  EXPECT_EQ(replaced, expected);
}

// With no operand quantized the replaced parameters compute what the model did.
TEST_F(RepqVitTest, FoldingLeavesTheFloatModelAsItWas) {
  method::Plan plan = tiny_.Run(*method_, RowWise(4)).value();
  plan.operands.clear();
  const at::Tensor images = testing::RandomImages(tiny_.model().config(), 30, 12);
  vit::OpEngine engine;
  const at::Tensor expected = tiny_.model().Forward(images, engine);
  const at::Tensor logits = exec::MakeSimulatedExecutor(tiny_.model(), plan).value()->Run(images);
  EXPECT_LT((logits - expected).abs().max().item<double>(), 1e-4);
}

// Keeps the left operand of an op.
class KeepingEngine final : public vit::OpEngine {
 public:
  KeepingEngine(vit::OpEngine& base, const vit::OpId& op) : base_(base), op_(op) {}
  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    kept = op == op_ ? input : kept;
    return base_.Linear(op, input, weight, bias);
  }
  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right) override {
    return base_.MatMul(op, left, right);
  }
  at::Tensor kept;

 private:
  vit::OpEngine& base_;
  const vit::OpId op_;
};

// The official calibration runs quantized ops from the first to the last: block 0 reads quantized patches, its fc1 the
// output of an attention that was quantized with per-channel LayerNorm outputs.
TEST_F(RepqVitTest, EveryQuantizerIsMadeBehindThoseBeforeIt) {
  const vit::VitModel& model = tiny_.model();
  const method::Plan plan = tiny_.Run(*method_, RowWise(4)).value();
  const at::Tensor images = testing::RandomImages(model.config(), 20);
  method::FakeQuantEngine quantized(model);
  const vit::OpId patch{vit::OpKind::kPatchEmbed, -1}, qkv{vit::OpKind::kQkv, 0}, fc1{vit::OpKind::kFc1, 0};
  const auto weight = [&](const vit::OpId& op) {
    quantized.Set({op, vit::Side::kRight},
                  ChooseParams(model.parameter(op.weight_name()), Grid::kAffine, 4, Granularity::kPerChannel).value());
  };
  quantized.Set({patch, vit::Side::kLeft}, plan.operands.at({patch, vit::Side::kLeft}));
  weight(patch);
  const at::Tensor embedded = model.Embed(images, quantized);
  KeepingEngine keep_qkv(quantized, qkv);
  model.Block(0, embedded, keep_qkv);
  const quant::QuantParams channels = ChooseChannels(keep_qkv.kept, 4);
  const Reparameterized folded =
      Reparameterize(channels, model.parameter("blocks.0.norm1.weight"), model.parameter("blocks.0.norm1.bias"),
                     model.parameter(qkv.weight_name()), model.parameter(qkv.bias_name()));
  EXPECT_EQ(plan.operands.at({qkv, vit::Side::kLeft}), folded.input);
  EXPECT_TRUE(at::equal(vit::ToTorch(plan.replaced_parameters.at(qkv.weight_name())), folded.weight));
  EXPECT_EQ(plan.operands.at({qkv, vit::Side::kRight}),
            ChooseParams(folded.weight, Grid::kAffine, 4, Granularity::kPerChannel).value());

  quantized.Set({qkv, vit::Side::kLeft}, channels);
  weight(qkv);
  for (const vit::OpKind kind : {vit::OpKind::kQk, vit::OpKind::kPv, vit::OpKind::kProj}) {
    for (const vit::Side side : {vit::Side::kLeft, vit::Side::kRight}) {
      const vit::OperandId operand{{kind, 0}, side};
      if (!operand.is_weight()) {
        quantized.Set(operand, plan.operands.at(operand));
      }
    }
  }
  weight({vit::OpKind::kProj, 0});
  KeepingEngine keep_fc1(quantized, fc1);
  model.Block(0, embedded, keep_fc1);
  EXPECT_EQ(plan.operands.at({fc1, vit::Side::kLeft}),
            Reparameterize(ChooseChannels(keep_fc1.kept, 4), model.parameter("blocks.0.norm2.weight"),
                           model.parameter("blocks.0.norm2.bias"), model.parameter(fc1.weight_name()),
                           model.parameter(fc1.bias_name()))
                .input);
}

TEST_F(RepqVitTest, GridsAreTheOfficialOnes) {
  const method::Plan plan = tiny_.Run(*method_, RowWise(6)).value();
  for (const auto& [operand, params] : plan.operands) {
    const bool softmax = operand.op.kind == vit::OpKind::kPv && operand.side == vit::Side::kLeft;
    EXPECT_EQ(params.grid, softmax ? Grid::kLogSqrt2 : Grid::kAffine) << operand.name();
    EXPECT_EQ(params.granularity, operand.is_weight() ? Granularity::kPerChannel : Granularity::kPerTensor);
  }
}

TEST_F(RepqVitTest, ThePictureHasBitsOfItsOwn) {
  const vit::OperandId picture{{vit::OpKind::kPatchEmbed, -1}, vit::Side::kLeft};
  method::Scheme scheme = RowWise(4);
  scheme.patch_input_bits = 8;
  const method::Plan eight = tiny_.Run(*method_, scheme).value();
  EXPECT_EQ(eight.operands.at(picture).num_bits, 8);
  EXPECT_EQ(eight.operands.at({picture.op, vit::Side::kRight}).num_bits, 4);
  scheme.patch_input_bits = 32;
  const method::Plan exact = tiny_.Run(*method_, scheme).value();
  EXPECT_EQ(exact.operands.count(picture), 0U);
  EXPECT_EQ(exact.operands.count({picture.op, vit::Side::kRight}), 1U);
}

TEST_F(RepqVitTest, WithoutReparameterizationNothingIsReplaced) {
  const method::Plan plan = tiny_.Run(*method_, RowWise(4), {{"reparameterize", false}}).value();
  EXPECT_TRUE(plan.replaced_parameters.empty());
}

TEST_F(RepqVitTest, TensorWiseWeightsAreRefused) {
  const Result<method::Plan> plan = tiny_.Run(*method_);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(plan.error().message, HasSubstr("per_channel"));
}

// Runs the method on a model of its own.
Result<method::Plan> RunOn(const vit::VitModel& model, const at::Tensor& pixels) {
  const std::unique_ptr<method::Method> method = MakeRepqVit();
  testing::MemoryImages images(pixels);
  NullProgress progress;
  NullCheckpoint checkpoint;
  calib::Calibration calibration(model, images, progress);
  const method::Parameters parameters = method::Parameters::Resolve(method->info().parameters, {}).value();
  const method::Scheme scheme = RowWise();
  return method->Quantize({model, calibration, scheme, parameters, RandomStream(1, "repq"), progress, checkpoint});
}

vit::VitModel ModelWith(const std::string& name, const at::Tensor& value) {
  vit::TensorMap parameters = testing::RandomParameters(testing::TinyConfig());
  parameters[name] = vit::FromTorch(value);
  return vit::VitModel::Create(testing::TinyConfig(), parameters).value();
}

TEST(RepqVitModelsTest, LayerNormWeightsOfExactlyZero) {
  at::Tensor gamma = at::ones({16});
  gamma[3] = 0;
  const vit::VitModel model = ModelWith("blocks.1.norm1.weight", gamma);
  const at::Tensor images = testing::RandomImages(model.config(), 16);
  const method::Plan plan = RunOn(model, images).value();
  vit::OpEngine engine;
  const at::Tensor logits = exec::MakeSimulatedExecutor(model, plan).value()->Run(images);
  EXPECT_GT(testing::SignalToNoise(model.Forward(images, engine), logits), 20);
}

// Large enough that the selections, sums and products are cut between threads.
TEST(RepqVitModelsTest, ThreadsDoNotChangeThePlan) {
  vit::VitConfig config = testing::TinyConfig();
  config.image_size = 40;
  const vit::VitModel model = testing::RandomModel(config);
  const at::Tensor images = testing::RandomImages(config, 16);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const method::Plan one = RunOn(model, images).value();
  at::set_num_threads(2);
  const method::Plan two = RunOn(model, images).value();
  at::set_num_threads(threads);
  EXPECT_TRUE(one.operands == two.operands);
  for (const auto& [name, tensor] : one.replaced_parameters) {
    EXPECT_TRUE(testing::BitEqual(vit::ToTorch(tensor), vit::ToTorch(two.replaced_parameters.at(name)))) << name;
  }
}

}  // namespace
}  // namespace ptq::baselines
