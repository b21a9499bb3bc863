#include "baselines/lapq/step_sizes.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/calib/histogram_values.h"
#include "core/quant/fake_quant.h"
#include "tests/testing/tiny_model.h"

namespace ptq::baselines::lapq {
namespace {

using ::testing::HasSubstr;

class StepSizesTest : public ::testing::Test {
 protected:
  StepSizesTest() : model_(testing::TinyModel()), images_(testing::RandomImages(model_.config(), 20)) {
    scheme_.weight_bits = scheme_.activation_bits = 4;
  }
  Result<StepSizes> Create(const StepOptions& options = {}) {
    const method::Parameters parameters;
    calib::Calibration calibration(model_, images_, progress_);
    return StepSizes::Create(
        {model_, calibration, scheme_, parameters, RandomStream(1, "steps"), progress_, checkpoint_}, options);
  }
  static size_t IndexOf(const StepSizes& steps, const vit::OperandId& operand) {
    const auto& all = steps.operands();
    return static_cast<size_t>(std::find(all.begin(), all.end(), operand) - all.begin());
  }

  vit::VitModel model_;
  testing::MemoryImages images_;
  method::Scheme scheme_;
  NullProgress progress_;
  NullCheckpoint checkpoint_;
};

const vit::OperandId kFc1Weight{{vit::OpKind::kFc1, 0}, vit::Side::kRight};
const vit::OperandId kGelu{{vit::OpKind::kFc2, 1}, vit::Side::kLeft};
const vit::OperandId kSoftmax{{vit::OpKind::kPv, 1}, vit::Side::kLeft};
const vit::OperandId kValues{{vit::OpKind::kPv, 1}, vit::Side::kRight};

TEST_F(StepSizesTest, GridsByOperand) {
  const StepSizes steps = Create().value();
  EXPECT_EQ(steps.operands(), method::CoveredOperands(scheme_, model_.config()));
  const auto params = steps.LayerWise(2).value();
  EXPECT_EQ(params[IndexOf(steps, kFc1Weight)].grid, quant::Grid::kSymmetricHalf);
  EXPECT_EQ(params[IndexOf(steps, kGelu)].grid, quant::Grid::kAffine);
  EXPECT_EQ(params[IndexOf(steps, kSoftmax)].grid, quant::Grid::kUnsigned);
  EXPECT_EQ(params[IndexOf(steps, kValues)].grid, quant::Grid::kSymmetricFull);
  for (const quant::QuantParams& each : params) {
    EXPECT_TRUE(Validate(each).ok());
  }
}

TEST_F(StepSizesTest, AWeightsStepIsTheLpOptimalOne) {
  const StepSizes steps = Create().value();
  const at::Tensor weight = model_.parameter(kFc1Weight.op.weight_name()).contiguous();
  const float* data = weight.data_ptr<float>();
  const quant::WeightedValues values{{data, data + weight.numel()}, {}};
  for (const double p : {2.0, 3.0}) {
    const auto expected = quant::LpOptimalParams(values, quant::Grid::kSymmetricHalf, 4, p).value();
    EXPECT_EQ(steps.LayerWise(p).value()[IndexOf(steps, kFc1Weight)], expected);
  }
}

TEST_F(StepSizesTest, LargerPClipsLess) {
  const StepSizes steps = Create().value();
  const auto two = steps.LayerWise(2).value();
  const auto four = steps.LayerWise(4).value();
  int wider = 0;
  for (size_t i = 0; i < two.size(); ++i) {
    wider += four[i].scale[0] > two[i].scale[0] ? 1 : 0;
  }
  EXPECT_GT(wider, static_cast<int>(two.size()) * 8 / 10);
}

// Stretching moves the upper end and leaves the lower one, to half a step, where GELU is least.
TEST_F(StepSizesTest, TheGeluWindowKeepsItsLowerEnd) {
  scheme_.activation_bits = 8;
  const StepSizes steps = Create().value();
  const size_t i = IndexOf(steps, kGelu);
  const auto layer_wise = steps.LayerWise(3).value()[i];
  for (const double x : {-0.5, 0.0, 0.7}) {
    const quant::QuantParams params = steps.Stretched(i, layer_wise, x);
    const float low = -static_cast<float>(params.zero_point[0]) * params.scale[0];
    EXPECT_NEAR(low, -0.17, params.scale[0]);
    EXPECT_NEAR(params.scale[0], layer_wise.scale[0] * std::exp(x), 1e-6);
    EXPECT_TRUE(Validate(params).ok());
  }
  EXPECT_EQ(steps.Stretched(i, layer_wise, 0), layer_wise);
}

TEST_F(StepSizesTest, RowsAreFittedAloneAndStretchedTogether) {
  scheme_.weight_granularity = quant::Granularity::kPerChannel;
  const StepSizes steps = Create().value();
  const size_t i = IndexOf(steps, kFc1Weight);
  const auto params = steps.LayerWise(2).value()[i];
  const at::Tensor weight = model_.parameter(kFc1Weight.op.weight_name()).contiguous();
  const int64_t columns = weight.size(1);
  ASSERT_EQ(params.scale.size(), static_cast<size_t>(weight.size(0)));
  const float* row = weight.data_ptr<float>() + 3 * columns;
  const auto expected = quant::LpOptimalParams({{row, row + columns}, {}}, quant::Grid::kSymmetricHalf, 4, 2).value();
  EXPECT_EQ(params.scale[3], expected.scale[0]);
  const auto stretched = steps.Stretched(i, params, std::log(2.0));
  for (size_t c = 0; c < params.scale.size(); ++c) {
    EXPECT_FLOAT_EQ(stretched.scale[c], 2 * params.scale[c]);
  }
}

// Banner et al. 2019, Section 4.2: the mean of every output row survives quantization, whatever the step.
TEST_F(StepSizesTest, BiasCorrectionKeepsTheMeanOfEachRow) {
  scheme_.weight_granularity = quant::Granularity::kPerChannel;
  StepOptions options;
  options.bias_correction = true;
  options.weight_grid = quant::Grid::kSymmetricFull;
  const StepSizes steps = Create(options).value();
  const size_t i = IndexOf(steps, kFc1Weight);
  const at::Tensor weight = model_.parameter(kFc1Weight.op.weight_name());
  for (const double x : {0.0, 0.4}) {
    quant::QuantParams params = steps.Stretched(i, steps.LayerWise(2).value()[i], x);
    const at::Tensor mean = weight.to(at::kDouble).mean(1);
    const auto error_of = [&](const quant::QuantParams& each) {
      return (quant::FakeQuantize(weight, each).to(at::kDouble).mean(1) - mean).abs().max().item<double>();
    };
    EXPECT_LT(error_of(params), 1e-6);
    params.correction.clear();
    EXPECT_GT(error_of(params), 1e-4);
  }
}

// Zero is no level of symmetric_half: a dead layer must not become half a step everywhere.
TEST_F(StepSizesTest, AllZeroWeightsStayNearZero) {
  const vit::OperandId head{{vit::OpKind::kHead, -1}, vit::Side::kRight};
  const at::Tensor weight = model_.parameter("head.weight");
  const std::vector<float> zeros(static_cast<size_t>(weight.numel()), 0.0F);
  model_ = model_.WithReplaced({{"head.weight", vit::MakeTensor(zeros, weight.sizes().vec())}}).value();
  const StepSizes steps = Create().value();
  const size_t i = IndexOf(steps, head);
  const auto params = steps.LayerWise(2).value()[i];
  EXPECT_LT(quant::FakeQuantize(model_.parameter("head.weight"), params).abs().max().item<float>(), 1e-6);
  EXPECT_TRUE(Validate(steps.Stretched(i, params, -2)).ok());
}

TEST_F(StepSizesTest, AnImageThatIsNotFiniteNamesTheOperand) {
  at::Tensor pixels = testing::RandomImages(model_.config(), 20);
  pixels[3][0][2][2] = std::nanf("");
  images_ = testing::MemoryImages(pixels);
  const auto steps = Create();
  ASSERT_FALSE(steps.ok());
  EXPECT_EQ(steps.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(steps.error().where, HasSubstr("patch_embed.proj.left"));
}

}  // namespace
}  // namespace ptq::baselines::lapq
