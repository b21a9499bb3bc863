#include "data/embedded/weights_file.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>

#include "data/embedded/channel_spread.h"
#include "data/embedded/pictures.h"

namespace ptq::data {
namespace {

TEST(WeightsFileTest, GeometryIsOneToTwoMillionParameters) {
  for (const char* name : {"micro_vit", "micro_deit"}) {
    const vit::VitConfig config = EmbeddedConfig(name).value();
    EXPECT_GE(vit::ParameterCount(config), 1000000) << name;
    EXPECT_LE(vit::ParameterCount(config), 2000000) << name;
    EXPECT_EQ(config.patch_size, 4);
    EXPECT_EQ(config.distilled, std::string(name) == "micro_deit");
  }
  const Result<vit::VitConfig> unknown = EmbeddedConfig("micro_swin");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message.find("'micro_swin'"), std::string::npos);
}

TEST(WeightsFileTest, InitialWeightsScaleWithTheInputs) {
  const vit::VitModel model = InitialModel(EmbeddedConfig("micro_deit").value(), 5).value();
  EXPECT_TRUE(model.parameter("blocks.2.norm1.weight").eq(1.0).all().item<bool>());
  EXPECT_TRUE(model.parameter("norm.bias").eq(0.0).all().item<bool>());
  EXPECT_TRUE(model.parameter("blocks.0.mlp.fc1.bias").eq(0.0).all().item<bool>());
  EXPECT_NEAR(model.parameter("blocks.5.mlp.fc2.weight").std().item<double>(), 0.6 / std::sqrt(512.0), 0.001);
  EXPECT_NEAR(model.parameter("blocks.5.mlp.fc1.weight").std().item<double>(), 0.6 / std::sqrt(128.0), 0.001);
  EXPECT_NEAR(model.parameter("blocks.5.mlp.fc1.weight").mean().item<double>(), 0.0, 0.001);
  EXPECT_NEAR(model.parameter("pos_embed").std().item<double>(), 0.02, 0.001);
}

TEST(WeightsFileTest, InitialWeightsDependOnTheSeedAlone) {
  const vit::VitConfig config = EmbeddedConfig("micro_vit").value();
  const at::Tensor a = InitialModel(config, 1).value().parameter("pos_embed");
  EXPECT_TRUE(at::equal(a, InitialModel(config, 1).value().parameter("pos_embed")));
  EXPECT_FALSE(at::equal(a, InitialModel(config, 2).value().parameter("pos_embed")));
}

TEST(WeightsFileTest, WrittenWeightsComeBackRoundedToHalf) {
  const vit::VitConfig config = EmbeddedConfig("micro_vit").value();
  const vit::VitModel model = InitialModel(config, 1).value();
  const std::string path = ::testing::TempDir() + "/weights.safetensors";
  ASSERT_TRUE(WriteWeights(path, RoundedToHalf(model.parameters()), "micro_vit", 1).ok());
  const vit::VitModel read = ReadWeights(path, config).value();
  for (const auto& [name, parameter] : model.parameters()) {
    EXPECT_TRUE(at::equal(read.parameter(name), parameter.to(at::kHalf).to(at::kFloat))) << name;
  }
}

TEST(WeightsFileTest, DistilledModelBeginsWithTheDecisionsOfThePlainOne) {
  const vit::VitModel plain = InitialModel(EmbeddedConfig("micro_vit").value(), 4).value();
  const vit::VitModel distilled = DistilledFrom(plain).value();
  EXPECT_TRUE(at::equal(distilled.parameter("dist_token"), plain.parameter("cls_token")));
  EXPECT_TRUE(at::equal(distilled.parameter("head_dist.weight"), plain.parameter("head.weight")));
  const at::Tensor positions = distilled.parameter("pos_embed");
  EXPECT_TRUE(at::equal(positions.select(1, 0), positions.select(1, 1)));
  EXPECT_TRUE(at::equal(positions.narrow(1, 2, 64), plain.parameter("pos_embed").narrow(1, 1, 64)));
}

// The spread moves scale between a LayerNorm and its reader: other activations, the same function.
TEST(ChannelSpreadTest, LeavesTheFunctionBitForBit) {
  const vit::VitConfig config = EmbeddedConfig("micro_vit").value();
  const vit::VitModel plain = InitialModel(config, 1).value();
  const vit::VitModel spread = InitialModel(config, 1).value();
  SpreadChannels(spread, 7);
  Pictures pictures = DrawSplit("test");
  const at::Tensor images = Normalized(pictures.pixels.narrow(0, 0, 4), at::kCPU);
  vit::OpEngine engine;
  EXPECT_TRUE(at::equal(plain.Forward(images, engine), spread.Forward(images, engine)));
}

TEST(ChannelSpreadTest, MultipliesAFewChannelsByTwoAndFour) {
  const vit::VitModel model = InitialModel(EmbeddedConfig("micro_vit").value(), 1).value();
  SpreadChannels(model, 7);
  int64_t twos = 0, fours = 0, all = 0;
  for (int64_t block = 0; block < model.config().depth; ++block) {
    for (const char* norm : {".norm1.weight", ".norm2.weight"}) {
      const at::Tensor& gains = model.parameter("blocks." + std::to_string(block) + norm);  // ones before
      twos += gains.eq(2.0).sum().item<int64_t>();
      fours += gains.eq(4.0).sum().item<int64_t>();
      all += gains.numel();
      EXPECT_EQ(gains.eq(1.0).sum().item<int64_t>() + gains.eq(2.0).sum().item<int64_t>() +
                    gains.eq(4.0).sum().item<int64_t>(),
                gains.numel());
    }
  }
  EXPECT_NEAR(static_cast<double>(twos) / static_cast<double>(all), 0.15, 0.03);
  EXPECT_NEAR(static_cast<double>(fours) / static_cast<double>(all), 0.05, 0.02);
  EXPECT_TRUE(model.parameter("norm.weight").eq(1.0).all().item<bool>());
}

// The shipped files: their size, and that they know the test pictures as well as README.md says.
class ShippedWeightsTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ShippedWeightsTest, AreSmallAndAccurate) {
  const std::string path = "data/embedded/" + std::string(GetParam()) + ".safetensors";
  ASSERT_TRUE(std::filesystem::exists(path)) << path;
  EXPECT_LE(std::filesystem::file_size(path), 4U << 20);
  at::set_num_threads(1);
  const vit::VitModel model = ReadWeights(path, EmbeddedConfig(GetParam()).value()).value();
  Pictures pictures = DrawSplit("test");
  pictures.pixels = pictures.pixels.narrow(0, 0, 1000);
  pictures.labels = pictures.labels.narrow(0, 0, 1000);
  const double accuracy = AccuracyFraction(model, pictures, 2);
  EXPECT_GT(accuracy, 0.86);
  EXPECT_LT(accuracy, 0.985);
}

INSTANTIATE_TEST_SUITE_P(Both, ShippedWeightsTest, ::testing::Values("micro_vit", "micro_deit"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace ptq::data
