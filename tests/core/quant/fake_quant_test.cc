#include "core/quant/fake_quant.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <tuple>

#include "core/quant/reference.h"
#include "tests/testing/tiny_model.h"

namespace ptq::quant {
namespace {

using testing::BitEqual;
using testing::RandomTensor;

int64_t ChannelOf(const at::Tensor& x, const QuantParams& params, int64_t flat) {
  if (params.granularity == Granularity::kPerTensor) {
    return 0;
  }
  int64_t inner = 1;
  for (int64_t d = params.axis + 1; d < x.dim(); ++d) {
    inner *= x.size(d);
  }
  return flat / inner % x.size(params.axis);
}

// Both directions of the LibTorch version against the scalar reference, element by element and bit by bit.
void ExpectReference(const at::Tensor& input, const QuantParams& params) {
  const at::Tensor x = input.contiguous();
  const at::Tensor before = x.clone();
  at::Tensor codes = at::empty(x.sizes(), at::kInt);
  at::Tensor values = at::empty(x.sizes(), at::kFloat);
  for (int64_t i = 0; i < x.numel(); ++i) {
    const int64_t channel = ChannelOf(x, params, i);
    codes.data_ptr<int32_t>()[i] = QuantizeScalar(x.data_ptr<float>()[i], params, channel);
    values.data_ptr<float>()[i] = FakeQuantizeScalar(x.data_ptr<float>()[i], params, channel);
  }
  EXPECT_TRUE(BitEqual(Quantize(input, params), codes));
  EXPECT_TRUE(BitEqual(Dequantize(codes, params), values));
  EXPECT_TRUE(BitEqual(FakeQuantize(input, params), values));
  EXPECT_TRUE(BitEqual(x, before)) << "the input was written to";
}

QuantParams ParamsFor(const at::Tensor& x, Grid grid, int bits, int axis) {
  if (axis < 0) {
    return ParamsFromRange(grid, bits, {-2}, {3}).value();
  }
  std::vector<float> min;
  std::vector<float> max;
  for (int64_t c = 0; c < x.size(axis); ++c) {
    min.push_back(-0.1F * static_cast<float>(c + 1));
    max.push_back(c == 1 ? 0.0F : 0.3F * static_cast<float>(c + 1));
  }
  return ParamsFromRange(grid, bits, min, max, Granularity::kPerChannel, axis).value();
}

// Values where roundings differ: ties, their neighbours, the clip points, extremes.
at::Tensor HardValues(const QuantParams& params) {
  std::vector<float> values = {0.0F,  -0.0F,  1e-45F,   -1e-45F,   1e-38F,    -1e-38F,   3.4e38F,    -3.4e38F,
                               1e30F, -1e30F, INFINITY, -INFINITY, 0x1.0p24F, 0x1.0p23F, -0x1.0p23F, 0x1.8p22F};
  const CodeRange codes = Codes(params.grid, params.num_bits);
  for (const int32_t code : {codes.qmin - 2, codes.qmin - 1, codes.qmin, -3, -2, -1, 0, 1, 2, 3, codes.qmax - 1,
                             codes.qmax, codes.qmax + 1, codes.qmax + 2}) {
    const float level = static_cast<float>(code - params.zero_point[0]);
    for (const float tie : {params.scale[0] * level, params.scale[0] * (level + 0.5F)}) {
      values.insert(values.end(), {tie, std::nextafter(tie, INFINITY), std::nextafter(tie, -INFINITY)});
    }
  }
  return at::tensor(values, at::kFloat);
}

class FakeQuantSweep : public ::testing::TestWithParam<std::tuple<Grid, int>> {
 protected:
  Grid grid() const { return std::get<0>(GetParam()); }
  int bits() const { return std::get<1>(GetParam()); }
};

// Shapes: a scalar, one element, empty, one more and one less than a vector register, deep and thin, a convolution.
TEST_P(FakeQuantSweep, EqualsTheReferenceOverShapesAndAxes) {
  const std::vector<std::vector<int64_t>> shapes = {{},     {1},       {0},      {7},      {8},        {9},
                                                    {5, 3}, {3, 0, 4}, {1, 257}, {257, 1}, {2, 3, 17}, {4, 3, 2, 5}};
  for (const std::vector<int64_t>& shape : shapes) {
    const at::Tensor x = RandomTensor(shape, 3);
    for (int axis = -1; axis < x.dim(); ++axis) {
      if (axis >= 0 && x.size(axis) == 0) {
        continue;
      }
      SCOPED_TRACE(::testing::Message() << "shape " << ::testing::PrintToString(shape) << " axis " << axis);
      ExpectReference(x, ParamsFor(x, grid(), bits(), axis));
    }
  }
}

TEST_P(FakeQuantSweep, EqualsTheReferenceOnTiesAndExtremes) {
  for (const float scale : {1.0F, 0.1F, 0.25F, 1e-30F, 1e30F, 1.7e-5F}) {
    const int32_t zero_point = grid() == Grid::kAffine ? Codes(grid(), bits()).qmax / 3 : 0;
    const QuantParams params{grid(), bits(), Granularity::kPerTensor, -1, {scale}, {zero_point}};
    ExpectReference(HardValues(params), params);
  }
}

TEST_P(FakeQuantSweep, IdempotentPerTensorAndPerChannel) {
  const at::Tensor x = RandomTensor({6, 50}, 4);
  for (const int axis : {-1, 0, 1}) {
    const QuantParams params = ParamsFor(x, grid(), bits(), axis);
    const at::Tensor once = FakeQuantize(x, params);
    EXPECT_TRUE(BitEqual(FakeQuantize(once, params), once)) << axis;
  }
}

TEST_P(FakeQuantSweep, AllZeroTensorsGiveZeroCodesAndNoNaN) {
  const at::Tensor x = at::zeros({3, 4});
  for (const Granularity granularity : {Granularity::kPerTensor, Granularity::kPerChannel}) {
    const bool per_tensor = granularity == Granularity::kPerTensor;
    const std::vector<float> zeros(per_tensor ? 1 : 3, 0.0F);
    const QuantParams params = ParamsFromRange(grid(), bits(), zeros, zeros, granularity, per_tensor ? -1 : 0).value();
    EXPECT_TRUE(BitEqual(Quantize(x, params), at::zeros({3, 4}, at::kInt)));
    EXPECT_TRUE(at::isfinite(FakeQuantize(x, params)).all().item<bool>());
    if (grid() != Grid::kSymmetricHalf) {
      EXPECT_TRUE(at::equal(FakeQuantize(x, params), x));
    }
  }
}

std::string SweepName(const ::testing::TestParamInfo<std::tuple<Grid, int>>& info) {
  return std::string(Name(std::get<0>(info.param))) + "_" + std::to_string(std::get<1>(info.param));
}

INSTANTIATE_TEST_SUITE_P(EveryGridAndWidth, FakeQuantSweep,
                         ::testing::Combine(::testing::Values(Grid::kSymmetricRestricted, Grid::kSymmetricFull,
                                                              Grid::kUnsigned, Grid::kAffine, Grid::kSymmetricHalf),
                                            ::testing::Range(kMinBits, kMaxBits + 1)),
                         SweepName);

TEST(FakeQuantTest, GridsThatAreNotUniformEqualTheReference) {
  const at::Tensor x = at::cat({at::softmax(RandomTensor({40, 60}, 8) * 3, -1).flatten(), RandomTensor({300}, 9),
                                at::tensor({0.0F, -0.0F, 1.0F, INFINITY, -INFINITY, 1e-45F, 0.125F, 3.4e38F})});
  for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
    const float q = static_cast<float>((1 << (bits - 1)) - 1);
    ExpectReference(x, {Grid::kLog2, bits, Granularity::kPerTensor, -1, {0.9F}, {0}});
    ExpectReference(x, {Grid::kLogSqrt2, bits, Granularity::kPerTensor, -1, {1e-3F}, {0}});
    ExpectReference(x, {Grid::kTwinSigned, bits, Granularity::kPerTensor, -1, {0.1F}, {0}, {0.003F}});
    for (const float split : {1.0F, 0.5F, 0.03F, 1e-5F}) {
      ExpectReference(x, {Grid::kTwinSoftmax, bits, Granularity::kPerTensor, -1, {split / q}, {0}, {1 / q}});
    }
  }
}

TEST(FakeQuantTest, BitsAndCorrectionsOfChannelsEqualTheReference) {
  const at::Tensor x = RandomTensor({4, 50}, 10);
  ExpectReference(x, {Grid::kAffine,
                      4,
                      Granularity::kPerChannel,
                      0,
                      {0.1F, 0.3F, 0.01F, 2},
                      {0, 3, 7, 0},
                      {},
                      {0, 2, 4, 8},
                      {0.1F, -0.3F, 1e-9F, 5}});
  ExpectReference(x.t().contiguous().view({10, 5, 4}),
                  {Grid::kAffine, 4, Granularity::kPerChannel, 2, {0.1F, 0.2F, 0.4F, 0.8F}, {7, 7, 7, 7}});
}

// As a LayerNorm's input has it: neighbouring elements belong to different channels; in the simulation zero points may
// lie outside the codes.
TEST(FakeQuantTest, ChannelsSideBySideEqualTheReference) {
  for (const int64_t channels : {1, 7, 8, 33, 192}) {
    QuantParams params{Grid::kAffine, 4, Granularity::kPerChannel, 2, {}, {}};
    for (int64_t c = 0; c < channels; ++c) {
      params.scale.push_back(std::ldexp(0.3F + 0.01F * static_cast<float>(c), static_cast<int>(c % 5) - 4));
      params.zero_point.push_back(static_cast<int32_t>(c % 9) * 7 - 20);
    }
    const at::Tensor x = RandomTensor({3, 401, channels}, 11) * 3;
    ExpectReference(x, params);
    const int threads = at::get_num_threads();
    at::set_num_threads(1);
    const at::Tensor one = FakeQuantize(x, params);
    at::set_num_threads(3);
    EXPECT_TRUE(BitEqual(one, FakeQuantize(x, params)));
    at::set_num_threads(threads);
  }
}

TEST(FakeQuantTest, StridedInputsAreReadInTheirLogicalOrder) {
  const at::Tensor x = RandomTensor({6, 8}, 5);
  for (const at::Tensor& view : {x.t(), x.slice(1, 1, 7, 2), x.narrow(0, 2, 3), x.select(1, 3).expand({4, 6})}) {
    for (int axis = -1; axis < view.dim(); ++axis) {
      const QuantParams params = ParamsFor(view, Grid::kAffine, 4, axis);
      EXPECT_TRUE(BitEqual(FakeQuantize(view, params), FakeQuantize(view.contiguous(), params))) << axis;
      ExpectReference(view, params);
    }
  }
}

// Large enough to be cut between threads, in the middle of channels too.
TEST(FakeQuantTest, ThreadsDoNotChangeABit) {
  const at::Tensor x = RandomTensor({7, 33333}, 6);
  const int threads = at::get_num_threads();
  for (const int axis : {-1, 0}) {
    const QuantParams params = ParamsFor(x, Grid::kSymmetricFull, 8, axis);
    at::set_num_threads(1);
    const at::Tensor one = FakeQuantize(x, params);
    at::set_num_threads(3);
    const at::Tensor three = FakeQuantize(x, params);
    EXPECT_TRUE(BitEqual(one, three));
    ExpectReference(x, params);
  }
  at::set_num_threads(threads);
}

TEST(FakeQuantDeathTest, ScalesThatDoNotFitTheAxis) {
  const QuantParams params = ParamsFor(at::zeros({3, 2}), Grid::kAffine, 8, 0);
  EXPECT_DEATH(FakeQuantize(at::zeros({4, 2}), params), "axis 0, 3 scales");
}

}  // namespace
}  // namespace ptq::quant
