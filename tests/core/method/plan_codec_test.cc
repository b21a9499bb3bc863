#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "core/method/plan.h"
#include "tests/testing/tiny_config.h"

namespace ptq::method {
namespace {

using ::testing::HasSubstr;

// Every grid, both granularities, replaced parameters, and floats whose bits are easily lost.
Plan FullPlan() {
  Plan plan;
  plan.method = "percentile@1";
  plan.scheme = "weight_bits=4";
  plan.parameters = "percentile=0.9999 text=\"a b\"";
  plan.weights_sha256 = "00ff";
  using quant::Grid;
  const auto tensor = quant::Granularity::kPerTensor;
  const auto channel = quant::Granularity::kPerChannel;
  const vit::OpId fc1{vit::OpKind::kFc1, 0};
  const vit::OpId qk{vit::OpKind::kQk, 1};
  plan.operands[{fc1, vit::Side::kLeft}] = {Grid::kAffine, 16, tensor, -1, {0.1F}, {65535}};
  plan.operands[{fc1, vit::Side::kRight}] = {Grid::kSymmetricRestricted,  4,        channel, 0,
                                             {1e-30F, 0x1.fffffep-3F, 3}, {0, 0, 0}};
  plan.operands[{qk, vit::Side::kLeft}] = {
      Grid::kSymmetricFull, 8, tensor, -1, {std::numeric_limits<float>::max()}, {0}};
  plan.operands[{qk, vit::Side::kRight}] = {
      Grid::kSymmetricHalf, 2, tensor, -1, {std::numeric_limits<float>::min()}, {0}};
  plan.operands[{{vit::OpKind::kPatchEmbed, -1}, vit::Side::kLeft}] = {Grid::kUnsigned, 8, tensor, -1, {0.5F}, {0}};
  plan.operands[{{vit::OpKind::kHeadDist, -1}, vit::Side::kRight}] = {Grid::kAffine, 8, channel, 0, {1, 2}, {3, 255}};
  plan.replaced_parameters["head.bias"] = vit::MakeTensor(std::vector<float>{-0.0F, 1e-45F, 0.1F, 3, 4}, {5});
  plan.replaced_parameters["norm.weight"] = vit::MakeTensor(std::vector<float>(16, 1.0F), {16});
  return plan;
}

// Floats whose last bits are easily lost.
BitAllocation Allocation() {
  BitAllocation allocation;
  allocation.target_bits = 6;
  allocation.budget_bytes = 1e9 / 3;
  allocation.candidate_bits = {4, 6, 8};
  allocation.groups = {{"blocks.0.attn", "attn", 1088, 0.1, {1e-300, 0, 0x1p-1074}},
                       {"blocks.0.mlp", "mlp", 1072, 2.0 / 3, {1e22, 0.1 + 0.2, 1}}};
  allocation.front = {{1e6 / 7, 1e22, {4, 4}}, {1e8 / 3, 1.0 / 3, {6, 8}}};
  allocation.chosen = 1;
  return allocation;
}

// All that format version 2 added: the grids that are not uniform, bits and corrections of channels, quantized inputs
// of LayerNorms, notes.
Plan SecondPlan() {
  Plan plan = FullPlan();
  using quant::Grid;
  const auto tensor = quant::Granularity::kPerTensor;
  const auto channel = quant::Granularity::kPerChannel;
  plan.operands[{{vit::OpKind::kPv, 0}, vit::Side::kLeft}] = {Grid::kLogSqrt2, 4, tensor, -1, {0.9F}, {0}};
  plan.operands[{{vit::OpKind::kPv, 1}, vit::Side::kLeft}] = {Grid::kTwinSoftmax, 4, tensor, -1, {0.01F}, {0}, {0.1F}};
  plan.operands[{{vit::OpKind::kFc2, 0}, vit::Side::kLeft}] = {Grid::kTwinSigned, 6, tensor, -1, {0.1F}, {0}, {1e-30F}};
  plan.operands[{{vit::OpKind::kFc2, 0}, vit::Side::kRight}] = {
      Grid::kAffine, 4, channel, 0, {0.1F, 0.2F}, {0, 3}, {}, {0, 6}, {-0.0F, 1e-45F}};
  plan.norm_inputs[{vit::NormId::Kind::kNorm2, 1}] = {Grid::kAffine, 8, channel, 2, {0.1F, 0.4F}, {9, 9}};
  plan.norm_inputs[{}] = {Grid::kAffine, 8, tensor, -1, {0.5F}, {255}};
  plan.notes = {{"evaluations", "412"}, {"rule", "vertex, p = 2.9"}};
  return plan;
}

void ExpectSame(const Plan& a, const Plan& b) {
  EXPECT_EQ(a.method, b.method);
  EXPECT_EQ(a.scheme, b.scheme);
  EXPECT_EQ(a.parameters, b.parameters);
  EXPECT_EQ(a.weights_sha256, b.weights_sha256);
  EXPECT_TRUE(a.operands == b.operands);
  EXPECT_TRUE(a.norm_inputs == b.norm_inputs);
  EXPECT_EQ(a.notes, b.notes);
  ASSERT_EQ(a.replaced_parameters.size(), b.replaced_parameters.size());
  for (const auto& [name, tensor] : a.replaced_parameters) {
    ASSERT_EQ(b.replaced_parameters.count(name), 1U) << name;
    const vit::HostTensor& other = b.replaced_parameters.at(name);
    EXPECT_EQ(tensor.dtype, other.dtype);
    EXPECT_EQ(tensor.shape, other.shape);
    EXPECT_EQ(*tensor.bytes, *other.bytes) << name;
  }
  ASSERT_EQ(a.allocation.has_value(), b.allocation.has_value());
  if (a.allocation) {
    EXPECT_EQ(ToJson(*a.allocation), ToJson(*b.allocation));
  }
}

TEST(PlanCodecTest, RoundTripIsExact) {
  const Result<Plan> back = Decode(Encode(FullPlan()));
  ASSERT_TRUE(back.ok()) << back.error().ToString();
  ExpectSame(FullPlan(), *back);
}

TEST(PlanCodecTest, WhatVersionTwoAddedRoundTrips) {
  const EncodedPlan encoded = Encode(SecondPlan());
  EXPECT_EQ(encoded.metadata.at("format_version"), "2");
  EXPECT_EQ(encoded.metadata.at("norm_input.blocks.1.norm2"), "affine 8 per_channel 2");
  EXPECT_EQ(encoded.metadata.at("note.evaluations"), "412");
  EXPECT_EQ(encoded.tensors.at("operand.blocks.0.mlp.fc2.right.channel_bits").dtype, vit::DType::kI32);
  const Result<Plan> back = Decode(encoded);
  ASSERT_TRUE(back.ok()) << back.error().ToString();
  ExpectSame(SecondPlan(), *back);
}

TEST(PlanCodecTest, DamagedPartsOfVersionTwoAreCorrupt) {
  const std::string fc2 = "operand.blocks.0.mlp.fc2.";
  const std::pair<const char*, std::function<void(EncodedPlan&)>> damages[] = {
      {"no second scale", [&](EncodedPlan& e) { e.tensors.erase(fc2 + "left.second_scale"); }},
      {"short bits",
       [&](EncodedPlan& e) { e.tensors[fc2 + "right.channel_bits"] = vit::MakeTensor(std::vector<int32_t>{4}, {1}); }},
      {"float bits",
       [&](EncodedPlan& e) {
         e.tensors[fc2 + "right.channel_bits"] = vit::MakeTensor(std::vector<float>{4, 4}, {2});
       }},
      {"short correction",
       [&](EncodedPlan& e) { e.tensors[fc2 + "right.correction"] = vit::MakeTensor(std::vector<float>{4}, {1}); }},
      {"unknown norm", [](EncodedPlan& e) { e.metadata["norm_input.blocks.0.norm3"] = "affine 8 per_tensor -1"; }},
      {"norm without scale", [](EncodedPlan& e) { e.tensors.erase("norm_input.norm.scale"); }},
      {"surplus tensor",
       [&](EncodedPlan& e) {
         e.tensors[fc2 + "right.third"] = vit::MakeTensor(std::vector<float>{1, 1}, {2});
       }},
  };
  for (const auto& [name, damage] : damages) {
    EncodedPlan encoded = Encode(SecondPlan());
    damage(encoded);
    const Result<Plan> decoded = Decode(encoded);
    ASSERT_FALSE(decoded.ok()) << name;
    EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt) << name << ": " << decoded.error().ToString();
  }
}

TEST(PlanCodecTest, TheEmptyPlanRoundTrips) {
  const Result<Plan> back = Decode(Encode(Plan()));
  ASSERT_TRUE(back.ok());
  ExpectSame(Plan(), *back);
}

TEST(PlanCodecTest, APlanWithAnAllocationRoundTrips) {
  Plan plan = FullPlan();
  plan.allocation = Allocation();
  const Result<Plan> back = Decode(Encode(plan));
  ASSERT_TRUE(back.ok()) << back.error().ToString();
  ExpectSame(plan, *back);
  EXPECT_EQ(back->allocation->choice().size_bytes, 1e8 / 3);
  EXPECT_EQ(Encode(FullPlan()).metadata.count("allocation"), 0U);
}

TEST(PlanCodecTest, ADamagedAllocationIsCorrupt) {
  Plan plan = FullPlan();
  plan.allocation = Allocation();
  for (const char* text : {"", "{}", "[]", "null"}) {
    EncodedPlan encoded = Encode(plan);
    encoded.metadata.at("allocation") = text;
    const Result<Plan> decoded = Decode(encoded);
    ASSERT_FALSE(decoded.ok()) << text;
    EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt) << text;
  }
}

// Plans on disk outlive programs: names and texts of version 1 stay.
TEST(PlanCodecTest, FormatVersionOneIsFrozen) {
  const EncodedPlan encoded = Encode(FullPlan());
  EXPECT_EQ(encoded.metadata.at("format"), "ptqbench-plan");
  EXPECT_EQ(encoded.metadata.at("format_version"), "1");
  EXPECT_EQ(encoded.metadata.at("operand.blocks.0.mlp.fc1.left"), "affine 16 per_tensor -1");
  EXPECT_EQ(encoded.metadata.at("operand.blocks.0.mlp.fc1.right"), "symmetric_restricted 4 per_channel 0");
  EXPECT_EQ(encoded.tensors.at("operand.blocks.0.mlp.fc1.right.scale").shape, (std::vector<int64_t>{3}));
  EXPECT_EQ(encoded.tensors.at("operand.blocks.0.mlp.fc1.left.zero_point").dtype, vit::DType::kI32);
  EXPECT_EQ(encoded.tensors.count("replaced.head.bias"), 1U);
}

TEST(PlanCodecTest, ANewerVersionIsUnsupported) {
  EncodedPlan encoded = Encode(FullPlan());
  encoded.metadata["format_version"] = "3";
  const Result<Plan> decoded = Decode(encoded);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(decoded.error().message, HasSubstr("format version 3"));
}

TEST(PlanCodecTest, EveryDamageIsCorrupt) {
  const std::string fc1 = "operand.blocks.0.mlp.fc1.left";
  const std::pair<const char*, std::function<void(EncodedPlan&)>> damages[] = {
      {"no format", [](EncodedPlan& e) { e.metadata.erase("format"); }},
      {"other format", [](EncodedPlan& e) { e.metadata["format"] = "pt"; }},
      {"no version", [](EncodedPlan& e) { e.metadata.erase("format_version"); }},
      {"version 0", [](EncodedPlan& e) { e.metadata["format_version"] = "0"; }},
      {"version text", [](EncodedPlan& e) { e.metadata["format_version"] = "1.0"; }},
      {"version huge", [](EncodedPlan& e) { e.metadata["format_version"] = std::string(100, '9'); }},
      {"no scale", [&](EncodedPlan& e) { e.tensors.erase(fc1 + ".scale"); }},
      {"no zero point", [&](EncodedPlan& e) { e.tensors.erase(fc1 + ".zero_point"); }},
      {"no description", [&](EncodedPlan& e) { e.metadata.erase(fc1); }},
      {"empty description", [&](EncodedPlan& e) { e.metadata[fc1] = ""; }},
      {"surplus word", [&](EncodedPlan& e) { e.metadata[fc1] += " 1"; }},
      {"unknown grid", [&](EncodedPlan& e) { e.metadata[fc1] = "log10 8 per_tensor -1"; }},
      {"unknown granularity", [&](EncodedPlan& e) { e.metadata[fc1] = "affine 8 per_row -1"; }},
      {"bits 1", [&](EncodedPlan& e) { e.metadata[fc1] = "affine 1 per_tensor -1"; }},
      {"bits 17", [&](EncodedPlan& e) { e.metadata[fc1] = "affine 17 per_tensor -1"; }},
      {"bits text", [&](EncodedPlan& e) { e.metadata[fc1] = "affine 8x per_tensor -1"; }},
      {"bits minus", [&](EncodedPlan& e) { e.metadata[fc1] = "affine - per_tensor -1"; }},
      {"bits overflow", [&](EncodedPlan& e) { e.metadata[fc1] = "affine 4294967304 per_tensor -1"; }},
      {"axis", [&](EncodedPlan& e) { e.metadata[fc1] = "affine 16 per_tensor 0"; }},
      {"zero point outside", [&](EncodedPlan& e) { e.metadata[fc1] = "affine 8 per_tensor -1"; }},
      {"scale type",
       [&](EncodedPlan& e) { e.tensors[fc1 + ".scale"] = vit::MakeTensor(std::vector<int32_t>{1}, {1}); }},
      {"scale rank",
       [&](EncodedPlan& e) {
         e.tensors[fc1 + ".scale"] = vit::MakeTensor(std::vector<float>{1}, {1, 1});
       }},
      {"scale NaN",
       [&](EncodedPlan& e) {
         e.tensors[fc1 + ".scale"] = vit::MakeTensor(std::vector<float>{std::numeric_limits<float>::quiet_NaN()}, {1});
       }},
      {"two scales",
       [&](EncodedPlan& e) {
         e.tensors[fc1 + ".scale"] = vit::MakeTensor(std::vector<float>{1, 1}, {2});
       }},
      {"no scales", [&](EncodedPlan& e) { e.tensors[fc1 + ".scale"] = vit::MakeTensor(std::vector<float>{}, {0}); }},
      {"unknown op", [](EncodedPlan& e) { e.metadata["operand.blocks.0.mlp.fc3.left"] = "affine 8 per_tensor -1"; }},
      {"unknown side", [](EncodedPlan& e) { e.metadata["operand.head.middle"] = "affine 8 per_tensor -1"; }},
      {"no side", [](EncodedPlan& e) { e.metadata["operand.head"] = "affine 8 per_tensor -1"; }},
      {"surplus tensor", [](EncodedPlan& e) { e.tensors["x"] = vit::MakeTensor(std::vector<float>{1}, {1}); }},
      {"integer replacement",
       [](EncodedPlan& e) { e.tensors["replaced.norm.bias"] = vit::MakeTensor(std::vector<int32_t>{1}, {1}); }},
  };
  for (const auto& [name, damage] : damages) {
    EncodedPlan encoded = Encode(FullPlan());
    damage(encoded);
    const Result<Plan> decoded = Decode(encoded);
    ASSERT_FALSE(decoded.ok()) << name;
    EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt) << name << ": " << decoded.error().ToString();
  }
}

TEST(PlanCodecTest, ADamagedOperandIsNamed) {
  EncodedPlan encoded = Encode(FullPlan());
  encoded.metadata["operand.blocks.0.mlp.fc1.left"] = "log10 8 per_tensor -1";
  EXPECT_EQ(Decode(encoded).error().where, "blocks.0.mlp.fc1.left");
}

TEST(PlanCodecDeathTest, ReplacedParametersAreFloat32) {
  Plan plan;
  plan.replaced_parameters["norm.bias"] = vit::MakeTensor(std::vector<int32_t>{1}, {1});
  EXPECT_DEATH(Encode(plan), "norm.bias");
}

}  // namespace
}  // namespace ptq::method
