#include "results/checkpoint_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/results/sample_trial.h"

namespace ptq::results {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CheckpointStoreTest : public ::testing::Test {
 protected:
  CheckpointStore Open() { return CheckpointStore::Open(path_).value(); }
  const std::string folder_ = TestFolder();
  const std::string path_ = folder_ + "/results.sqlite.calibration";
};

TEST_F(CheckpointStoreTest, AFileWhoseMakingWasCutOffIsMadeAnew) {
  WriteCutOffFile(path_);
  auto store = CheckpointStore::Open(path_);
  ASSERT_TRUE(store.ok()) << store.error().ToString();
  ASSERT_TRUE(store->Keep("s", "k", {"v", 1}).ok());
  EXPECT_EQ(Open().Find("s", "k").value()->value, "v");
}

TEST_F(CheckpointStoreTest, KeepsAnyBytesUnderScopeAndKey) {
  CheckpointStore store = Open();
  EXPECT_FALSE(store.Find("s", "k").value().has_value());
  const std::string bytes("\0\xff\n'; DROP TABLE kept; --\0", 26);
  ASSERT_TRUE(store.Keep("s", "k", {bytes, 1.5}).ok());
  ASSERT_TRUE(store.Keep("s", "other", {"", 0}).ok());
  const auto kept = store.Find("s", "k").value();
  ASSERT_TRUE(kept.has_value());
  EXPECT_EQ(kept->value, bytes);
  EXPECT_EQ(kept->seconds, 1.5);
  EXPECT_EQ(store.Find("s", "other").value()->value, "");
  EXPECT_FALSE(store.Find("t", "k").value().has_value());
  EXPECT_FALSE(store.Find("s", "K").value().has_value());
}

TEST_F(CheckpointStoreTest, TheFirstValueStays) {
  CheckpointStore store = Open();
  ASSERT_TRUE(store.Keep("s", "k", {"first", 1}).ok());
  ASSERT_TRUE(store.Keep("s", "k", {"second", 2}).ok());
  EXPECT_EQ(store.Find("s", "k").value()->value, "first");
  EXPECT_EQ(store.Find("s", "k").value()->seconds, 1);
}

TEST_F(CheckpointStoreTest, IsMadeByTheFirstValue) {
  CheckpointStore store = Open();
  EXPECT_FALSE(store.Find("s", "k").value().has_value());
  EXPECT_FALSE(std::filesystem::exists(path_));
  ASSERT_TRUE(store.Keep("s", "k", {"v", 1}).ok());
  EXPECT_TRUE(std::filesystem::exists(path_));
  RawSqlite raw(path_);
  EXPECT_THAT(raw.Query("PRAGMA application_id"), ElementsAre("1347703115"));
  EXPECT_THAT(raw.Query("PRAGMA journal_mode"), ElementsAre("wal"));
  EXPECT_THAT(raw.Query("SELECT scope, key, value, seconds FROM kept WHERE created_utc LIKE '2___-__-__T__:__:__Z'"),
              ElementsAre("s|k|v|1.0"));
}

TEST_F(CheckpointStoreTest, SurvivesReopeningAndIsSharedByOpenStores) {
  CheckpointStore early = Open();  // before the file is there
  {
    CheckpointStore store = Open();
    ASSERT_TRUE(store.Keep("s", "k", {"v", 1}).ok());
    EXPECT_TRUE(early.Find("s", "k").value().has_value());
    ASSERT_TRUE(early.Keep("s", "l", {"w", 1}).ok());
    EXPECT_TRUE(store.Find("s", "l").value().has_value());
  }
  EXPECT_EQ(Open().Find("s", "k").value()->value, "v");
}

TEST_F(CheckpointStoreTest, DeletingTheFileLosesTheValuesAndNothingElse) {
  ASSERT_TRUE(Open().Keep("s", "k", {"v", 1}).ok());
  std::filesystem::remove(path_);
  CheckpointStore store = Open();
  EXPECT_FALSE(store.Find("s", "k").value().has_value());
  EXPECT_TRUE(store.Keep("s", "k", {"v", 1}).ok());
}

TEST_F(CheckpointStoreTest, AnEmptyFileIsFilled) {
  WriteBytes(path_, "");
  CheckpointStore store = Open();
  ASSERT_TRUE(store.Keep("s", "k", {"v", 1}).ok());
  EXPECT_TRUE(store.Find("s", "k").value().has_value());
}

TEST_F(CheckpointStoreTest, AFileThatIsNoneIsNamedAndStaysAsItIs) {
  std::vector<std::string> contents = {"hello", std::string(5000, 'x')};
  for (const char* sql : {"CREATE TABLE t (x)", "PRAGMA application_id = 5",
                          "PRAGMA application_id = 1347703115; PRAGMA user_version = 3",
                          "PRAGMA application_id = 1347703106; PRAGMA user_version = 1"}) {
    std::filesystem::remove(path_);
    ASSERT_EQ(RawSqlite(path_).Run(sql), "");
    contents.push_back(ReadBytes(path_));
  }
  for (const std::string& bytes : contents) {
    WriteBytes(path_, bytes);
    const auto store = CheckpointStore::Open(path_);
    ASSERT_FALSE(store.ok());
    EXPECT_EQ(store.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(store.error().ToString(), AllOf(HasSubstr(path_), HasSubstr("only saves time: delete it")));
    EXPECT_EQ(ReadBytes(path_), bytes);
  }
}

TEST_F(CheckpointStoreTest, DamageMetLaterIsNamedToo) {
  {
    CheckpointStore store = Open();
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(store.Keep("s", std::to_string(i), {std::string(500, 'v'), 1}).ok());
    }
  }
  const std::string sound = ReadBytes(path_);
  WriteBytes(path_, sound.substr(0, 4096) + std::string(sound.size() - 4096, '\x55'));
  auto store = CheckpointStore::Open(path_);
  Status status;
  if (!store.ok()) {
    status = store.error();
  } else {
    const auto found = store->Find("s", "150");
    status = found.ok() ? store->Keep("s", "new", {"v", 1}) : Status(found.error());
  }
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().ToString(), AllOf(HasSubstr(path_), HasSubstr("only saves time: delete it")));
}

TEST_F(CheckpointStoreTest, AFolderIsRefused) {
  EXPECT_FALSE(CheckpointStore::Open(folder_).ok());
  EXPECT_FALSE(CheckpointStore::Open("").ok());
}

TEST_F(CheckpointStoreTest, AKilledProcessLosesNothingThatWasKept) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    CheckpointStore store = Open();
    for (int i = 0;; ++i) {
      if (!store.Keep("s", std::to_string(i), {std::string(5000, 'v'), 1}).ok()) _exit(1);
      if (write(pipe_ends[1], "x", 1) != 1) _exit(2);
    }
  }
  close(pipe_ends[1]);
  constexpr int kKept = 20;
  char byte = 0;
  for (int i = 0; i < kKept; ++i) ASSERT_EQ(read(pipe_ends[0], &byte, 1), 1);
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  close(pipe_ends[0]);
  CheckpointStore store = Open();
  for (int i = 0; i < kKept; ++i) EXPECT_TRUE(store.Find("s", std::to_string(i)).value().has_value()) << i;
}

TEST_F(CheckpointStoreTest, ProcessesThatStartTogetherShareTheFile) {
  constexpr int kProcesses = 4, kValues = 10;
  std::vector<pid_t> children;
  int gate[2];
  ASSERT_EQ(pipe(gate), 0);
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(gate[1]);
      char byte = 0;
      static_cast<void>(!read(gate[0], &byte, 1));  // returns when the parent closes its end
      auto store = CheckpointStore::Open(path_);
      if (!store.ok()) _exit(1);
      for (int i = 0; i < kValues; ++i) {
        if (!store->Keep("shared", std::to_string(i), {"v", 1}).ok()) _exit(2);
        if (!store->Keep("s" + std::to_string(process), std::to_string(i), {"v", 1}).ok()) _exit(3);
      }
      _exit(0);
    }
    children.push_back(child);
  }
  close(gate[0]);
  close(gate[1]);
  for (const pid_t child : children) {
    int state = 0;
    ASSERT_EQ(waitpid(child, &state, 0), child);
    ASSERT_TRUE(WIFEXITED(state));
    EXPECT_EQ(WEXITSTATUS(state), 0);
  }
  EXPECT_THAT(RawSqlite(path_).Query("SELECT count(*) FROM kept"),
              ElementsAre(std::to_string(kValues * (kProcesses + 1))));
}

TEST_F(CheckpointStoreTest, CleanDropsWhatOnlyDoneTrialsOwned) {
  CheckpointStore store = Open();
  ASSERT_TRUE(store.Keep("done", "k", {"v", 1}, "t1").ok());
  ASSERT_TRUE(store.Keep("done", "l", {"v", 1}, "t1").ok());
  ASSERT_TRUE(store.Keep("shared", "k", {"v", 1}, "t1").ok());
  ASSERT_TRUE(store.Keep("shared", "l", {"v", 1}, "t2").ok());
  ASSERT_TRUE(store.Keep("nobody", "k", {"v", 1}).ok());
  const CheckpointStore::Cleaned cleaned = store.Clean([](const std::string& key) { return key == "t1"; }).value();
  EXPECT_EQ(cleaned.dropped, 3);
  EXPECT_EQ(cleaned.left, 2);
  EXPECT_FALSE(store.Find("done", "k").value().has_value());
  EXPECT_TRUE(store.Find("shared", "k").value().has_value());
  ASSERT_TRUE(store.Drop("shared").ok());
  EXPECT_FALSE(store.Find("shared", "l").value().has_value());
  EXPECT_THAT(RawSqlite(path_).Query("SELECT count(*) FROM owner"), ElementsAre("0"));
}

TEST_F(CheckpointStoreTest, AFileOfVersionOneIsBroughtUpToDate) {
  ASSERT_TRUE(Open().Keep("s", "k", {"v", 1}).ok());
  ASSERT_EQ(RawSqlite(path_).Run("DROP TABLE owner; PRAGMA user_version = 1"), "");
  CheckpointStore store = Open();
  EXPECT_EQ(store.Find("s", "k").value()->value, "v");
  EXPECT_TRUE(store.Keep("s", "l", {"v", 1}, "t").ok());
}

}  // namespace
}  // namespace ptq::results
