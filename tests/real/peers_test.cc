// Methods on the real DeiT-Tiny against the predictions of their authors' official codes, paired.
#include "tests/real/peers.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "baselines/repq_vit/percentile_search.h"
#include "baselines/repq_vit/reparameterize.h"
#include "core/quant/fake_quant.h"

namespace ptq {
namespace {

TEST(PredictionIntervalTest, OfFourDraws) {
  // Mean 3, variance (4 + 0 + 1 + 1) / 3 = 2.
  const Interval interval = PredictionInterval({1, 3, 4, 4});
  EXPECT_NEAR(interval.low, 3 - 3.182446 * std::sqrt(2.5), 1e-9);
  EXPECT_NEAR(interval.high, 3 + 3.182446 * std::sqrt(2.5), 1e-9);
}

TEST(ComparisonTest, CountsBothSides) {
  const Comparison comparison = Compare({1, 2, 3, 9, 8}, {1, 2, 0, 4, 7}, {1, 5, 3, 4, 6});
  EXPECT_EQ(comparison.lost, 1);
  EXPECT_EQ(comparison.gained, 1);
  EXPECT_EQ(comparison.percent_right, 40);
  EXPECT_EQ(comparison.official_percent_right, 40);
  EXPECT_EQ(comparison.percent_same, 40);
  EXPECT_EQ(comparison.p, 1);
}

std::vector<PeerCase> Cases() {
  const auto rows = quant::Granularity::kPerChannel;
  return {
      {"RepqVitW6A6", "repq_vit", 6, 8, rows, {}, "repqvit_w6a6"},
      {"RepqVitW4A4", "repq_vit", 4, 8, rows, {}, "repqvit_w4a4"},
      // The names of these runs list the factor and no log2 softmax.
      {"FqVitFactorW8A8", "fq_vit", 8, 0, rows, {{"log2_softmax", false}}, "fq_vit_minmax_ptf_w8a8"},
      {"FqVitMinMaxW8A8",
       "fq_vit",
       8,
       0,
       rows,
       {{"log2_softmax", false}, {"ptf_factor", int64_t{0}}},
       "fq_vit_minmax_w8a8"},
  };
}

class PeersTest : public ::testing::TestWithParam<PeerCase> {
 protected:
  void SetUp() override {
    if (!HasSharedFolder()) {
      GTEST_SKIP() << kNoSharedFolder;
    }
  }
};

// As good as the official code: the images on which exactly one of the two is right fall to both sides alike.
TEST_P(PeersTest, AgreesWithTheOfficialCode) {
  const PeerCase& peer = GetParam();
  const Result<std::vector<int64_t>> ours = PredictionsOf(peer, 0);
  ASSERT_TRUE(ours.ok()) << ours.error().ToString();
  const Peers& peers = TheShared().peers;
  const Comparison comparison = Compare(*ours, peers.predictions.at(peer.column), peers.labels);
  std::cout << peer.name << ": " << comparison.ToString() << "\n";
  RecordProperty("against_the_official_code", comparison.ToString());
  EXPECT_GE(comparison.p, 0.05) << comparison.ToString();
}

// Keeps what the linear layers behind a block's LayerNorms read.
class NormOutputEngine final : public vit::OpEngine {
 public:
  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    if (op.kind == vit::OpKind::kQkv || op.kind == vit::OpKind::kFc1) {
      outputs[op.kind] = input;
    }
    return OpEngine::Linear(op, input, weight, bias);
  }
  std::map<vit::OpKind, at::Tensor> outputs;
};

// RepQ-ViT's claim on real activations: per-channel codes before folding are the per-tensor codes after it.  Float32
// moves values that lie at a tie; two channels of this model have a LayerNorm weight of exactly 0.
TEST(RepqVitOnDeiTTinyTest, FoldingKeepsTheCodes) {
  if (!HasSharedFolder()) {
    GTEST_SKIP() << kNoSharedFolder;
  }
  const at::NoGradGuard no_grad;
  const vit::VitModel& model = TheShared().model;
  for (const int bits : {4, 6, 8}) {
    vit::OpEngine engine;
    at::Tensor x = model.Embed(TheShared().calibration.narrow(0, 0, 8), engine);
    int64_t codes = 0, equal = 0;
    for (int64_t block = 0; block < model.config().depth; ++block) {
      NormOutputEngine before;
      const at::Tensor next = model.Block(block, x, before);
      vit::TensorMap replaced;
      std::map<vit::OpKind, std::pair<quant::QuantParams, quant::QuantParams>> params;  // per channel, per tensor
      for (const auto& [kind, output] : before.outputs) {
        const vit::OpId op{kind, block};
        const std::string norm = "blocks." + std::to_string(block) + (kind == vit::OpKind::kQkv ? ".norm1" : ".norm2");
        const quant::QuantParams channels = baselines::ChooseChannels(output, bits);
        const baselines::Reparameterized folded =
            baselines::Reparameterize(channels, model.parameter(norm + ".weight"), model.parameter(norm + ".bias"),
                                      model.parameter(op.weight_name()), model.parameter(op.bias_name()));
        replaced[norm + ".weight"] = vit::FromTorch(folded.norm_weight);
        replaced[norm + ".bias"] = vit::FromTorch(folded.norm_bias);
        replaced[op.weight_name()] = vit::FromTorch(folded.weight);
        replaced[op.bias_name()] = vit::FromTorch(folded.bias);
        params[kind] = {channels, folded.input};
      }
      NormOutputEngine after;
      model.WithReplaced(replaced).value().Block(block, x, after);
      for (const auto& [kind, output] : before.outputs) {
        const at::Tensor same = quant::Quantize(output, params[kind].first)
                                    .eq(quant::Quantize(after.outputs.at(kind), params[kind].second));
        codes += same.numel();
        equal += same.sum().item<int64_t>();
      }
      x = next;
    }
    std::cout << bits << " bits: " << codes - equal << " of " << codes << " codes differ\n";
    RecordProperty("codes_that_differ_at_" + std::to_string(bits) + "_bits", std::to_string(codes - equal));
    EXPECT_GE(static_cast<double>(equal), 0.9999 * static_cast<double>(codes)) << bits << " bits";
  }
}

INSTANTIATE_TEST_SUITE_P(OfficialCodes, PeersTest, ::testing::ValuesIn(Cases()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace ptq
