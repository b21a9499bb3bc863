#include "core/vit/parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/testing/tiny_config.h"

namespace ptq::vit {
namespace {

using ::testing::HasSubstr;

TEST(RequiredParametersTest, TinyModelByHand) {
  std::vector<std::string> lines;
  VitConfig config = testing::TinyConfig(true);
  config.depth = 1;
  for (const ParameterShape& parameter : RequiredParameters(config)) {
    lines.push_back(parameter.name + " " + HostTensor{DType::kF32, parameter.shape, nullptr}.ShapeString());
  }
  EXPECT_EQ(lines, (std::vector<std::string>{"cls_token [1, 1, 16]",
                                             "dist_token [1, 1, 16]",
                                             "pos_embed [1, 6, 16]",
                                             "patch_embed.proj.weight [16, 3, 4, 4]",
                                             "patch_embed.proj.bias [16]",
                                             "blocks.0.norm1.weight [16]",
                                             "blocks.0.norm1.bias [16]",
                                             "blocks.0.attn.qkv.weight [48, 16]",
                                             "blocks.0.attn.qkv.bias [48]",
                                             "blocks.0.attn.proj.weight [16, 16]",
                                             "blocks.0.attn.proj.bias [16]",
                                             "blocks.0.norm2.weight [16]",
                                             "blocks.0.norm2.bias [16]",
                                             "blocks.0.mlp.fc1.weight [32, 16]",
                                             "blocks.0.mlp.fc1.bias [32]",
                                             "blocks.0.mlp.fc2.weight [16, 32]",
                                             "blocks.0.mlp.fc2.bias [16]",
                                             "norm.weight [16]",
                                             "norm.bias [16]",
                                             "head.weight [5, 16]",
                                             "head.bias [5]",
                                             "head_dist.weight [5, 16]",
                                             "head_dist.bias [5]"}));
}

class CheckParametersTest : public ::testing::Test {
 protected:
  Error Fault() const {
    const Status status = CheckParameters(config_, tensors_);
    return status.ok() ? Error{ErrorCode::kInternal, "no fault found", ""} : status.error();
  }
  VitConfig config_ = testing::TinyConfig();
  TensorMap tensors_ = testing::RandomParameters(config_);
};

TEST_F(CheckParametersTest, AcceptsWhatTheModelNeeds) {
  EXPECT_TRUE(CheckParameters(config_, tensors_).ok());
  EXPECT_TRUE(CheckParameters(testing::TinyConfig(true), testing::RandomParameters(testing::TinyConfig(true))).ok());
}

TEST_F(CheckParametersTest, AMissingTensorNamesTheNearestInTheFile) {
  tensors_.erase("blocks.1.mlp.fc1.weight");
  EXPECT_EQ(Fault().code, ErrorCode::kNotFound);
  EXPECT_EQ(Fault().message, "tensor 'blocks.1.mlp.fc1.weight' [32, 16] is missing")
      << "names that the model needs themselves are no misspellings of another";
  tensors_ = testing::RandomParameters(config_);
  tensors_["head.wieght"] = tensors_.at("head.weight");
  tensors_.erase("head.weight");
  EXPECT_EQ(Fault().message, "tensor 'head.weight' [5, 16] is missing; the nearest name in the file is 'head.wieght'");
  tensors_.clear();
  EXPECT_EQ(Fault().message, "tensor 'cls_token' [1, 1, 16] is missing");
}

TEST_F(CheckParametersTest, AWrongShapeNamesBothShapes) {
  tensors_["blocks.0.attn.qkv.weight"] = MakeTensor(std::vector<float>(48 * 16), {16, 48});
  EXPECT_EQ(Fault().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(Fault().message, "tensor 'blocks.0.attn.qkv.weight' has shape [16, 48], the model needs [48, 16]");
}

TEST_F(CheckParametersTest, AnotherRankOfTheSameSizeIsAWrongShape) {
  tensors_["head.bias"] = MakeTensor(std::vector<float>(5), {1, 5});
  EXPECT_THAT(Fault().message, HasSubstr("tensor 'head.bias' has shape [1, 5], the model needs [5]"));
}

TEST_F(CheckParametersTest, ASurplusTensorIsNamedWithTheGeometry) {
  tensors_["head_dist.weight"] = tensors_.at("head.weight");
  EXPECT_THAT(Fault().message, HasSubstr("tensor 'head_dist.weight' [5, 16] does not belong to this geometry"));
  EXPECT_THAT(Fault().message, HasSubstr("width 16"));
}

TEST_F(CheckParametersTest, NaNAndInfinityAreNamed) {
  for (const float poison : {std::nanf(""), INFINITY, -INFINITY}) {
    std::vector<float> values = ToFloats(tensors_.at("norm.bias"));
    values[3] = poison;
    tensors_["norm.bias"] = MakeTensor(values, {16});
    EXPECT_EQ(Fault().message, "tensor 'norm.bias' contains a NaN or an infinity");
  }
}

TEST_F(CheckParametersTest, IntegersAreNotWeights) {
  tensors_["norm.bias"] = MakeTensor(std::vector<int32_t>(16), {16});
  EXPECT_EQ(Fault().message, "tensor 'norm.bias' is I32, not floating point");
}

TEST_F(CheckParametersTest, HalfPrecisionIsAccepted) {
  auto bytes = std::make_shared<std::vector<std::byte>>(32);
  tensors_["norm.bias"] = HostTensor{DType::kF16, {16}, bytes};
  EXPECT_TRUE(CheckParameters(config_, tensors_).ok());
}

TEST_F(CheckParametersTest, AnImpossibleGeometryIsRefusedFirst) {
  config_.heads = 3;
  EXPECT_THAT(Fault().message, HasSubstr("width 16 is not a multiple of heads 3"));
}

}  // namespace
}  // namespace ptq::vit
