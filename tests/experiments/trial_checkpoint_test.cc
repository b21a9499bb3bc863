#include "experiments/trial_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace ptq::experiments {
namespace {

using ::testing::HasSubstr;

class TrialCheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove(path_);
    std::filesystem::remove(path_ + "-wal");
    std::filesystem::remove(path_ + "-shm");
  }
  results::CheckpointStore Open() { return results::CheckpointStore::Open(path_).value(); }
  TrialCheckpoint Of(results::CheckpointStore* store, const std::string& scope) {
    return TrialCheckpoint(store, scope, "", [this] { return now_; });
  }
  const std::string path_ =
      ::testing::TempDir() + "/" + ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".calibration";
  double now_ = 100;
};

TEST_F(TrialCheckpointTest, TellsWhatFoundPartsHadCost) {
  results::CheckpointStore store = Open();
  {
    TrialCheckpoint first = Of(&store, "s");
    now_ += 1000;  // before the first question: nobody's cost
    EXPECT_FALSE(first.Find("a").value().has_value());
    now_ += 5;
    ASSERT_TRUE(first.Keep("a", "A").ok());
    now_ += 100;  // between two parts: done again by the next run, and measured there
    EXPECT_FALSE(first.Find("b").value().has_value());
    now_ += 7;
    ASSERT_TRUE(first.Keep("b", "B").ok());
    EXPECT_EQ(first.saved_seconds(), 0);
  }
  TrialCheckpoint second = Of(&store, "s");
  EXPECT_EQ(second.Find("a").value(), "A");
  EXPECT_EQ(second.saved_seconds(), 5);
  EXPECT_EQ(second.Find("b").value(), "B");
  EXPECT_EQ(second.saved_seconds(), 12);
}

TEST_F(TrialCheckpointTest, ScopesShareNothing) {
  results::CheckpointStore store = Open();
  ASSERT_TRUE(Of(&store, "s").Keep("a", "A").ok());
  EXPECT_FALSE(Of(&store, "t").Find("a").value().has_value());
  EXPECT_EQ(Of(&store, "s").Find("a").value(), "A");
}

TEST_F(TrialCheckpointTest, WithoutAStoreNothingIsKept) {
  TrialCheckpoint none(nullptr, "s", "");
  ASSERT_TRUE(none.Keep("a", "A").ok());
  EXPECT_FALSE(none.Find("a").value().has_value());
  EXPECT_EQ(none.saved_seconds(), 0);
}

TEST_F(TrialCheckpointTest, RemembersThatTheStoreFailed) {
  results::CheckpointStore store = Open();  // there is no file yet
  std::ofstream(path_) << "not a database, but long enough to be read as one, if it were one";
  TrialCheckpoint checkpoint = Of(&store, "s");
  EXPECT_TRUE(checkpoint.status().ok());
  EXPECT_FALSE(checkpoint.Find("a").ok());
  ASSERT_FALSE(checkpoint.status().ok());
  EXPECT_THAT(checkpoint.status().error().ToString(), HasSubstr(std::filesystem::path(path_).filename().string()));
  EXPECT_FALSE(checkpoint.Keep("a", "A").ok());
}

}  // namespace
}  // namespace ptq::experiments
