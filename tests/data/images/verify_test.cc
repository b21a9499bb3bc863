#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/files/sha256.h"
#include "data/images/dataset.h"
#include "tests/data/images/data_folder.h"

namespace ptq::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Two files that are never decoded: verification reads bytes.
class VerifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.Write("some/photos/labels.txt", "a.jpg 0\nb.jpg 1\n");
    folder_.Write("some/photos/a.jpg", "first");
    folder_.Write("some/photos/b.jpg", "second");
    entry_.name = "photos";
    entry_.kind = DatasetKind::kImageList;
    entry_.root = "some/photos";
    entry_.count = 2;
    entry_.classes = 2;
    entry_.source = "ask the photographer";
  }
  VerifyReport Verify() {
    const Result<VerifyReport> report = VerifyDataset(entry_, folder_.root());
    EXPECT_TRUE(report.ok()) << report.error().ToString();
    return report.ok() ? *report : VerifyReport{};
  }
  static std::string Line(const std::string& bytes, const std::string& name) {
    return Sha256(bytes) + "  " + name + "\n";
  }

  DataFolder folder_{"verify_test"};
  DatasetEntry entry_;
};

TEST_F(VerifyTest, FindsNothingWrongWithAGoodFolder) {
  entry_.manifest_sha256 = Sha256("a.jpg 0\nb.jpg 1\n");
  const VerifyReport report = Verify();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.manifest_sha256, entry_.manifest_sha256);
  EXPECT_EQ(report.files_checked, 0);
}

TEST_F(VerifyTest, ComparesTheManifest) {
  entry_.manifest_sha256 = Sha256("a.jpg 1\nb.jpg 1\n");
  EXPECT_THAT(Verify().problems, ElementsAre(HasSubstr("not the declared " + entry_.manifest_sha256)));
}

TEST_F(VerifyTest, ComparesListedFilesBelowTheRootOnly) {
  // In the data root, with files of others, which are neither checked nor missed.
  folder_.Write("SHA256SUMS", Line("first", "some/photos/a.jpg") + Line("other", "some/photos/b.jpg") +
                                  Line("x", "some/photos2/c.jpg") + Line("x", "d.jpg") +
                                  Line("gone", "./some/photos/e.jpg") + Line("x", "some/photos/../f.jpg"));
  const VerifyReport report = Verify();
  EXPECT_EQ(report.files_checked, 3);
  EXPECT_THAT(report.problems, ElementsAre(HasSubstr("b.jpg: the file's SHA-256 is " + Sha256("second")),
                                           HasSubstr("e.jpg: there is no such file")));
}

TEST_F(VerifyTest, TheNearestListCounts) {
  folder_.Write("SHA256SUMS", Line("wrong", "some/photos/a.jpg"));
  folder_.Write("some/photos/SHA256SUMS", Line("first", "a.jpg") + Line("second", "b.jpg"));
  const VerifyReport report = Verify();
  EXPECT_EQ(report.files_checked, 2);
  EXPECT_THAT(report.problems, IsEmpty());
}

TEST_F(VerifyTest, ManyProblemsAreCounted) {
  std::string sums;
  for (int i = 0; i < 50; ++i) sums += Line("x", "some/photos/missing" + std::to_string(i));
  folder_.Write("SHA256SUMS", sums);
  const VerifyReport report = Verify();
  EXPECT_EQ(report.files_checked, 50);
  ASSERT_EQ(report.problems.size(), 21U);
  EXPECT_THAT(report.problems.back(), HasSubstr("30 more files are missing or differ"));
}

TEST_F(VerifyTest, AWrongFolderIsAProblemAnAbsentOneAnError) {
  entry_.count = 3;
  folder_.Write("SHA256SUMS", Line("second", "some/photos/b.jpg"));
  const VerifyReport report = Verify();
  EXPECT_EQ(report.manifest_sha256, "");
  EXPECT_EQ(report.files_checked, 1);
  EXPECT_THAT(report.problems, ElementsAre(HasSubstr("must hold 3 pictures, here are 2; to get it: ask")));
  entry_.root = "elsewhere";
  const Result<VerifyReport> absent = VerifyDataset(entry_, folder_.root());
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, ErrorCode::kNotFound);
}

TEST_F(VerifyTest, ADamagedListIsAnError) {
  folder_.Write("SHA256SUMS", Line("first", "some/photos/a.jpg") + "hello\n");
  const Result<VerifyReport> report = VerifyDataset(entry_, folder_.root());
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(report.error().where, folder_.Path("SHA256SUMS:2"));
}

}  // namespace
}  // namespace ptq::data
