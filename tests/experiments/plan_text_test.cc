#include "experiments/plan_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace ptq::experiments {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

PlanView SmallView() {
  PlanView view;
  view.fields = {{"method", "x@1"}, {"scheme", "s"}};
  view.true_bytes = 5.5e6;
  view.operands = {
      {"blocks.0.attn.qkv", "left", "affine", 8, "per_tensor", -1, {0.25f}, {7}},
      {"blocks.0.attn.qkv", "right", "symmetric_full", 6, "per_channel", 0, {0.5f, 0.5f, 2.0f}, {0, 0, 0}},
      {"blocks.0.attn.qk", "left", "symmetric_full", 6, "per_tensor", -1, {0.125f}, {0}},
      {"blocks.0.attn.qk", "right", "symmetric_full", 6, "per_tensor", -1, {0.0625f}, {0}},
      {"head", "right", "affine", 4, "per_channel", 0, {1.0f, 1.0f}, {3, 4}},
  };
  return view;
}

// A front of `count` points, the chosen one at `chosen`.
method::BitAllocation Allocation(int count, int chosen) {
  method::BitAllocation allocation;
  allocation.target_bits = 6;
  allocation.budget_bytes = 2.5e6;
  allocation.candidate_bits = {4, 8};
  allocation.groups = {{"patch_embed.proj", "op", 100, 1.5, {0.5, 0.25}}, {"blocks.0.attn", "attn", 300, 12, {4, 1}}};
  for (int p = 0; p < count; ++p) {
    allocation.front.push_back({1e6 + 1e3 * p, 1000.0 - p, {8, 4}});
  }
  allocation.chosen = chosen;
  return allocation;
}

TEST(PlanTextTest, ALinePerOp) {
  PlanView view = SmallView();
  EXPECT_EQ(PlanText(view, false),
            "method               x@1\n"
            "scheme               s\n"
            "model size           5.500 MB\n"
            "as the paper counts  not known\n"
            "\n"
            "op                 left                                                right\n"
            "blocks.0.attn.qkv  affine 8 bits, per_tensor scale 0.25, zero point 7  symmetric_full 6 bits, "
            "per_channel scale 0.5..2 (3 channels, 2 values)\n"
            "blocks.0.attn.qk   symmetric_full 6 bits, per_tensor scale 0.125       symmetric_full 6 bits, per_tensor "
            "scale 0.0625\n"
            "head               float32                                             affine 4 bits, per_channel scale 1 "
            "(2 channels, 1 value), zero point 3..4\n");
}

TEST(PlanTextTest, APlanFileKnowsItsCorrectedBiases) {
  PlanView view = SmallView();
  view.replaced = {{"head.bias", "blocks.0.norm1.weight"}};
  const std::string text = PlanText(view, false);
  EXPECT_THAT(text, HasSubstr("corrected bias\n"));
  EXPECT_THAT(text, HasSubstr("zero point 3..4  yes\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 10);
  EXPECT_THAT(text, HasSubstr("2 values)     no\n"));
  EXPECT_THAT(text, HasSubstr("0.0625" + std::string(29, ' ') + "-\n")) << "qk has none";
  EXPECT_THAT(text, HasSubstr("replaced: blocks.0.norm1.weight\n"));
  EXPECT_THAT(text, Not(HasSubstr("replaced: head.bias")));
}

TEST(PlanTextTest, WhatFewPlansHaveIsShown) {
  PlanView view = SmallView();
  view.operands[0] = {"blocks.0.attn.qkv", "left", "twin_signed", 8, "per_tensor", -1, {0.25f}, {0}, {0.5f}};
  view.operands[4].channel_bits = {8, 3};
  view.operands[4].correction = {-0.5f, 0.25f};
  view.norm_inputs = {{"blocks.0.norm1", "", "affine", 8, "per_channel", 2, {0.5f, 1.0f}, {3, 4}},
                      {"norm", "", "symmetric_full", 4, "per_tensor", -1, {0.5f}, {0}}};
  view.simulated_only = {"log2", "twin_signed"};
  view.notes = {{"best_p", "2.9"}, {"evaluations", "412"}};
  const std::string text = PlanText(view, false);
  EXPECT_THAT(text, HasSubstr("scheme               s\n"
                              "note: best p         2.9\n"
                              "note: evaluations    412\n"
                              "simulated only       log2, twin_signed (no integer kernel can run it)\n"
                              "model size           5.500 MB\n"));
  EXPECT_THAT(text, HasSubstr("twin_signed 8 bits, per_tensor scale 0.25, second scale 0.5"));
  EXPECT_THAT(text,
              HasSubstr("affine 3..8 bits (mean 5.5), per_channel scale 1 (2 channels, 1 value), zero point 3..4, "
                        "correction -0.5..0.25\n"));
  EXPECT_THAT(text, HasSubstr("\nLayerNorm       input\n"
                              "blocks.0.norm1  affine 8 bits, per_channel scale 0.5..1 (2 channels, 2 values), zero "
                              "point 3..4\n"
                              "norm            symmetric_full 4 bits, per_tensor scale 0.5\n"));
}

TEST(PlanTextTest, TheFloatModelQuantizesNothing) {
  EXPECT_THAT(PlanText(PlanView(), false), HasSubstr("no operand is quantized"));
}

TEST(PlanTextTest, GroupsAndFrontOfAnAllocation) {
  PlanView view = SmallView();
  view.allocation = Allocation(2, 1);
  EXPECT_THAT(
      PlanText(view, false),
      HasSubstr("\nmixed precision around 6 bits, at most 2.500 MB as the paper counts; omega: sensitivity at a "
                "width\n"
                "group             parameters  nuclear norm  omega at 4  omega at 8  bits\n"
                "patch_embed.proj  100         1.5           0.5         0.25        8\n"
                "blocks.0.attn     300         12            4           1           4\n"
                "\nPareto front: 2 points, * chosen\n"
                "   paper MB  average bits  omega\n"
                "   1.000     5.000         1000\n"
                "*  1.001     5.000         999\n"));
}

struct Window {
  int count, chosen;
  const char* shown;  // empty: all
  int first, last;    // omega
};

TEST(PlanTextTest, ALongFrontIsCutAroundTheChoice) {
  for (const Window& window : {Window{20, 3, "", 1000, 981}, Window{21, 0, "1 to 20 here", 1000, 981},
                               Window{100, 0, "1 to 20 here", 1000, 981}, Window{100, 50, "41 to 60 here", 960, 941},
                               Window{100, 99, "81 to 100 here", 920, 901}}) {
    PlanView view;
    view.allocation = Allocation(window.count, window.chosen);
    const std::string text = PlanText(view, false);
    const std::string front = text.substr(text.find("Pareto"));
    EXPECT_EQ(std::count(front.begin(), front.end(), '\n'), 2 + 20) << window.count << " " << window.chosen;
    EXPECT_THAT(front, HasSubstr(window.shown));
    EXPECT_THAT(front, HasSubstr(" " + std::to_string(window.first) + "\n"));
    EXPECT_THAT(front, HasSubstr(" " + std::to_string(window.last) + "\n"));
    EXPECT_THAT(front, HasSubstr("\n*  "));
    const std::string whole = PlanText(view, true);
    EXPECT_EQ(std::count(whole.begin() + static_cast<int64_t>(whole.find("Pareto")), whole.end(), '\n'),
              2 + window.count);
  }
}

}  // namespace
}  // namespace ptq::experiments
