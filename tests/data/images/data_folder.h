// data_folder.h: a data root in the test's temporary folder.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "data/files/file_io.h"

namespace ptq::data {

// Empty at first; Write makes the folders that it needs.
class DataFolder {
 public:
  explicit DataFolder(const std::string& name) : root_(std::filesystem::path(::testing::TempDir()) / name) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  std::string root() const { return root_.string(); }
  std::string Path(const std::string& file) const { return (root_ / file).string(); }
  void Write(const std::string& file, const std::string& bytes) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    const Status written = WriteFileAtomically(Path(file), bytes);
    EXPECT_TRUE(written.ok()) << written.error().ToString();
  }

 private:
  std::filesystem::path root_;
};

}  // namespace ptq::data
