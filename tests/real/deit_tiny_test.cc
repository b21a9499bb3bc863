// The real DeiT-Tiny against tensors that timm and PyTorch 1.13.1 made (their metadata names the generators).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "core/vit/model.h"
#include "data/images/batch_stream.h"
#include "data/images/dataset.h"
#include "data/weights/checkpoint.h"
#include "data/weights/safetensors.h"

namespace ptq {
namespace {

// Logits are of size 10; BLAS kernels that sum in another order differ by up to 6e-5.
constexpr double kTolerance = 5e-4;

double MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

// Keeps the product of the patch embedding, before class token and positions.
class PatchEngine final : public vit::OpEngine {
 public:
  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    at::Tensor output = OpEngine::Linear(op, input, weight, bias);
    if (op.kind == vit::OpKind::kPatchEmbed) {
      patches = output;
    }
    return output;
  }
  at::Tensor patches;
};

class DeitTinyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* shared = std::getenv("PTQBENCH_SHARED");
    if (shared == nullptr) {
      GTEST_SKIP() << "PTQBENCH_SHARED is not set: no real DeiT-Tiny to compare";
    }
    shared_ = shared;
    const vit::VitConfig config;
    const Result<vit::TensorMap> weights =
        data::ReadCheckpoint(shared_ + "/data/models/deit_tiny_patch16_224.safetensors", config);
    ASSERT_TRUE(weights.ok()) << weights.error().ToString();
    model_.emplace(vit::VitModel::Create(config, *weights).value());
  }

  data::SafetensorsFile ReadGolden(const std::string& name) const {
    return data::ReadSafetensors(shared_ + "/reference/golden/" + name).value();
  }

  const at::NoGradGuard no_grad_;
  std::string shared_;
  std::optional<vit::VitModel> model_;
};

TEST_F(DeitTinyTest, EveryStageMatchesTimm) {
  const data::SafetensorsFile golden = ReadGolden("deit_tiny_forward.safetensors");
  const auto tensor = [&](const char* name) { return vit::ToTorch(golden.tensors.at(name)); };
  PatchEngine engine;
  at::Tensor x = model_->Embed(tensor("input_f32_nchw"), engine);
  const double embedding = MaxDifference(engine.patches, tensor("patch_embed"));
  EXPECT_LT(embedding, 1e-4);
  const at::Tensor blocks = tensor("blocks");
  double worst_block = 0;
  for (int64_t block = 0; block < 12; ++block) {
    x = model_->Block(block, x, engine);
    // Relative to the block's largest value.  The golden patch tokens are float32 sums too: those of the last block lie
    // 7e-5 of the largest value from a pass in float64, ours 8e-6.
    const double difference = MaxDifference(x, blocks[block]) / blocks[block].abs().max().item<double>();
    worst_block = std::max(worst_block, difference);
    EXPECT_LT(difference, 3e-4) << "block " << block;
  }
  const at::Tensor logits = model_->Head(x, engine);
  const double to_f32 = MaxDifference(logits, tensor("logits_f32"));
  const double to_f64 = MaxDifference(logits, tensor("logits_f64"));
  EXPECT_LT(to_f32, kTolerance);
  EXPECT_LT(to_f64, kTolerance);
  std::cout << "largest differences: patch embedding " << embedding << ", blocks " << worst_block
            << " of their largest value, logits " << to_f32 << " (float32), " << to_f64 << " (float64)\n";
}

// From JPEG to logits.  Top-1 of timm on these images is 1050; one image may fall on the other side of a tie.
TEST_F(DeitTinyTest, AllValidationImagesMatchTimm) {
  data::DatasetEntry entry;
  entry.name = "imagenet_val1300";
  entry.kind = data::DatasetKind::kImageList;
  entry.root = "imagenet_val1300";
  entry.labels = "labels.txt";
  entry.count = 1300;
  entry.classes = 1000;
  entry.resize = "crop_only";
  entry.apply_exif_orientation = false;
  const auto dataset = data::OpenDataset(entry, shared_ + "/data");
  ASSERT_TRUE(dataset.ok()) << dataset.error().ToString();
  const at::Tensor expected = vit::ToTorch(ReadGolden("deit_tiny_val1300_logits.safetensors").tensors.at("logits"));
  ASSERT_EQ(static_cast<int64_t>((*dataset)->samples().size()), expected.size(0));

  std::vector<int64_t> indices(expected.size(0));
  std::iota(indices.begin(), indices.end(), 0);
  data::BatchStream stream(**dataset, indices, data::EffectivePreprocessing({}, entry), 20);
  vit::OpEngine engine;
  double worst = 0;
  int64_t correct = 0;
  int64_t same_top1 = 0;
  for (int64_t done = 0; done < expected.size(0);) {
    Result<data::ImageBatch> batch = stream.Next();
    ASSERT_TRUE(batch.ok()) << batch.error().ToString();
    const auto size = static_cast<int64_t>(batch->indices.size());
    ASSERT_GT(size, 0) << "the stream ended after " << done << " images";
    const at::Tensor images = at::from_blob(batch->pixels.data(), {size, 3, 224, 224}, at::kFloat);
    const at::Tensor logits = model_->Forward(images, engine);
    worst = std::max(worst, MaxDifference(logits, expected.narrow(0, done, size)));
    for (int64_t i = 0; i < size; ++i) {
      const auto top1 = logits[i].argmax().item<int64_t>();
      correct += top1 == (*dataset)->samples()[done + i].label ? 1 : 0;
      same_top1 += top1 == expected[done + i].argmax().item<int64_t>() ? 1 : 0;
    }
    done += size;
  }
  EXPECT_LT(worst, kTolerance);
  EXPECT_NEAR(static_cast<double>(correct), 1050, 1);
  EXPECT_GE(same_top1, 1299);
  std::cout << "largest logit difference " << worst << ", top-1 " << correct << " of 1300, same top-1 as timm "
            << same_top1 << "\n";
}

}  // namespace
}  // namespace ptq
