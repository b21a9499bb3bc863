#include "core/vit/model.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/tiny_model.h"

namespace ptq::vit {
namespace {

using testing::BitEqual;
using ::testing::HasSubstr;
using testing::RandomImages;
using testing::TinyConfig;
using testing::TinyModel;

using Matrix = std::vector<std::vector<double>>;

// The forward pass once more, from the papers: one image, one head at a time, plain loops in double.
class PlainVit {
 public:
  explicit PlainVit(const VitModel& model) : model_(model), config_(model.config()) {}

  std::vector<double> Logits(const at::Tensor& image) const {
    Matrix x = Embed(image);
    for (int64_t block = 0; block < config_.depth; ++block) {
      const std::string path = "blocks." + std::to_string(block);
      Add(x, Linear(Attention(Linear(Norm(x, path + ".norm1"), path + ".attn.qkv")), path + ".attn.proj"));
      Matrix hidden = Linear(Norm(x, path + ".norm2"), path + ".mlp.fc1");
      for (std::vector<double>& row : hidden) {
        for (double& h : row) {
          h = 0.5 * h * (1 + std::erf(h / std::sqrt(2.0)));
        }
      }
      Add(x, Linear(hidden, path + ".mlp.fc2"));
    }
    x = Norm(x, "norm");
    std::vector<double> logits = Linear({x[0]}, "head")[0];
    if (config_.distilled) {
      const std::vector<double> other = Linear({x[1]}, "head_dist")[0];
      for (size_t c = 0; c < logits.size(); ++c) {
        logits[c] = (logits[c] + other[c]) / 2;
      }
    }
    return logits;
  }

 private:
  at::Tensor P(const std::string& name) const { return model_.parameter(name).to(at::kDouble); }

  Matrix Embed(const at::Tensor& image) const {
    const at::Tensor patches =
        at::conv2d(image.unsqueeze(0).to(at::kDouble), P("patch_embed.proj.weight"), P("patch_embed.proj.bias"),
                   at::IntArrayRef{config_.patch_size, config_.patch_size})
            .flatten(2)[0];  // (C, patches)
    std::vector<at::Tensor> tokens;
    tokens.push_back(P("cls_token")[0][0]);
    if (config_.distilled) {
      tokens.push_back(P("dist_token")[0][0]);
    }
    for (int64_t i = 0; i < patches.size(1); ++i) {
      tokens.push_back(patches.select(1, i));
    }
    const at::Tensor positions = P("pos_embed")[0];
    Matrix x;
    for (size_t i = 0; i < tokens.size(); ++i) {
      const at::Tensor token = (tokens[i] + positions[static_cast<int64_t>(i)]).contiguous();
      x.emplace_back(token.data_ptr<double>(), token.data_ptr<double>() + token.numel());
    }
    return x;
  }

  Matrix Linear(const Matrix& x, const std::string& path) const {
    const at::Tensor weight = P(path + ".weight");
    const at::Tensor bias = P(path + ".bias");
    const auto w = weight.accessor<double, 2>();
    const auto b = bias.accessor<double, 1>();
    Matrix y(x.size(), std::vector<double>(weight.size(0)));
    for (size_t i = 0; i < x.size(); ++i) {
      for (int64_t o = 0; o < weight.size(0); ++o) {
        double sum = b[o];
        for (int64_t k = 0; k < weight.size(1); ++k) {
          sum += w[o][k] * x[i][k];
        }
        y[i][o] = sum;
      }
    }
    return y;
  }

  Matrix Norm(const Matrix& x, const std::string& path) const {
    const at::Tensor weight = P(path + ".weight");
    const at::Tensor bias = P(path + ".bias");
    Matrix y = x;
    for (std::vector<double>& row : y) {
      double mean = 0;
      double variance = 0;
      for (const double v : row) {
        mean += v / static_cast<double>(row.size());
      }
      for (const double v : row) {
        variance += (v - mean) * (v - mean) / static_cast<double>(row.size());
      }
      for (size_t c = 0; c < row.size(); ++c) {
        row[c] = (row[c] - mean) / std::sqrt(variance + config_.layer_norm_eps) * weight.data_ptr<double>()[c] +
                 bias.data_ptr<double>()[c];
      }
    }
    return y;
  }

  // qkv rows hold q, k, v, each of all heads in turn.
  Matrix Attention(const Matrix& qkv) const {
    const int64_t d = config_.head_width();
    Matrix merged(qkv.size(), std::vector<double>(config_.width, 0));
    for (int64_t head = 0; head < config_.heads; ++head) {
      const int64_t q = head * d;
      const int64_t k = config_.width + head * d;
      const int64_t v = 2 * config_.width + head * d;
      for (size_t i = 0; i < qkv.size(); ++i) {
        std::vector<double> weights(qkv.size(), 0);
        double total = 0;
        for (size_t j = 0; j < qkv.size(); ++j) {
          double score = 0;
          for (int64_t c = 0; c < d; ++c) {
            score += qkv[i][q + c] * qkv[j][k + c];
          }
          weights[j] = std::exp(score / std::sqrt(static_cast<double>(d)));
          total += weights[j];
        }
        for (size_t j = 0; j < qkv.size(); ++j) {
          for (int64_t c = 0; c < d; ++c) {
            merged[i][head * d + c] += weights[j] / total * qkv[j][v + c];
          }
        }
      }
    }
    return merged;
  }

  static void Add(Matrix& x, const Matrix& y) {
    for (size_t i = 0; i < x.size(); ++i) {
      for (size_t c = 0; c < x[i].size(); ++c) {
        x[i][c] += y[i][c];
      }
    }
  }

  const VitModel& model_;
  const VitConfig config_;
};

class ModelTest : public ::testing::TestWithParam<bool> {
 protected:
  ModelTest() : model_(TinyModel(GetParam())), images_(RandomImages(model_.config(), 6)) {}
  at::Tensor Forward(const at::Tensor& images) const {
    OpEngine engine;
    return model_.Forward(images, engine);
  }
  VitModel model_;
  at::Tensor images_;
};

// Logits are of size 1; float32 with sums of at most 48 products: 1e-5.
TEST_P(ModelTest, EqualsThePlainForwardPass) {
  const at::Tensor logits = Forward(images_);
  ASSERT_EQ(logits.sizes(), (at::IntArrayRef{6, 5}));
  const PlainVit plain(model_);
  for (int64_t i = 0; i < images_.size(0); ++i) {
    const std::vector<double> expected = plain.Logits(images_[i]);
    for (int64_t c = 0; c < 5; ++c) {
      EXPECT_NEAR(logits[i][c].item<double>(), expected[c], 1e-5) << "image " << i << " class " << c;
    }
  }
}

TEST_P(ModelTest, StagesMakeUpForwardBitForBit) {
  OpEngine engine;
  at::Tensor x = model_.Embed(images_, engine);
  EXPECT_EQ(x.sizes(), (at::IntArrayRef{6, model_.config().tokens(), 16}));
  for (int64_t block = 0; block < model_.config().depth; ++block) {
    x = model_.Block(block, x, engine);
  }
  EXPECT_TRUE(BitEqual(model_.Head(x, engine), Forward(images_)));
}

// The library may sum in another order for another shape: 1e-5 on logits of size 1.
TEST_P(ModelTest, BatchOfOneEqualsBatchOfMany) {
  const at::Tensor together = Forward(images_);
  for (int64_t i = 0; i < images_.size(0); ++i) {
    const at::Tensor alone = Forward(images_.narrow(0, i, 1));
    EXPECT_LT((alone[0] - together[i]).abs().max().item<float>(), 1e-5F) << i;
  }
}

TEST_P(ModelTest, TwoThreadsEqualOne) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = Forward(images_);
  at::set_num_threads(2);
  const at::Tensor two = Forward(images_);
  at::set_num_threads(threads);
  EXPECT_LT((one - two).abs().max().item<float>(), 1e-5F);
}

TEST_P(ModelTest, StridedImagesGiveTheSameLogits) {
  const at::Tensor strided = images_.permute({0, 2, 3, 1}).contiguous().permute({0, 3, 1, 2});
  ASSERT_FALSE(strided.is_contiguous());
  EXPECT_TRUE(BitEqual(Forward(strided), Forward(images_)));
}

INSTANTIATE_TEST_SUITE_P(PlainAndDistilled, ModelTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "distilled" : "plain"; });

TEST(DistilledTest, LogitsAreTheMeanOfBothHeads) {
  const VitModel model = TinyModel(true);
  const at::Tensor images = RandomImages(model.config(), 3);
  OpEngine engine;
  const at::Tensor both = model.Forward(images, engine);
  const HostTensor no_weight = MakeTensor(std::vector<float>(5 * 16, 0), {5, 16});
  const HostTensor no_bias = MakeTensor(std::vector<float>(5, 0), {5});
  const VitModel only_class = *model.WithReplaced({{"head_dist.weight", no_weight}, {"head_dist.bias", no_bias}});
  const VitModel only_dist = *model.WithReplaced({{"head.weight", no_weight}, {"head.bias", no_bias}});
  const at::Tensor sum = only_class.Forward(images, engine) + only_dist.Forward(images, engine);
  EXPECT_LT((both - sum).abs().max().item<float>(), 1e-6F);
}

// Hands the operands to the float engine and writes down names and shapes.
class RecordingEngine final : public OpEngine {
 public:
  at::Tensor Linear(const OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    Record(op, input, weight);
    EXPECT_EQ(bias.sizes(), (at::IntArrayRef{weight.size(0)})) << op.name();
    return OpEngine::Linear(op, input, weight, bias);
  }
  at::Tensor MatMul(const OpId& op, const at::Tensor& left, const at::Tensor& right) override {
    Record(op, left, right);
    return OpEngine::MatMul(op, left, right);
  }
  std::vector<std::string> lines;

 private:
  void Record(const OpId& op, const at::Tensor& left, const at::Tensor& right) {
    lines.push_back(op.name() + " " + ::testing::PrintToString(left.sizes().vec()) + " " +
                    ::testing::PrintToString(right.sizes().vec()));
  }
};

TEST(OpEngineTest, SeesEveryOpInOrderWithItsShapes) {
  VitConfig config = TinyConfig(true);
  config.depth = 1;
  RecordingEngine engine;
  testing::RandomModel(config).Forward(RandomImages(config, 3), engine);
  EXPECT_EQ(
      engine.lines,
      (std::vector<std::string>{
          "patch_embed.proj { 3, 4, 48 } { 16, 48 }", "blocks.0.attn.qkv { 3, 6, 16 } { 48, 16 }",
          "blocks.0.attn.qk { 3, 2, 6, 8 } { 3, 2, 8, 6 }", "blocks.0.attn.pv { 3, 2, 6, 6 } { 3, 2, 6, 8 }",
          "blocks.0.attn.proj { 3, 6, 16 } { 16, 16 }", "blocks.0.mlp.fc1 { 3, 6, 16 } { 32, 16 }",
          "blocks.0.mlp.fc2 { 3, 6, 32 } { 16, 32 }", "head { 3, 16 } { 5, 16 }", "head_dist { 3, 16 } { 5, 16 }"}));
}

TEST(CreateTest, PassesTheErrorsOfCheckParameters) {
  TensorMap tensors = testing::RandomParameters(TinyConfig());
  tensors.erase("head.bias");
  EXPECT_THAT(VitModel::Create(TinyConfig(), tensors).error().message, HasSubstr("'head.bias' [5] is missing"));
}

TEST(WithReplacedTest, ReplacesAloneAndLeavesTheOriginal) {
  const VitModel model = TinyModel();
  const auto before = testing::Snapshot(model);
  const HostTensor bias = MakeTensor(std::vector<float>{1, 2, 3, 4, 5}, {5});
  const Result<VitModel> replaced = model.WithReplaced({{"head.bias", bias}});
  ASSERT_TRUE(replaced.ok());
  EXPECT_TRUE(BitEqual(replaced->parameter("head.bias"), at::tensor({1.0F, 2.0F, 3.0F, 4.0F, 5.0F})));
  EXPECT_TRUE(testing::Unchanged(model, before));
  EXPECT_EQ(replaced->parameter("norm.bias").data_ptr(), model.parameter("norm.bias").data_ptr()) << "shared";
}

TEST(WithReplacedTest, RefusesUnknownNamesOtherShapesAndNaN) {
  const VitModel model = TinyModel();
  const HostTensor five = MakeTensor(std::vector<float>(5, 1), {5});
  EXPECT_EQ(model.WithReplaced({{"head.bia", five}}).error().message,
            "the plan replaces 'head.bia', which the model does not have");
  EXPECT_EQ(model.WithReplaced({{"norm.bias", five}}).error().message,
            "the plan's 'norm.bias' has shape [5], the model's is [16]");
  for (const float poison : {std::nanf(""), INFINITY}) {
    const HostTensor bad = MakeTensor(std::vector<float>{1, 2, poison, 4, 5}, {5});
    EXPECT_EQ(model.WithReplaced({{"head.bias", bad}}).error().message,
              "the plan's 'head.bias' contains a NaN or an infinity");
  }
}

TEST(TorchConversionTest, RoundTrips) {
  const at::Tensor x = testing::RandomTensor({2, 3, 4}, 1);
  EXPECT_TRUE(BitEqual(ToTorch(FromTorch(x)), x));
  EXPECT_TRUE(BitEqual(ToTorch(FromTorch(x.transpose(0, 2))), x.transpose(0, 2)));
  EXPECT_EQ(ToTorch(MakeTensor(std::vector<float>{7}, {})).item<float>(), 7);
  EXPECT_EQ(ToTorch(MakeTensor(std::vector<float>{}, {0, 3})).numel(), 0);
  EXPECT_EQ(FromTorch(at::ones({2}, at::kInt)).dtype, DType::kI32);
}

TEST(ModelDeathTest, BugsOfTheCallerAbort) {
  const VitModel model = TinyModel();
  OpEngine engine;
  EXPECT_DEATH(model.parameter("head.weigth"), "head.weigth");
  EXPECT_DEATH(model.Embed(at::zeros({1, 3, 8, 9}), engine), "images \\[0, 3, 8, 9\\]");
}

}  // namespace
}  // namespace ptq::vit
