#include "baselines/easyquant/easyquant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/search/entropy_threshold.h"
#include "tests/baselines/quantize_tiny.h"

namespace ptq::baselines {
namespace {

using ::testing::HasSubstr;
using Given = std::map<std::string, method::ParameterValue>;

class EasyQuantTest : public ::testing::Test {
 protected:
  static vit::OperandId Left(vit::OpKind kind, int64_t block = 0) { return {{kind, block}, vit::Side::kLeft}; }
  static vit::OperandId Right(vit::OpKind kind, int64_t block = 0) { return {{kind, block}, vit::Side::kRight}; }
  float Bound(const vit::OperandId& operand) const {
    float bound = 0;
    for (const float x : tiny_.ValuesOf(operand)) {
      bound = std::max(bound, std::abs(x));
    }
    return bound;
  }
  static method::Scheme PerChannel(int weight_bits, int activation_bits) {
    method::Scheme scheme{weight_bits, activation_bits};
    scheme.weight_granularity = quant::Granularity::kPerChannel;
    return scheme;
  }
  method::Plan Plan(const method::Scheme& scheme, const Given& given = {}) {
    return tiny_.Run(*method_, scheme, given).value();
  }

  QuantizeTiny tiny_;
  const std::unique_ptr<method::Method> method_ = MakeEasyQuant();
};

TEST_F(EasyQuantTest, GridsAndGranularities) {
  for (const bool per_channel : {true, false}) {
    const method::Plan plan = Plan(per_channel ? PerChannel(6, 6) : method::Scheme{6, 6});
    for (const auto& [operand, params] : plan.operands) {
      EXPECT_EQ(params.grid, operand == Left(vit::OpKind::kPv, operand.op.block) ? quant::Grid::kUnsigned
                                                                                 : quant::Grid::kSymmetricRestricted)
          << operand.name();
      const bool rows = operand.is_weight() && (per_channel || operand.op.kind == vit::OpKind::kQkv);
      EXPECT_EQ(params.granularity == quant::Granularity::kPerChannel, rows) << operand.name();
    }
    // Per tensor, the fused qkv is three linears.
    const std::vector<float>& scale = plan.operands.at(Right(vit::OpKind::kQkv)).scale;
    for (size_t row = 0; row < scale.size() && !per_channel; ++row) {
      EXPECT_EQ(scale[row], scale[row / (scale.size() / 3) * (scale.size() / 3)]) << row;
    }
  }
}

TEST_F(EasyQuantTest, ThePapersIntervalsLieBetweenHalfAndTwiceTheWholeRange) {
  const method::Plan plan = Plan({4, 4});
  bool moved = false;
  for (const auto& [operand, params] : plan.operands) {
    if (operand.is_weight() && operand.op.kind != vit::OpKind::kQkv) {
      const float ratio = params.scale[0] * 7 / Bound(operand);
      EXPECT_GE(ratio, 0.4999F) << operand.name();
      EXPECT_LE(ratio, 2.0001F) << operand.name();
      moved |= std::abs(ratio - 1) > 0.01F;
    }
  }
  EXPECT_TRUE(moved);
}

TEST_F(EasyQuantTest, TheReleasedToolNeverClipsAWeight) {
  for (const method::Scheme& scheme : {method::Scheme{4, 4}, PerChannel(4, 4)}) {
    const method::Plan plan = Plan(scheme, {{"variant", std::string("release")}});
    for (const auto& [operand, params] : plan.operands) {
      if (operand.is_weight()) {
        const std::vector<float>& weight = tiny_.ValuesOf(operand);
        const size_t inner = weight.size() / params.scale.size();
        for (size_t i = 0; i < weight.size(); ++i) {
          ASSERT_LE(std::abs(weight[i]), params.scale[i / inner] * 7 * 1.00001F) << operand.name();
        }
      }
    }
  }
}

TEST_F(EasyQuantTest, VariantsDiffer) {
  const method::Plan paper = Plan({4, 4});
  const method::Plan baseptq = Plan({4, 4}, {{"variant", std::string("baseptq")}});
  const method::Plan release = Plan({4, 4}, {{"variant", std::string("release")}});
  EXPECT_NE(paper.operands, baseptq.operands);
  EXPECT_NE(paper.operands, release.operands);
  EXPECT_EQ(baseptq.notes.at("most_rounds"), "1");
  // The paper's numbers, said explicitly.
  const method::Plan custom = Plan({4, 4}, {{"variant", std::string("custom")}});
  EXPECT_EQ(custom.operands, paper.operands);
  EXPECT_EQ(custom.notes, paper.notes);
}

// The release only widens an activation's interval, to 1/0.8 of the initial one at most.
TEST_F(EasyQuantTest, TheInitialActivationFollowsItsParameter) {
  const auto plan_of = [&](const char* init, int bits) {
    return Plan({bits, bits}, {{"variant", std::string("release")}, {"activation_init", std::string(init)}});
  };
  const vit::OperandId fc1 = Left(vit::OpKind::kFc1);
  const float widest = plan_of("max_abs", 4).operands.at(fc1).scale[0] * 7;
  EXPECT_GE(widest, Bound(fc1) * 0.9999F);
  EXPECT_LE(widest, Bound(fc1) * 1.2501F);
  EXPECT_LE(plan_of("kl", 4).operands.at(fc1).scale[0] * 7, Bound(fc1) * 1.2501F);
  EXPECT_NE(plan_of("kl", 3).operands, plan_of("kl_8_bits", 3).operands) << "levels of the width, or of 8 bits";
  EXPECT_EQ(plan_of("kl", 8).operands, plan_of("kl_8_bits", 8).operands);
  EXPECT_EQ(plan_of("variant", 3).operands, plan_of("kl_8_bits", 3).operands);
}

TEST_F(EasyQuantTest, SequentialInputsComeFromBehindTheQuantizedOps) {
  const method::Plan parallel = Plan({4, 4});
  const method::Plan sequential = Plan({4, 4}, {{"order", std::string("sequential")}});
  // Nothing is quantized before the first op.
  for (const vit::OperandId& first : {Left(vit::OpKind::kPatchEmbed, -1), Right(vit::OpKind::kPatchEmbed, -1)}) {
    EXPECT_EQ(parallel.operands.at(first), sequential.operands.at(first));
  }
  EXPECT_FALSE(parallel.operands.at(Left(vit::OpKind::kHead, -1)) ==
               sequential.operands.at(Left(vit::OpKind::kHead, -1)));
}

TEST_F(EasyQuantTest, APictureLeftInFloat) {
  method::Scheme scheme = PerChannel(6, 6);
  scheme.patch_input_bits = 32;
  for (const char* order : {"parallel", "sequential"}) {
    const method::Plan plan = Plan(scheme, {{"order", std::string(order)}});
    EXPECT_EQ(plan.operands.count(Left(vit::OpKind::kPatchEmbed, -1)), 0U);
    EXPECT_EQ(plan.operands.count(Right(vit::OpKind::kPatchEmbed, -1)), 1U);
  }
  scheme.patch_input_bits = 8;
  EXPECT_EQ(Plan(scheme).operands.at(Left(vit::OpKind::kPatchEmbed, -1)).num_bits, 8);
}

TEST_F(EasyQuantTest, AccumulationIn16Bits) {
  const auto with_depth = [](int64_t depth) { return Given{{"accumulation_depth", depth}}; };
  EXPECT_EQ(Plan({7, 7}).notes.count("int16_depth"), 0U);
  EXPECT_EQ(Plan({7, 7}, with_depth(8)).notes.at("int16_depth"), "8; pv 4") << "softmax codes reach 127";
  EXPECT_EQ(Plan({7, 7}, with_depth(4)).notes.at("int16_depth"), "4");
  method::Scheme linear{7, 7};
  linear.quantize_attention_products = false;
  EXPECT_EQ(Plan(linear, with_depth(8)).notes.at("int16_depth"), "8");
  const Result<method::Plan> refused = tiny_.Run(*method_, {7, 7}, with_depth(9));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(refused.error().message, HasSubstr("holds 8 products"));
  EXPECT_TRUE(tiny_.Run(*method_, {7, 8}, with_depth(4)).ok());
  EXPECT_FALSE(tiny_.Run(*method_, {7, 8}, with_depth(5)).ok());
  EXPECT_FALSE(tiny_.Run(*method_, {16, 16}, with_depth(1)).ok());
}

}  // namespace
}  // namespace ptq::baselines
