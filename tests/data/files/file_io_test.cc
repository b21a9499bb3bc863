#include "data/files/file_io.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace ptq::data {
namespace {

namespace fs = std::filesystem;

class FileIoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / "file_io_test";
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  size_t FilesInFolder() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  fs::path folder_;
};

TEST_F(FileIoTest, ReadsBackEveryByte) {
  std::string bytes;
  for (int i = 0; i < 100000; ++i) bytes += static_cast<char>(i * 7);
  ASSERT_TRUE(WriteFileAtomically(Path("a"), bytes).ok());
  const Result<std::string> read = ReadFile(Path("a"));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, bytes);
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "").ok());
  EXPECT_EQ(*ReadFile(Path("a")), "");
}

TEST_F(FileIoTest, ReplacesWithoutLeavingATemporaryFile) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "old").ok());
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "new").ok());
  EXPECT_EQ(*ReadFile(Path("a")), "new");
  EXPECT_EQ(FilesInFolder(), 1U);
}

TEST_F(FileIoTest, GivesUsualPermissions) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "x").ok());
  struct stat info;
  ASSERT_EQ(stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0644U);
}

TEST_F(FileIoTest, FailsWhereTheFolderIsMissing) {
  const Status status = WriteFileAtomically(Path("absent/a"), "x");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_EQ(status.error().where, Path("absent/a"));
}

TEST_F(FileIoTest, LeavesNothingBehindWhereTheRenameFails) {
  fs::create_directories(folder_ / "a");
  ASSERT_FALSE(WriteFileAtomically(Path("a"), "x").ok());
  EXPECT_TRUE(fs::is_directory(folder_ / "a"));
  EXPECT_EQ(FilesInFolder(), 1U);
}

TEST_F(FileIoTest, SaysWhyItCannotRead) {
  EXPECT_EQ(ReadFile(Path("absent")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ReadFile(Path("absent/below")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ReadFile(folder_.string()).error().code, ErrorCode::kIo);
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "12345").ok());
  EXPECT_TRUE(ReadFile(Path("a"), 5).ok());
  const Result<std::string> large = ReadFile(Path("a"), 4);
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(large.error().where, Path("a"));
}

}  // namespace
}  // namespace ptq::data
