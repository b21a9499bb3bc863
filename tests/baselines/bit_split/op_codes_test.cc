#include "baselines/bit_split/op_codes.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/quant/fake_quant.h"
#include "tests/testing/tiny_model.h"

namespace ptq::bit_split {
namespace {

TEST(OpCodesTest, TheWeightLiesOnItsGridExactly) {
  for (int bits = kMinWeightBits; bits <= 16; ++bits) {
    const at::Tensor weight = testing::RandomTensor({40, 25}, bits) * 3.7;
    const OpCodes codes = CodesOfWeight(weight, bits, 2);
    const quant::QuantParams params = codes.Params();
    ASSERT_TRUE(quant::Validate(params).ok());
    const at::Tensor found = quant::Quantize(codes.Weight(), params);
    for (int64_t i = 0; i < found.numel(); ++i) {
      ASSERT_EQ(found.data_ptr<int32_t>()[i], codes.codes[i]) << bits;
    }
    EXPECT_TRUE(testing::BitEqual(quant::FakeQuantize(codes.Weight(), params), codes.Weight()));
    EXPECT_GT(testing::SignalToNoise(weight, codes.Weight()), 5.5 * bits - 8);
  }
}

TEST(OpCodesTest, ReconstructionLowersTheErrorOfTheOutput) {
  const at::Tensor weight = testing::RandomTensor({24, 12}, 1);
  const at::Tensor x = testing::RandomTensor({300, 12}, 2) + testing::RandomTensor({300, 1}, 3);
  const OpRows rows{x, at::matmul(x, weight.t())};
  const Result<OpCodes> codes = ReconstructedCodes(weight, rows, 4, {100, 1, nullptr});
  ASSERT_TRUE(codes.ok());
  const double energy = rows.output.square().sum().item<double>();
  const auto error = [&](const at::Tensor& w) {
    return (rows.output - at::matmul(x, w.t())).square().sum().item<double>() / energy;
  };
  EXPECT_NEAR(codes->error_before, error(CodesOfWeight(weight, 4, 1).Weight()), 1e-5);
  EXPECT_NEAR(codes->error_after, error(codes->Weight()), 1e-5);
  EXPECT_LT(codes->error_after, 0.8 * codes->error_before);
  EXPECT_EQ(codes->settled_rows, 24);
  EXPECT_GT(codes->epochs, 1);
  EXPECT_LT(codes->epochs, 100);
}

TEST(OpCodesTest, RowsOfZerosHaveCodesOfZero) {
  const at::Tensor weight = at::zeros({5, 6});
  const OpRows rows{testing::RandomTensor({20, 6}, 4), at::zeros({20, 5})};
  const Result<OpCodes> codes = ReconstructedCodes(weight, rows, 4, {10, 1, nullptr});
  ASSERT_TRUE(codes.ok());
  EXPECT_TRUE(at::equal(codes->Weight(), weight));
  EXPECT_EQ(codes->scale, std::vector<float>(5, 1.0F));
  EXPECT_EQ(codes->error_after, 0);
}

TEST(OpCodesTest, WhatIsKeptComesBack) {
  for (const int bits : {3, 8, 9, 16}) {
    const OpCodes codes = CodesOfWeight(testing::RandomTensor({7, 9}, bits), bits, 1);
    const std::string bytes = Encode(codes);
    const Result<OpCodes> back = DecodeCodes(bytes, 7, 9, bits);
    ASSERT_TRUE(back.ok()) << back.error().ToString();
    EXPECT_EQ(back->codes, codes.codes);
    EXPECT_EQ(back->scale, codes.scale);
    EXPECT_EQ(back->settled_rows, codes.settled_rows);
    for (const std::string& damaged : {std::string(), bytes.substr(0, bytes.size() - 1), "{}" + bytes.substr(2),
                                       "[" + bytes, bytes.substr(bytes.find('\n')), std::string("\n")}) {
      const Result<OpCodes> refused = DecodeCodes(damaged, 7, 9, bits);
      ASSERT_FALSE(refused.ok());
      EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
    }
    EXPECT_FALSE(DecodeCodes(bytes, 9, 7, bits).ok());
  }
}

}  // namespace
}  // namespace ptq::bit_split
