#include "data/catalog/models.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "data/files/file_io.h"

namespace ptq::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kOwnModel[] = R"([[model]]
name = "mine"
image_size = 64
patch_size = 8
width = 96
depth = 2
heads = 3
mlp_hidden = 192
classes = 7
distilled = true
layer_norm_eps = 1e-5
preprocessing = { resize = 72, interpolation = "bilinear", mean = [0, 0.5, 1], std = [1, 0.5, 0.25] }
weights = ["/home/me/mine.pth", "models/mine.safetensors"]
sha256 = ["0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "fedcba98"]
source = "trained at home"
reference_top1 = 71
reference_source = "my own run"
)";

ModelCatalog Shipped() {
  Result<ModelCatalog> catalog = ReadModelCatalog("data/models.toml");
  EXPECT_TRUE(catalog.ok()) << catalog.error().message;
  return std::move(catalog).value();
}

std::string Replaced(std::string text, const std::string& old_part, const std::string& new_part) {
  const size_t at = text.find(old_part);
  EXPECT_NE(at, std::string::npos) << old_part;
  return text.replace(at, old_part.size(), new_part);
}

std::string FaultsOf(const std::string& text) {
  const Result<ModelCatalog> catalog = ParseModelCatalog(text, "m.toml");
  return catalog.ok() ? "" : catalog.error().message;
}

TEST(ModelsTest, AnOwnEntryNeedsNoCode) {
  const Result<ModelCatalog> catalog = ParseModelCatalog(kOwnModel, "m.toml");
  ASSERT_TRUE(catalog.ok()) << catalog.error().message;
  const Result<ModelEntry> found = catalog->Find("mine");
  ASSERT_TRUE(found.ok());
  const ModelEntry& model = *found;
  EXPECT_EQ(model.title, "mine");
  EXPECT_EQ(vit::ToString(model.config),
            "image 64, patch 8, channels 3, width 96, depth 2, heads 3, mlp hidden 192, classes 7, distilled");
  EXPECT_EQ(model.config.layer_norm_eps, 1e-5);
  EXPECT_EQ(model.preprocessing.resize, 72);
  EXPECT_EQ(model.preprocessing.crop, 64);
  EXPECT_EQ(model.preprocessing.interpolation, Interpolation::kBilinear);
  EXPECT_THAT(model.preprocessing.mean, ElementsAre(0, 0.5F, 1));
  EXPECT_THAT(model.preprocessing.std, ElementsAre(1, 0.5F, 0.25F));
  EXPECT_THAT(model.weights, ElementsAre("/home/me/mine.pth", "models/mine.safetensors"));
  EXPECT_EQ(model.sha256.size(), 2U);
  EXPECT_EQ(model.reference_top1, 71.0);
  EXPECT_FALSE(model.embedded);
}

TEST(ModelsTest, AllFaultsAtOnceWithTheNearestKey) {
  std::string text = kOwnModel;
  text = Replaced(text, "patch_size = 8", "patch_size = 7\ndropout = 0.1");
  text = Replaced(text, "distilled = true", "distiled = true");
  text = Replaced(text, "\"bilinear\"", "\"bicubik\"");
  text = Replaced(text, "\"fedcba98\"", "\"FEDCBA98\"");
  text = Replaced(text, "\"/home/me/mine.pth\"", "\"../mine.pth\"");
  text = Replaced(text, "reference_source", "reference_sauce");
  EXPECT_EQ(FaultsOf(text),
            R"(m.toml:1:1: image_size 64 is not a multiple of patch_size 7
m.toml:1:1: [[model]] lacks the key 'reference_source'
m.toml:5:1: unknown key 'dropout' in [[model]]; its keys are classes, depth, distilled, embedded, float_reference, heads, image_size, )"
            R"(layer_norm_eps, licence, mlp_hidden, name, patch_size, preprocessing, reference_source, )"
            R"(reference_top1, sha256, source, title, weights, width
m.toml:11:1: unknown key 'distiled' in [[model]]; did you mean 'distilled'?
m.toml:13:48: 'interpolation' is 'bicubik'; it must be one of bicubic, bilinear; did you mean 'bicubic'?
m.toml:14:12: 'weights' is '../mine.pth'; a path here may not hold '..'
m.toml:15:79: 'sha256' is 'FEDCBA98'; it must be 8 to 64 digits of 0-9 and a-f
m.toml:18:1: unknown key 'reference_sauce' in [[model]]; did you mean 'reference_source'?)");
}

TEST(ModelsTest, AFloatReferenceBelongsToOneDataSet) {
  const std::string reference =
      "[[model.float_reference]]\ndataset = \"mine_test\"\ntop1 = 70.5\ntolerance = 0.2\nsource = \"my run\"\n";
  const ModelEntry model = ParseModelCatalog(kOwnModel + reference, "m.toml")->models[0];
  ASSERT_EQ(model.float_references.size(), 1U);
  EXPECT_EQ(model.float_references[0].dataset, "mine_test");
  EXPECT_EQ(model.float_references[0].top1, 70.5);
  EXPECT_EQ(model.float_references[0].tolerance, 0.2);
  EXPECT_THAT(FaultsOf(kOwnModel + reference + reference), HasSubstr("'mine_test' has a float_reference already"));
  EXPECT_THAT(FaultsOf(kOwnModel + Replaced(reference, "tolerance = 0.2\n", "")), HasSubstr("'tolerance'"));
}

TEST(ModelsTest, CropAndImageSizeAgree) {
  EXPECT_THAT(FaultsOf(Replaced(kOwnModel, "resize = 72", "resize = 72, crop = 56")),
              HasSubstr("m.toml:12:39: 'crop' is 56, but the model's image_size is 64"));
}

TEST(ModelsTest, EmbeddedWeightsLieInTheProject) {
  EXPECT_THAT(FaultsOf(Replaced(kOwnModel, "distilled = true", "embedded = true")),
              HasSubstr("'weights' is '/home/me/mine.pth'; it must be relative"));
}

TEST(ModelsTest, NamesAreUnique) {
  EXPECT_EQ(FaultsOf(std::string(kOwnModel) + kOwnModel), "m.toml:19:8: the model of line 2 is called 'mine' too");
  const ModelCatalog own = *ParseModelCatalog(kOwnModel, "m.toml");
  const Result<ModelCatalog> merged = Merge(Shipped(), own);
  ASSERT_TRUE(merged.ok());
  EXPECT_TRUE(merged->Find("mine").ok());
  EXPECT_TRUE(merged->Find("micro_vit").ok());
  const Result<ModelCatalog> twice = Merge(*merged, own);
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(twice.error().message, HasSubstr("'mine'"));
}

TEST(ModelsTest, UnknownNameGivesTheNearest) {
  const Result<ModelEntry> found = Shipped().Find("deit_tiny_patch16_225");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(found.error().message, HasSubstr("did you mean 'deit_tiny_patch16_224'?"));
}

TEST(ModelsTest, HashesMatchWholeOrByTheirFirstDigits) {
  const ModelEntry model = *ParseModelCatalog(kOwnModel, "m.toml")->Find("mine");
  EXPECT_TRUE(AcceptsSha256(model, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
  EXPECT_TRUE(AcceptsSha256(model, "fedcba98" + std::string(56, '0')));
  EXPECT_FALSE(AcceptsSha256(model, "fedcba90" + std::string(56, '0')));
  EXPECT_TRUE(AcceptsSha256(ModelEntry(), std::string(64, '0')));
}

TEST(ModelsTest, AbsentFileIsNotFound) {
  EXPECT_EQ(ReadModelCatalog("data/no_such.toml").error().code, ErrorCode::kNotFound);
}

// Parameter counts: DeiT and ViT at 224 from the DeiT and ViT papers' code (timm's model.num_parameters()); they fix
// width, depth, heads' class count, patch size, image size and the distillation token at once.
TEST(ModelsTest, ShippedGeometryHasThePublishedParameterCounts) {
  const ModelCatalog catalog = Shipped();
  const std::map<std::string, double> millions = {
      // timm results/results-imagenet.csv, column param_count
      {"deit_tiny_patch16_224", 5.72},
      {"deit_small_patch16_224", 22.05},
      {"deit_base_patch16_224", 86.57},
      {"deit_base_patch16_384", 86.86},
      {"deit_tiny_distilled_patch16_224", 5.91},
      {"deit_small_distilled_patch16_224", 22.44},
      {"deit_base_distilled_patch16_224", 87.34},
      {"deit_base_distilled_patch16_384", 87.63},
      {"vit_tiny_patch16_224", 5.72},
      {"vit_tiny_patch16_384", 5.79},
      {"vit_small_patch16_224", 22.05},
      {"vit_small_patch16_384", 22.20},
      {"vit_small_patch32_224", 22.88},
      {"vit_small_patch32_384", 22.92},
      {"vit_base_patch16_224", 86.57},
      {"vit_base_patch16_384", 86.86},
      {"vit_base_patch32_224", 88.22},
      {"vit_base_patch32_384", 88.30},
      {"vit_large_patch16_224", 304.33},
      {"vit_large_patch16_384", 304.72},
      {"vit_large_patch32_384", 306.63},
  };
  for (const auto& [name, count] : millions) {
    const Result<ModelEntry> model = catalog.Find(name);
    ASSERT_TRUE(model.ok()) << model.error().message;
    EXPECT_NEAR(static_cast<double>(vit::ParameterCount(model->config)) / 1e6, count, 0.0051) << name;
  }
  EXPECT_EQ(vit::ParameterCount(catalog.Find("deit_tiny_patch16_224")->config), 5717416);
}

TEST(ModelsTest, ShippedEntriesSayWhereToGetTheFile) {
  for (const ModelEntry& model : Shipped().models) {
    EXPECT_FALSE(model.source.empty()) << model.name;
    EXPECT_FALSE(model.weights.empty()) << model.name;
    EXPECT_EQ(model.config.heads * 64 == model.config.width || model.embedded, true) << model.name;
    EXPECT_EQ(model.config.layer_norm_eps, 1e-6) << model.name;
    EXPECT_EQ(model.preprocessing.crop, model.config.image_size) << model.name;
    EXPECT_TRUE(model.preprocessing.resize == 0 || model.preprocessing.resize >= model.preprocessing.crop);
  }
}

TEST(ModelsTest, ShippedPreprocessingIsThePublishedOne) {
  const ModelCatalog catalog = Shipped();
  EXPECT_EQ(catalog.Find("deit_tiny_patch16_224")->preprocessing.resize, 256);
  EXPECT_EQ(catalog.Find("deit_base_patch16_384")->preprocessing.resize, 384);
  EXPECT_EQ(catalog.Find("vit_base_patch16_224")->preprocessing.resize, 248);
  EXPECT_THAT(catalog.Find("deit_tiny_patch16_224")->preprocessing.mean, ElementsAre(0.485F, 0.456F, 0.406F));
  EXPECT_THAT(catalog.Find("vit_base_patch16_224")->preprocessing.std, ElementsAre(0.5F, 0.5F, 0.5F));
}

// The titles under which results/published/liu2021_table1.csv is matched stand for that paper's checkpoints alone.
TEST(ModelsTest, PublishedTitlesBelongToThePapersCheckpoints) {
  std::map<std::string, std::set<std::string>> names;
  for (const ModelEntry& model : Shipped().models) {
    names[model.title].insert(model.name);
  }
  EXPECT_THAT(names["DeiT-S"], ElementsAre("deit_small_patch16_224"));
  EXPECT_THAT(names["DeiT-B"], ElementsAre("deit_base_patch16_224"));
  EXPECT_THAT(names["ViT-B"], ElementsAre("vit_base_patch16_384_cifar10", "vit_base_patch16_384_cifar100",
                                          "vit_base_patch16_384_in1k"));
  EXPECT_THAT(names["ViT-L"], ElementsAre("vit_large_patch16_384_cifar10", "vit_large_patch16_384_cifar100",
                                          "vit_large_patch16_384_in1k"));
}

}  // namespace
}  // namespace ptq::data
