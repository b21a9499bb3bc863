#include "core/vit/op.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/testing/tiny_config.h"

namespace ptq::vit {
namespace {

TEST(OpTest, AllOpsOfATinyDistilledModelInOrder) {
  std::vector<std::string> names;
  for (const OpId& op : AllOps(testing::TinyConfig(true))) {
    names.push_back(op.name());
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"patch_embed.proj", "blocks.0.attn.qkv", "blocks.0.attn.qk", "blocks.0.attn.pv",
                                      "blocks.0.attn.proj", "blocks.0.mlp.fc1", "blocks.0.mlp.fc2", "blocks.1.attn.qkv",
                                      "blocks.1.attn.qk", "blocks.1.attn.pv", "blocks.1.attn.proj", "blocks.1.mlp.fc1",
                                      "blocks.1.mlp.fc2", "head", "head_dist"}));
  EXPECT_EQ(AllOps(testing::TinyConfig()).back().name(), "head");
}

TEST(OpTest, OrderIsThatOfExecution) {
  VitConfig config;
  config.distilled = true;
  const std::vector<OpId> ops = AllOps(config);
  EXPECT_EQ(ops.size(), 12U * 6 + 3);
  EXPECT_TRUE(std::is_sorted(ops.begin(), ops.end()));
  for (size_t i = 1; i < ops.size(); ++i) {
    EXPECT_TRUE(ops[i - 1] < ops[i]) << ops[i].name();
    EXPECT_FALSE(ops[i] < ops[i - 1]) << ops[i].name();
  }
  const OperandId left{ops[3], Side::kLeft};
  const OperandId right{ops[3], Side::kRight};
  EXPECT_TRUE(left < right);
  EXPECT_TRUE(right < (OperandId{ops[4], Side::kLeft}));
  EXPECT_FALSE(left == right);
}

TEST(OpTest, NamesRoundTrip) {
  VitConfig config;
  config.distilled = true;
  config.depth = 24;
  for (const OpId& op : AllOps(config)) {
    const Result<OpId> parsed = ParseOp(op.name());
    ASSERT_TRUE(parsed.ok()) << op.name();
    EXPECT_EQ(*parsed, op);
  }
}

TEST(NormTest, NamesRoundTripInTheOrderOfExecution) {
  VitConfig config;
  config.depth = 12;
  const std::vector<NormId> norms = AllNorms(config);
  EXPECT_EQ(norms.size(), 25U);
  EXPECT_EQ(norms[1].name(), "blocks.0.norm2");
  EXPECT_EQ(norms[22].name(), "blocks.11.norm1");
  EXPECT_EQ(norms.back().name(), "norm");
  for (size_t i = 0; i < norms.size(); ++i) {
    EXPECT_EQ(ParseNorm(norms[i].name()).value(), norms[i]);
    EXPECT_TRUE(i == 0 || (norms[i - 1] < norms[i] && !(norms[i] < norms[i - 1])));
  }
  for (const char* name : {"", "norm1", "blocks.0.norm", "blocks.0.norm3", "blocks.00.norm1", "blocks.-1.norm1",
                           "blocks.0.norm1 ", "blocks..norm1", ".norm1", "norm.weight"}) {
    EXPECT_FALSE(ParseNorm(name).ok()) << name;
  }
}

TEST(OpTest, ParseRefusesWhatIsNotExactlyAName) {
  for (const char* name : {"",
                           "heads",
                           "head ",
                           " head",
                           "Head",
                           "head.weight",
                           "blocks",
                           "blocks.",
                           "blocks.0",
                           "blocks.0.",
                           "blocks..attn.qkv",
                           "blocks.00.attn.qkv",
                           "blocks.01.attn.qkv",
                           "blocks.-1.attn.qkv",
                           "blocks.x.attn.qkv",
                           "blocks.0.attn",
                           "blocks.0.attn.q",
                           "blocks.0.attn.qkv.left",
                           "blocks.0x.attn.qkv",
                           "blocks.0.head",
                           "blocks.99999999999999999999.attn.qkv",
                           "patch_embed",
                           "blocks.0.patch_embed.proj"}) {
    const Result<OpId> parsed = ParseOp(name);
    ASSERT_FALSE(parsed.ok()) << name;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_LT(ParseOp(std::string(100000, 'x')).error().message.size(), 200U) << "a message stays one line";
}

TEST(OpTest, WeightsAndAttentionMembership) {
  EXPECT_FALSE((OpId{OpKind::kQk, 0}).has_weight());
  EXPECT_FALSE((OpId{OpKind::kPv, 0}).has_weight());
  EXPECT_EQ((OpId{OpKind::kFc2, 7}).weight_name(), "blocks.7.mlp.fc2.weight");
  EXPECT_EQ((OpId{OpKind::kPatchEmbed, -1}).bias_name(), "patch_embed.proj.bias");
  for (const OpId& op : AllOps(testing::TinyConfig(true))) {
    EXPECT_EQ(op.in_attention(), op.name().find(".attn.") != std::string::npos) << op.name();
    EXPECT_EQ((OperandId{op, Side::kRight}).is_weight(), op.has_weight()) << op.name();
    EXPECT_FALSE((OperandId{op, Side::kLeft}).is_weight()) << op.name();
  }
  EXPECT_EQ((OperandId{{OpKind::kQk, 3}, Side::kRight}).name(), "blocks.3.attn.qk.right");
}

int64_t MultiplyAccumulates(const VitConfig& config) {
  int64_t sum = 0;
  for (const OpId& op : AllOps(config)) {
    sum += ShapeOf(op, config).multiply_accumulates();
  }
  return sum;
}

double AttentionShare(const VitConfig& config) {
  int64_t sum = 0;
  for (const OpId& op : AllOps(config)) {
    sum += op.has_weight() ? 0 : ShapeOf(op, config).multiply_accumulates();
  }
  return static_cast<double>(sum) / static_cast<double>(MultiplyAccumulates(config));
}

// Per image with 197 tokens, to the digits that the literature gives.
TEST(ShapeOfTest, MultiplyAccumulatesOfTheDeiTs) {
  VitConfig config;
  EXPECT_NEAR(MultiplyAccumulates(config) / 1e9, 1.254, 0.0005);
  EXPECT_NEAR(AttentionShare(config), 0.143, 0.0005);
  config.width = 384;
  config.heads = 6;
  config.mlp_hidden = 1536;
  EXPECT_NEAR(MultiplyAccumulates(config) / 1e9, 4.599, 0.0005);
  EXPECT_NEAR(AttentionShare(config), 0.078, 0.0005);
  config.width = 768;
  config.heads = 12;
  config.mlp_hidden = 3072;
  EXPECT_NEAR(MultiplyAccumulates(config) / 1e9, 17.56, 0.005);
  EXPECT_NEAR(AttentionShare(config), 0.041, 0.0005);
}

TEST(ShapeOfTest, TinyShapesByHand) {
  const VitConfig config = testing::TinyConfig();  // 4 patches of 48 elements, 5 tokens, 2 heads of 8
  auto expect = [&](OpId op, int64_t count, int64_t rows, int64_t inner, int64_t columns) {
    const OpShape shape = ShapeOf(op, config);
    EXPECT_EQ(shape.count, count) << op.name();
    EXPECT_EQ(shape.rows, rows) << op.name();
    EXPECT_EQ(shape.inner, inner) << op.name();
    EXPECT_EQ(shape.columns, columns) << op.name();
  };
  expect({OpKind::kPatchEmbed, -1}, 1, 4, 48, 16);
  expect({OpKind::kQkv, 1}, 1, 5, 16, 48);
  expect({OpKind::kQk, 1}, 2, 5, 8, 5);
  expect({OpKind::kPv, 1}, 2, 5, 5, 8);
  expect({OpKind::kProj, 1}, 1, 5, 16, 16);
  expect({OpKind::kFc1, 1}, 1, 5, 16, 32);
  expect({OpKind::kFc2, 1}, 1, 5, 32, 16);
  expect({OpKind::kHead, -1}, 1, 1, 16, 5);
}

}  // namespace
}  // namespace ptq::vit
