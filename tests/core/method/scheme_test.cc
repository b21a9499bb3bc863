#include "core/method/scheme.h"

#include <gtest/gtest.h>

#include "tests/testing/tiny_config.h"

namespace ptq::method {
namespace {

// Part of a trial's key: a change of this text moves trials.
TEST(SchemeTest, CanonicalTextIsFrozen) {
  EXPECT_EQ(Scheme().ToString(),
            "weight_bits=8 activation_bits=8 weight_granularity=per_tensor quantize_patch_embed=true "
            "quantize_head=true quantize_attention_products=true");
  const Scheme other{4, 6, quant::Granularity::kPerChannel, false, false, false};
  EXPECT_EQ(other.ToString(),
            "weight_bits=4 activation_bits=6 weight_granularity=per_channel quantize_patch_embed=false "
            "quantize_head=false quantize_attention_products=false");
  EXPECT_EQ(other.ShortName(), "W4A6");
}

TEST(SchemeTest, EachSwitchUncoversItsOps) {
  Scheme scheme;
  for (const vit::OpId& op : vit::AllOps(testing::TinyConfig(true))) {
    EXPECT_TRUE(scheme.Covers(op)) << op.name();
  }
  scheme.quantize_patch_embed = false;
  EXPECT_FALSE(scheme.Covers(vit::OpId{vit::OpKind::kPatchEmbed, -1}));
  scheme.quantize_head = false;
  EXPECT_FALSE(scheme.Covers(vit::OpId{vit::OpKind::kHead, -1}));
  EXPECT_FALSE(scheme.Covers(vit::OpId{vit::OpKind::kHeadDist, -1}));
  scheme.quantize_attention_products = false;
  EXPECT_FALSE(scheme.Covers(vit::OpId{vit::OpKind::kQk, 0}));
  EXPECT_FALSE(scheme.Covers(vit::OpId{vit::OpKind::kPv, 0}));
  for (const vit::OpKind kind : {vit::OpKind::kQkv, vit::OpKind::kProj, vit::OpKind::kFc1, vit::OpKind::kFc2}) {
    EXPECT_TRUE(scheme.Covers(vit::OpId{kind, 0}));
  }
}

TEST(SchemeTest, BitsFollowTheOperand) {
  const Scheme scheme{4, 6};
  EXPECT_EQ(scheme.BitsOf({{vit::OpKind::kFc1, 0}, vit::Side::kRight}), 4);
  EXPECT_EQ(scheme.BitsOf({{vit::OpKind::kFc1, 0}, vit::Side::kLeft}), 6);
  EXPECT_EQ(scheme.BitsOf({{vit::OpKind::kQk, 0}, vit::Side::kRight}), 6);
}

TEST(SchemeTest, ThePictureMayHaveBitsOfItsOwn) {
  const vit::OperandId picture{{vit::OpKind::kPatchEmbed, -1}, vit::Side::kLeft};
  const vit::OperandId kernel{{vit::OpKind::kPatchEmbed, -1}, vit::Side::kRight};
  Scheme scheme{4, 6};
  EXPECT_EQ(scheme.BitsOf(picture), 6);
  scheme.patch_input_bits = 8;
  EXPECT_EQ(scheme.BitsOf(picture), 8);
  EXPECT_EQ(scheme.BitsOf(kernel), 4);
  EXPECT_TRUE(scheme.Covers(picture));
  EXPECT_EQ(scheme.ToString(), Scheme({4, 6}).ToString() + " patch_input_bits=8");
  scheme.patch_input_bits = 32;
  EXPECT_FALSE(scheme.Covers(picture));
  EXPECT_TRUE(scheme.Covers(kernel));
  scheme.quantize_patch_embed = false;
  EXPECT_FALSE(scheme.Covers(kernel));
  for (const int bits : {1, 17, 31, 33, -1}) {
    scheme.patch_input_bits = bits;
    EXPECT_FALSE(Validate(scheme).ok()) << bits;
  }
  Scheme mixed;
  mixed.mixed = true;
  mixed.patch_input_bits = 8;
  EXPECT_FALSE(Validate(mixed).ok());
}

TEST(SchemeTest, BitsOutsideTheGridsAreRefused) {
  EXPECT_TRUE(Validate(Scheme{2, 16}).ok());
  EXPECT_EQ(Validate(Scheme{1, 8}).error().message, "weight_bits is 1; it must lie in 2..16");
  EXPECT_EQ(Validate(Scheme{8, 17}).error().message, "activation_bits is 17; it must lie in 2..16");
}

TEST(SchemeTest, MixedIsNamedOnlyWhereItIsSet) {
  Scheme scheme;
  const std::string uniform = scheme.ToString();
  EXPECT_EQ(uniform.find("mixed"), std::string::npos);
  EXPECT_EQ(scheme.ShortName(), "W8A8");
  scheme.mixed = true;
  EXPECT_EQ(scheme.ToString(), uniform + " mixed=true");
  EXPECT_EQ(scheme.ShortName(), "W8A8 MP");
}

TEST(SchemeTest, MixedPrecisionNeedsEqualBits) {
  Scheme scheme;
  scheme.activation_bits = 6;
  EXPECT_TRUE(Validate(scheme).ok());
  scheme.mixed = true;
  const Status status = Validate(scheme);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(status.error().message,
            "W8A6 MP: under mixed precision weights and activations of a group share one width; write equal bits");
  scheme.weight_bits = 6;
  EXPECT_TRUE(Validate(scheme).ok());
}

}  // namespace
}  // namespace ptq::method
