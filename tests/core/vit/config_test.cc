#include "core/vit/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "core/vit/parameters.h"
#include "tests/testing/tiny_config.h"

namespace ptq::vit {
namespace {

using ::testing::HasSubstr;

VitConfig Geometry(int64_t width, int64_t depth, int64_t heads) {
  VitConfig config;
  config.width = width;
  config.depth = depth;
  config.heads = heads;
  config.mlp_hidden = 4 * width;
  return config;
}

// Patch 16, 224 pixels, 1000 classes; the counts of timm's models.
TEST(ParameterCountTest, KnownModels) {
  EXPECT_EQ(ParameterCount(VitConfig()), 5717416);
  EXPECT_EQ(ParameterCount(Geometry(384, 12, 6)), 22050664);
  EXPECT_EQ(ParameterCount(Geometry(768, 12, 12)), 86567656);
  EXPECT_EQ(ParameterCount(Geometry(1024, 24, 16)), 304326632);
}

TEST(ParameterCountTest, IsTheSumOfTheRequiredShapes) {
  for (const VitConfig& config : {testing::TinyConfig(), testing::TinyConfig(true), VitConfig()}) {
    int64_t sum = 0;
    for (const ParameterShape& parameter : RequiredParameters(config)) {
      int64_t count = 1;
      for (const int64_t size : parameter.shape) {
        count *= size;
      }
      sum += count;
    }
    EXPECT_EQ(ParameterCount(config), sum) << ToString(config);
  }
}

TEST(VitConfigTest, DerivedSizes) {
  VitConfig config;
  EXPECT_EQ(config.patches(), 196);
  EXPECT_EQ(config.tokens(), 197);
  EXPECT_EQ(config.head_width(), 64);
  EXPECT_EQ(config.patch_elements(), 768);
  config.distilled = true;
  EXPECT_EQ(config.tokens(), 198);
}

TEST(VitConfigTest, TextNamesEveryGeometryField) {
  EXPECT_EQ(ToString(VitConfig()),
            "image 224, patch 16, channels 3, width 192, depth 12, heads 3, mlp hidden 768, classes 1000, plain");
  EXPECT_THAT(ToString(testing::TinyConfig(true)), HasSubstr("distilled"));
}

TEST(ValidateTest, RefusesEachImpossibleSize) {
  EXPECT_TRUE(Validate(VitConfig()).ok());
  const std::pair<const char*, std::function<void(VitConfig&)>> cases[] = {
      {"image_size", [](VitConfig& c) { c.image_size = 0; }},
      {"patch_size", [](VitConfig& c) { c.patch_size = -1; }},
      {"channels", [](VitConfig& c) { c.channels = 0; }},
      {"width", [](VitConfig& c) { c.width = 0; }},
      {"depth", [](VitConfig& c) { c.depth = 0; }},
      {"heads", [](VitConfig& c) { c.heads = 0; }},
      {"mlp_hidden", [](VitConfig& c) { c.mlp_hidden = (int64_t{1} << 20) + 1; }},
      {"classes", [](VitConfig& c) { c.classes = INT64_MAX; }},
      {"image_size 225 is not a multiple of patch_size 16", [](VitConfig& c) { c.image_size = 225; }},
      {"width 192 is not a multiple of heads 5", [](VitConfig& c) { c.heads = 5; }},
      {"layer_norm_eps", [](VitConfig& c) { c.layer_norm_eps = 0; }},
      {"layer_norm_eps", [](VitConfig& c) { c.layer_norm_eps = 2; }},
  };
  for (const auto& [text, breakage] : cases) {
    VitConfig config;
    breakage(config);
    const Status status = Validate(config);
    ASSERT_FALSE(status.ok()) << text;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(status.error().message, HasSubstr(text));
  }
}

}  // namespace
}  // namespace ptq::vit
