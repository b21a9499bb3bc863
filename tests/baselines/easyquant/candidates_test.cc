#include "baselines/easyquant/candidates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "baselines/easyquant/settings.h"

namespace ptq::baselines::easyquant {
namespace {

using quant::Grid;
using quant::QuantParams;

QuantParams OfScales(std::vector<float> scale) {
  QuantParams params;
  params.grid = Grid::kSymmetricRestricted;
  params.granularity = quant::Granularity::kPerChannel;
  params.axis = 0;
  params.zero_point.assign(scale.size(), 0);
  params.scale = std::move(scale);
  return params;
}

Settings Of(const std::string& variant, std::map<std::string, method::ParameterValue> given = {}) {
  given["variant"] = variant;
  return ReadSettings(method::Parameters::Resolve(ParameterSpecs(), given).value());
}

std::vector<float> Sorted(const std::vector<QuantParams>& candidates, size_t channel = 0) {
  std::vector<float> scales;
  for (const QuantParams& candidate : candidates) {
    scales.push_back(candidate.scale[channel]);
  }
  std::sort(scales.begin(), scales.end());
  return scales;
}

TEST(CandidatesTest, TheInitialIntervalIsFirstAndTheOthersFollowFromNearToFar) {
  for (const char* variant : {"paper", "baseptq", "release"}) {
    const Settings settings = Of(variant);
    for (const CandidateRange& range : {settings.weights, settings.activations}) {
      const std::vector<QuantParams> candidates = Candidates(OfScales({0.01F, 0.02F}), range);
      EXPECT_EQ(candidates[0], OfScales({0.01F, 0.02F}));
      for (size_t i = 1; i < candidates.size(); ++i) {
        EXPECT_GE(std::abs(candidates[i].scale[0] - 0.01F) * 1.00001F, std::abs(candidates[i - 1].scale[0] - 0.01F))
            << variant << " " << i;
      }
    }
  }
}

TEST(CandidatesTest, ThePapersAreLinearInTheMultiplier) {
  const std::vector<QuantParams> candidates = Candidates(OfScales({1.0F}), Of("paper").weights);
  EXPECT_EQ(candidates.size(), 102U) << "101 and the initial one, which is none of them";
  const std::vector<float> scales = Sorted(candidates);
  EXPECT_FLOAT_EQ(scales.front(), 0.5F) << "S = 2";
  EXPECT_FLOAT_EQ(scales.back(), 2.0F) << "S = 0.5";
  EXPECT_FLOAT_EQ(scales[1], 1 / 1.985F);
}

TEST(CandidatesTest, BaseptqsAreLinearInTheInterval) {
  const std::vector<float> scales = Sorted(Candidates(OfScales({1.0F}), Of("baseptq").activations));
  EXPECT_EQ(scales.size(), 102U);
  EXPECT_FLOAT_EQ(scales.front(), 0.5F);
  EXPECT_FLOAT_EQ(scales[1], 0.507F);
  EXPECT_FLOAT_EQ(scales.back(), 1.2F);
}

// S runs over 98 points inside linspace(1, S0, 100), and over 198 points inside linspace(0.8 S0, S0, 200): every clip
// is wider than the initial one.
TEST(CandidatesTest, TheReleasedToolOnlyWidens) {
  const std::vector<QuantParams> weights = Candidates(OfScales({1.0F / 254, 1.0F / 127}), Of("release").weights);
  EXPECT_EQ(weights.size(), 99U);
  for (size_t channel = 0; channel < 2; ++channel) {
    const double initial = channel == 0 ? 254 : 127;
    const std::vector<float> scales = Sorted(weights, channel);
    EXPECT_EQ(scales.front(), weights[0].scale[channel]);
    EXPECT_NEAR(1 / scales.back(), 1 + (initial - 1) / 99, 1e-3);
    EXPECT_NEAR(1 / scales[1], 1 + 98 * (initial - 1) / 99, 1e-3);
  }
  const std::vector<float> activations = Sorted(Candidates(OfScales({1.0F}), Of("release").activations));
  EXPECT_EQ(activations.size(), 199U);
  EXPECT_FLOAT_EQ(activations.front(), 1);
  EXPECT_FLOAT_EQ(activations.back(), static_cast<float>(1 / (0.8 + 0.2 / 199)));
}

TEST(CandidatesTest, CustomTakesItsParametersAndPresetsTakeNone) {
  const Settings settings = Of("custom", {{"units", std::string("interval")},
                                          {"alpha", 0.25},
                                          {"beta", 1.5},
                                          {"candidates", int64_t{5}},
                                          {"rounds", int64_t{3}},
                                          {"similarity", std::string("token")}});
  EXPECT_EQ(Sorted(Candidates(OfScales({1.0F}), settings.weights)),
            (std::vector<float>{0.25F, 0.5F, 0.75F, 1.0F, 1.0F, 1.25F, 1.5F}));
  EXPECT_EQ(settings.max_rounds, 3);
  EXPECT_EQ(settings.domain, search::ScoreDomain::kRow);
  EXPECT_FALSE(method::Parameters::Resolve(ParameterSpecs(), {{"alpha", 0.25}}).ok()) << "the paper's is 0.5";
}

TEST(SettingsTest, WhereTheSearchOfActivationsBegins) {
  EXPECT_EQ(Of("paper").init, ActivationInit::kEntropyOf8Bits);
  EXPECT_EQ(Of("release").init, ActivationInit::kEntropyOf8Bits);
  EXPECT_EQ(Of("baseptq").init, ActivationInit::kMaximum);
  EXPECT_EQ(Of("baseptq", {{"activation_init", std::string("kl")}}).init, ActivationInit::kEntropyOfBits);
  EXPECT_EQ(Of("paper", {{"activation_init", std::string("max_abs")}}).init, ActivationInit::kMaximum);
  EXPECT_NE(Of("paper").SearchText(), Of("paper", {{"activation_init", std::string("kl")}}).SearchText());
}

TEST(GridOfTest, OnlyTheSoftmaxOutputIsUnsigned) {
  EXPECT_EQ(GridOf({{vit::OpKind::kPv, 0}, vit::Side::kLeft}), Grid::kUnsigned);
  EXPECT_EQ(GridOf({{vit::OpKind::kPv, 0}, vit::Side::kRight}), Grid::kSymmetricRestricted);
  EXPECT_EQ(GridOf({{vit::OpKind::kQk, 0}, vit::Side::kLeft}), Grid::kSymmetricRestricted);
}

}  // namespace
}  // namespace ptq::baselines::easyquant
