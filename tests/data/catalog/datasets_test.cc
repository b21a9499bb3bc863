#include "data/catalog/datasets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ptq::data {
namespace {

using ::testing::HasSubstr;

constexpr char kOwnDataset[] = R"([[dataset]]
name = "flowers"
kind = "class_folders"
role = "evaluation"
root = "flowers/test"
classes = 102
)";

DatasetCatalog Shipped() {
  Result<DatasetCatalog> catalog = ReadDatasetCatalog("data/datasets.toml");
  EXPECT_TRUE(catalog.ok()) << catalog.error().message;
  return std::move(catalog).value();
}

std::string FaultsOf(const std::string& text) {
  const Result<DatasetCatalog> catalog = ParseDatasetCatalog(text, "d.toml");
  return catalog.ok() ? "" : catalog.error().message;
}

TEST(DatasetsTest, AnOwnEntryNeedsNoCode) {
  const Result<DatasetCatalog> catalog = ParseDatasetCatalog(kOwnDataset, "d.toml");
  ASSERT_TRUE(catalog.ok()) << catalog.error().message;
  const DatasetEntry entry = *catalog->Find("flowers");
  EXPECT_EQ(entry.title, "flowers");
  EXPECT_EQ(entry.kind, DatasetKind::kClassFolders);
  EXPECT_EQ(entry.role, DatasetRole::kEvaluation);
  EXPECT_EQ(entry.root, "flowers/test");
  EXPECT_EQ(entry.count, 0);
  EXPECT_EQ(entry.classes, 102);
  EXPECT_EQ(entry.resize, "model");
  EXPECT_TRUE(entry.apply_exif_orientation);
  EXPECT_EQ(entry.manifest_sha256, "");
}

TEST(DatasetsTest, AllFaultsAtOnceWithTheNearestKey) {
  EXPECT_EQ(FaultsOf(R"([[dataset]]
name = "a"
kind = "class_folder"
role = "test"
root = "/data"
classes = 0
count = 0
resize = "none"
manifest_sha256 = "12"
clases = 3
)"),
            R"(d.toml:3:8: 'kind' is 'class_folder'; it must be one of image_list, class_folders, imagenet_flat, )"
            R"(cifar10, cifar100, embedded; did you mean 'class_folders'?
d.toml:4:8: 'role' is 'test'; it must be one of calibration, evaluation, train
d.toml:5:8: 'root' is '/data'; it must be relative to the data root, so it may not begin with '/'
d.toml:6:11: 'classes' is 0; it must lie in 1..1048576
d.toml:7:9: 'count' is 0; it must lie in 1..1099511627776
d.toml:8:10: 'resize' is 'none'; it must be one of model, crop_only
d.toml:9:19: 'manifest_sha256' is '12'; it must be 64 digits of 0-9 and a-f
d.toml:10:1: unknown key 'clases' in [[dataset]]; did you mean 'classes'?)");
}

TEST(DatasetsTest, KeysThatTheKindHasNoUseForAreFaults) {
  EXPECT_THAT(FaultsOf(std::string(kOwnDataset) + "split = 'test'\n"),
              HasSubstr("d.toml:7:9: 'split' has no meaning here"));
  EXPECT_THAT(FaultsOf(std::string(kOwnDataset) + "labels = 'labels.txt'\n"),
              HasSubstr("d.toml:7:10: 'labels' has no meaning here"));
  EXPECT_THAT(FaultsOf("[[dataset]]\nname='e'\nkind='embedded'\nrole='train'\nclasses=10\nroot='x'\nsplit='val'\n"),
              HasSubstr("d.toml:6:6: 'root' has no meaning here"));
  EXPECT_THAT(FaultsOf("[[dataset]]\nname='c'\nkind='cifar10'\nrole='train'\nclasses=10\nroot='x'\n"),
              HasSubstr("lacks the key 'split'"));
  EXPECT_THAT(FaultsOf("[[dataset]]\nname='i'\nkind='imagenet_flat'\nrole='evaluation'\nclasses=10\nroot='x'\n"),
              HasSubstr("lacks the key 'labels'"));
}

TEST(DatasetsTest, NamesAreUnique) {
  EXPECT_EQ(FaultsOf(std::string(kOwnDataset) + kOwnDataset),
            "d.toml:8:8: the data set of line 2 is called 'flowers' too");
  const DatasetCatalog own = *ParseDatasetCatalog(kOwnDataset, "d.toml");
  const Result<DatasetCatalog> merged = Merge(Shipped(), own);
  ASSERT_TRUE(merged.ok());
  EXPECT_TRUE(merged->Find("flowers").ok());
  EXPECT_EQ(Merge(*merged, own).error().code, ErrorCode::kInvalidArgument);
}

TEST(DatasetsTest, UnknownNameGivesTheNearest) {
  const Result<DatasetEntry> found = Shipped().Find("imagenet_vall");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(found.error().message, HasSubstr("did you mean 'imagenet_val'?"));
}

TEST(DatasetsTest, ShippedEntriesAreWhatTheyAreCalled) {
  const DatasetCatalog catalog = Shipped();
  const DatasetEntry val = *catalog.Find("imagenet_val");
  EXPECT_EQ(val.kind, DatasetKind::kImageNetFlat);
  EXPECT_EQ(val.title, "ImageNet");
  EXPECT_EQ(val.count, 50000);
  EXPECT_EQ(val.labels, "imagenet_val_labels.txt");
  EXPECT_FALSE(val.apply_exif_orientation);
  const DatasetEntry subset = *catalog.Find("imagenet_val1300");
  EXPECT_EQ(subset.kind, DatasetKind::kImageList);
  EXPECT_EQ(subset.labels, "labels.txt");
  EXPECT_EQ(subset.resize, "crop_only");
  EXPECT_EQ(subset.count, 1300);
  EXPECT_NE(subset.title, "ImageNet");
  EXPECT_EQ(catalog.Find("imagenet_calib1000")->role, DatasetRole::kCalibration);
  EXPECT_EQ(catalog.Find("cifar100_test")->split, "test");
  EXPECT_EQ(catalog.Find("cifar100_test")->classes, 100);
  EXPECT_EQ(catalog.Find("embedded_train")->role, DatasetRole::kTrain);
  for (const DatasetEntry& entry : catalog.datasets) {
    EXPECT_FALSE(entry.source.empty()) << entry.name;
    EXPECT_GT(entry.count, 0) << entry.name;
    EXPECT_EQ(entry.source.find('\n'), std::string::npos) << entry.name;
  }
}

TEST(DatasetsTest, EveryKindAndRoleHasItsOwnName) {
  EXPECT_STREQ(Name(DatasetKind::kImageList), "image_list");
  EXPECT_STREQ(Name(DatasetKind::kClassFolders), "class_folders");
  EXPECT_STREQ(Name(DatasetKind::kImageNetFlat), "imagenet_flat");
  EXPECT_STREQ(Name(DatasetKind::kCifar10), "cifar10");
  EXPECT_STREQ(Name(DatasetKind::kCifar100), "cifar100");
  EXPECT_STREQ(Name(DatasetKind::kEmbedded), "embedded");
  EXPECT_STREQ(Name(DatasetRole::kCalibration), "calibration");
  EXPECT_STREQ(Name(DatasetRole::kEvaluation), "evaluation");
  EXPECT_STREQ(Name(DatasetRole::kTrain), "train");
}

}  // namespace
}  // namespace ptq::data
