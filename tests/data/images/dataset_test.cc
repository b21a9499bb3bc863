#include "data/images/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/embedded/generator.h"
#include "data/files/sha256.h"
#include "data/images/sample_list.h"
#include "tests/data/images/data_folder.h"
#include "tests/data/images/picture_files.h"

namespace ptq::data {
namespace {

using ::testing::HasSubstr;

DatasetEntry Entry(DatasetKind kind, int64_t count, int64_t classes) {
  DatasetEntry entry;
  entry.name = "photos";
  entry.kind = kind;
  entry.root = "photos";
  entry.count = count;
  entry.classes = classes;
  entry.source = "ask the photographer";
  return entry;
}

std::string Photo(int64_t width) { return JpegBytes(Ramp(width, 8), JpegKind::kColour); }

std::string ErrorOf(const DatasetEntry& entry, const DataFolder& folder, ErrorCode code) {
  const auto dataset = OpenDataset(entry, folder.root());
  EXPECT_FALSE(dataset.ok());
  if (dataset.ok()) return "";
  EXPECT_EQ(dataset.error().code, code) << dataset.error().ToString();
  return dataset.error().ToString();
}

TEST(ImageListTest, SamplesAreSortedById) {
  const DataFolder folder("image_list");
  folder.Write("photos/labels.txt", "b b.jpg 1\nB.jpg 2\na/z.jpg 0\n");
  folder.Write("photos/b b.jpg", Photo(10));
  folder.Write("photos/B.jpg", Photo(11));
  folder.Write("photos/a/z.jpg", Photo(12));
  const auto dataset = OpenDataset(Entry(DatasetKind::kImageList, 3, 3), folder.root());
  ASSERT_TRUE(dataset.ok()) << dataset.error().ToString();
  EXPECT_EQ(ManifestText(**dataset), "B.jpg 2\na/z.jpg 0\nb b.jpg 1\n");
  EXPECT_EQ(*ManifestSha256(**dataset), Sha256("B.jpg 2\na/z.jpg 0\nb b.jpg 1\n"));
  EXPECT_EQ((*dataset)->Load(0)->width, 11);
  EXPECT_EQ((*dataset)->Load(2)->width, 10);
}

TEST(ImageListTest, SaysWhatIsMissingAndHowToGetIt) {
  const DataFolder folder("image_list_missing");
  DatasetEntry entry = Entry(DatasetKind::kImageList, 3, 3);
  EXPECT_EQ(ErrorOf(entry, folder, ErrorCode::kNotFound),
            folder.Path("photos") + ": the folder of data set 'photos' is missing; to get it: ask the photographer");
  folder.Write("photos/a.jpg", Photo(8));
  EXPECT_EQ(ErrorOf(entry, folder, ErrorCode::kNotFound),
            folder.Path("photos/labels.txt") +
                ": the label file of data set 'photos' is missing; to get it: ask the photographer");
  folder.Write("photos/labels.txt", "a.jpg 0\nb.jpg 1\nc.jpg 2\n");
  EXPECT_THAT(
      ErrorOf(entry, folder, ErrorCode::kNotFound),
      HasSubstr("2 of the 3 pictures that 'labels.txt' lists are missing, the first is 'b.jpg'; to get it: ask"));
  folder.Write("photos/labels.txt", "a.jpg 0\n");
  EXPECT_THAT(ErrorOf(entry, folder, ErrorCode::kCorrupt), HasSubstr("must hold 3 pictures, here are 1; to get it"));
  folder.Write("photos/labels.txt", "a.jpg 0\na.jpg 1\n");
  EXPECT_THAT(ErrorOf(entry, folder, ErrorCode::kCorrupt), HasSubstr("'a.jpg' is listed twice"));
  entry.count = 0;
  folder.Write("photos/labels.txt", "\n");
  EXPECT_THAT(ErrorOf(entry, folder, ErrorCode::kCorrupt), HasSubstr("holds no pictures"));
  folder.Write("photos/labels.txt", "a.jpg 3\n");
  EXPECT_THAT(ErrorOf(entry, folder, ErrorCode::kCorrupt), HasSubstr("labels.txt:1: class 3 is outside 0..2"));
}

TEST(ImageListTest, AnotherLabelFileMayBeNamedAndExifIsTheEntrysChoice) {
  const DataFolder folder("image_list_exif");
  folder.Write("photos/val.txt", "a.jpg 0\n");
  folder.Write("photos/a.jpg", WithExifOrientation(Photo(20), 6, true));
  DatasetEntry entry = Entry(DatasetKind::kImageList, 1, 1);
  entry.labels = "val.txt";
  EXPECT_EQ((*OpenDataset(entry, folder.root()))->Load(0)->width, 8);
  entry.apply_exif_orientation = false;
  EXPECT_EQ((*OpenDataset(entry, folder.root()))->Load(0)->width, 20);
}

TEST(ImageListTest, ADamagedPictureIsAnErrorOfItsOwnLoad) {
  const DataFolder folder("image_list_damaged");
  folder.Write("photos/labels.txt", "a.jpg 0\nb.jpg 0\n");
  folder.Write("photos/a.jpg", Photo(20).substr(0, 400));
  folder.Write("photos/b.jpg", Photo(20));
  const auto dataset = OpenDataset(Entry(DatasetKind::kImageList, 2, 1), folder.root());
  ASSERT_TRUE(dataset.ok());
  EXPECT_EQ((*dataset)->Load(0).error().where, folder.Path("photos/a.jpg"));
  EXPECT_TRUE((*dataset)->Load(1).ok());
}

TEST(ClassFoldersTest, FoldersAreNumberedByTheirNames) {
  const DataFolder folder("class_folders");
  folder.Write("photos/n02/x.JPEG", Photo(8));
  folder.Write("photos/n01/b.png", "");
  folder.Write("photos/n01/a.jpg", Photo(9));
  folder.Write("photos/n01/.hidden.jpg", "");
  folder.Write("photos/n01/notes.txt", "");
  folder.Write("photos/.cache/c.jpg", "");
  folder.Write("photos/readme.txt", "");
  DatasetEntry entry = Entry(DatasetKind::kClassFolders, 3, 2);
  const auto dataset = OpenDataset(entry, folder.root());
  ASSERT_TRUE(dataset.ok()) << dataset.error().ToString();
  EXPECT_EQ(ManifestText(**dataset), "n01/a.jpg 0\nn01/b.png 0\nn02/x.JPEG 1\n");
  EXPECT_EQ((*dataset)->Load(0)->width, 9);
  entry.classes = 1000;
  EXPECT_THAT(ErrorOf(entry, folder, ErrorCode::kCorrupt),
              HasSubstr("holds 2 class folders, but data set 'photos' has 1000 classes; to get it"));
}

TEST(ImageNetFlatTest, LabelsFollowTheOrderOfNames) {
  const DataFolder folder("imagenet_flat");
  folder.Write("photos/ILSVRC2012_val_00000002.JPEG", Photo(9));
  folder.Write("photos/ILSVRC2012_val_00000001.JPEG", Photo(8));
  folder.Write("photos/other.JPEG", Photo(8));
  folder.Write("photos/classes.txt", "7\n3\n");
  DatasetEntry entry = Entry(DatasetKind::kImageNetFlat, 2, 1000);
  EXPECT_THAT(ErrorOf(entry, folder, ErrorCode::kInvalidArgument), HasSubstr("names no label file"));
  entry.labels = "classes.txt";
  const auto dataset = OpenDataset(entry, folder.root());
  ASSERT_TRUE(dataset.ok()) << dataset.error().ToString();
  EXPECT_EQ(ManifestText(**dataset), "ILSVRC2012_val_00000001.JPEG 7\nILSVRC2012_val_00000002.JPEG 3\n");
  EXPECT_EQ((*dataset)->Load(1)->width, 9);
  folder.Write("photos/classes.txt", "7\n3\n1\n");
  EXPECT_THAT(ErrorOf(entry, folder, ErrorCode::kCorrupt), HasSubstr("has 3 lines, but the folder holds 2 pictures"));
  folder.Write("photos/classes.txt", "7\n1000\n");
  EXPECT_THAT(ErrorOf(entry, folder, ErrorCode::kCorrupt), HasSubstr("classes.txt:2: class 1000 is outside 0..999"));
}

// One record: `header`, then planes whose bytes are 1, 2, 3 with `mark` as the first red byte.
std::string CifarRecord(const std::string& header, char mark) {
  std::string record = header + std::string(1024, '\1') + std::string(1024, '\2') + std::string(1024, '\3');
  record[header.size()] = mark;
  return record;
}

TEST(CifarTest, TenClassesFromFiveFiles) {
  const DataFolder folder("cifar10");
  for (int i = 1; i <= 5; ++i) {
    folder.Write("photos/data_batch_" + std::to_string(i) + ".bin",
                 CifarRecord({static_cast<char>(i)}, static_cast<char>(10 * i)) + CifarRecord({'\0'}, 'x'));
  }
  DatasetEntry entry = Entry(DatasetKind::kCifar10, 10, 10);
  entry.split = "train";
  const auto dataset = OpenDataset(entry, folder.root());
  ASSERT_TRUE(dataset.ok()) << dataset.error().ToString();
  EXPECT_EQ((*dataset)->samples()[8].id, "train/00008");
  EXPECT_EQ((*dataset)->samples()[8].label, 5);
  EXPECT_EQ((*dataset)->samples()[9].label, 0);
  const Image image = *(*dataset)->Load(8);
  EXPECT_EQ(image.width, 32);
  EXPECT_EQ(image.height, 32);
  ASSERT_EQ(image.pixels.size(), 3072U);
  EXPECT_EQ((std::vector<uint8_t>(image.pixels.begin(), image.pixels.begin() + 6)),
            (std::vector<uint8_t>{50, 2, 3, 1, 2, 3}));
}

TEST(CifarTest, AHundredClassesByTheFineLabel) {
  const DataFolder folder("cifar100");
  folder.Write("photos/test.bin", CifarRecord({'\4', '\x63'}, 'a') + CifarRecord({'\5', '\7'}, 'b'));
  DatasetEntry entry = Entry(DatasetKind::kCifar100, 2, 100);
  entry.split = "test";
  const auto dataset = OpenDataset(entry, folder.root());
  ASSERT_TRUE(dataset.ok()) << dataset.error().ToString();
  EXPECT_EQ(ManifestText(**dataset), "test/00000 99\ntest/00001 7\n");
  EXPECT_EQ((*dataset)->Load(1)->pixels[0], 'b');
}

TEST(CifarTest, WrongFilesAreNamed) {
  const DataFolder folder("cifar_wrong");
  DatasetEntry entry = Entry(DatasetKind::kCifar10, 2, 10);
  entry.split = "test";
  folder.Write("photos/readme.html", "");
  EXPECT_EQ(ErrorOf(entry, folder, ErrorCode::kNotFound),
            folder.Path("photos/test_batch.bin") +
                ": a file of data set 'photos' is missing; to get it: ask the photographer");
  folder.Write("photos/test_batch.bin", CifarRecord({'\1'}, 'a') + "x");
  EXPECT_THAT(ErrorOf(entry, folder, ErrorCode::kCorrupt), HasSubstr("3074 bytes, not whole records of 3073"));
  folder.Write("photos/test_batch.bin", "");
  EXPECT_THAT(ErrorOf(entry, folder, ErrorCode::kCorrupt), HasSubstr("0 bytes"));
  folder.Write("photos/test_batch.bin", CifarRecord({'\1'}, 'a'));
  EXPECT_THAT(ErrorOf(entry, folder, ErrorCode::kCorrupt), HasSubstr("must hold 2 pictures, here are 1"));
  folder.Write("photos/test_batch.bin", CifarRecord({'\1'}, 'a') + CifarRecord({'\12'}, 'a'));
  EXPECT_THAT(ErrorOf(entry, folder, ErrorCode::kCorrupt), HasSubstr("record 1 has class 10, outside 0..9"));
  entry.split = "validation";
  EXPECT_THAT(ErrorOf(entry, folder, ErrorCode::kInvalidArgument), HasSubstr("'validation'"));
}

TEST(EmbeddedTest, IsTheGeneratorsPictures) {
  DatasetEntry entry = Entry(DatasetKind::kEmbedded, 2000, kEmbeddedClasses);
  entry.split = "calibration";
  const auto dataset = OpenDataset(entry, "/no/such/folder");
  ASSERT_TRUE(dataset.ok()) << dataset.error().ToString();
  const EmbeddedSample expected = DrawEmbedded("calibration", 1234);
  EXPECT_EQ((*dataset)->samples()[1234].id, "calibration/01234");
  EXPECT_EQ((*dataset)->samples()[1234].label, expected.label);
  EXPECT_EQ((*dataset)->Load(1234)->pixels, expected.image.pixels);
  entry.count = 1999;
  EXPECT_FALSE(OpenDataset(entry, "").ok());
  entry.split = "validation";
  EXPECT_EQ(OpenDataset(entry, "").error().code, ErrorCode::kInvalidArgument);
}

TEST(NumberedIdTest, TheOrderOfIdsIsTheOrderOfIndices) {
  EXPECT_EQ(NumberedId("test", 42, 5000), "test/00042");
  EXPECT_EQ(NumberedId("test", 99999, 100000), "test/99999");
  EXPECT_EQ(NumberedId("train", 99999, 100001), "train/099999");
  EXPECT_EQ(NumberedId("train", 100000, 100001), "train/100000");
}

}  // namespace
}  // namespace ptq::data
