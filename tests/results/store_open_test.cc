// Files that are not what they should be, disks that are full, processes that die.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/results/sample_trial.h"

namespace ptq::results {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StoreOpenTest : public ::testing::Test {
 protected:
  void ExpectRefused(const std::string& path, ErrorCode code, const std::string& sentence) {
    for (const Store::Mode mode : {Store::Mode::kReadWrite, Store::Mode::kReadOnly})
      ExpectRefused(path, mode, code, sentence);
  }
  void ExpectRefused(const std::string& path, Store::Mode mode, ErrorCode code, const std::string& sentence) {
    const auto store = Store::Open(path, mode);
    ASSERT_FALSE(store.ok()) << sentence;
    EXPECT_EQ(store.error().code, code) << store.error().ToString();
    EXPECT_THAT(store.error().message, HasSubstr(sentence));
    EXPECT_EQ(store.error().where, path);
  }
  const std::string folder_ = TestFolder();
  const std::string path_ = folder_ + "/results.sqlite";
};

TEST_F(StoreOpenTest, CreatesFileAndFolders) {
  const std::string path = folder_ + "/a/b c?#%/results.sqlite";
  ASSERT_TRUE(Store::Open(path, Store::Mode::kReadWrite).ok());
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_TRUE(Store::Open(path, Store::Mode::kReadOnly).ok());
}

TEST_F(StoreOpenTest, AClosedStoreIsOneFile) {
  ASSERT_TRUE(Store::Open(path_, Store::Mode::kReadWrite).value().Insert(SampleTrial("a", 4, 2, "m")).ok());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(StoreOpenTest, AbsentFileIsNotMadeByReading) {
  ExpectRefused(path_, Store::Mode::kReadOnly, ErrorCode::kNotFound, "no results file; run an experiment first");
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(StoreOpenTest, EmptyName) { ExpectRefused("", ErrorCode::kInvalidArgument, "empty name"); }

TEST_F(StoreOpenTest, AFolder) { ExpectRefused(folder_, ErrorCode::kInvalidArgument, "is a folder"); }

TEST_F(StoreOpenTest, APathUnderAFile) {
  WriteBytes(folder_ + "/file", "x");
  ExpectRefused(folder_ + "/file/results.sqlite", Store::Mode::kReadWrite, ErrorCode::kIo, "cannot create the folder");
  ExpectRefused(folder_ + "/file/results.sqlite", Store::Mode::kReadOnly, ErrorCode::kNotFound, "no results file");
}

TEST_F(StoreOpenTest, AFileThatIsNotSqliteStaysAsItIs) {
  for (const std::string& bytes : {std::string("hello"), std::string(5000, 'x'), std::string(100, '\0')}) {
    WriteBytes(path_, bytes);
    ExpectRefused(path_, ErrorCode::kCorrupt, "is not a ptqbench database");
    EXPECT_EQ(ReadBytes(path_), bytes);
  }
}

TEST_F(StoreOpenTest, AnotherProgramsDatabaseStaysAsItIs) {
  for (const char* sql : {"CREATE TABLE t (x)", "PRAGMA application_id = 5", "PRAGMA user_version = 3"}) {
    std::filesystem::remove(path_);
    ASSERT_EQ(RawSqlite(path_).Run(sql), "");
    const std::string before = ReadBytes(path_);
    ExpectRefused(path_, ErrorCode::kCorrupt, "is not a ptqbench database (it is the SQLite file of another program)");
    EXPECT_EQ(ReadBytes(path_), before);
  }
}

TEST_F(StoreOpenTest, ANewerSchemaStaysAsItIs) {
  ASSERT_TRUE(Store::Open(path_, Store::Mode::kReadWrite).ok());
  ASSERT_EQ(RawSqlite(path_).Run("PRAGMA user_version = 6"), "");
  const std::string before = ReadBytes(path_);
  ExpectRefused(path_, ErrorCode::kUnsupported, "written by a newer ptqbench (schema 6; this one knows 5)");
  EXPECT_EQ(ReadBytes(path_), before);
}

TEST_F(StoreOpenTest, AFileWhoseMakingWasCutOffIsMadeAnew) {
  WriteCutOffFile(path_);
  auto store = Store::Open(path_, Store::Mode::kReadWrite);
  ASSERT_TRUE(store.ok()) << store.error().ToString();
  EXPECT_TRUE(store->Insert(SampleTrial("a", 4, 2, "m")).ok());
  EXPECT_THAT(store->Verify(data::Sha256).value(), IsEmpty());
}

// A file as an older version of the schema made and filled it.
class OlderVersionTest : public StoreOpenTest, public ::testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_);  // the test's name holds a '/'
    {
      RawSqlite raw(path_);
      ASSERT_EQ(raw.Run("PRAGMA journal_mode = WAL"), "");
      for (int step = 1; step <= GetParam(); ++step) {
        const std::string script = ReadBytes("tests/results/golden/schema_" + std::to_string(step) + ".sql");
        ASSERT_EQ(raw.Run("BEGIN; " + script + "; COMMIT"), "");
      }
    }
    const std::string filled = folder_ + "/filled.sqlite";
    trial_.allocation_json = GetParam() >= 2 ? kSampleAllocation : "";
    ASSERT_TRUE(Store::Open(filled, Store::Mode::kReadWrite).value().Insert(trial_).ok());
    RawSqlite raw(path_);
    ASSERT_EQ(raw.Run("ATTACH '" + filled + "' AS filled"), "");
    for (const std::string table : {"host", "build", "experiment", "dataset", "dataset_image", "trial",
                                    "calibration_image", "operand", "prediction", "allocation"}) {
      if (table != "allocation" || GetParam() >= 2) {
        ASSERT_EQ(raw.Run("INSERT INTO main." + table + " SELECT * FROM filled." + table), "") << table;
      }
    }
  }
  // The rows of all tables, and of the view the columns that it always had.
  std::vector<std::string> Rows() {
    RawSqlite raw(path_);
    std::vector<std::string> rows;
    for (const char* sql :
         {"SELECT * FROM meta", "SELECT * FROM trial", "SELECT * FROM operand", "SELECT * FROM prediction",
          "SELECT trial_key, top1_fraction, size_bytes, status, reason FROM v_trial"}) {
      for (const std::string& row : raw.Query(sql)) rows.push_back(row);
    }
    return rows;
  }
  std::string Version() { return RawSqlite(path_).Query("PRAGMA user_version")[0]; }
  std::optional<std::string> OldAllocation() const {
    return GetParam() >= 2 ? std::optional<std::string>(kSampleAllocation) : std::nullopt;
  }
  void ExpectOldTrial(const Store& store) const {
    const TrialSummary summary = *store.Find(trial_.trial_key).value();
    EXPECT_EQ(summary.top1_fraction, 0.5);
    EXPECT_EQ(summary.status, TrialStatus::kDone);
    EXPECT_EQ(summary.scheme, "W8A8");
    EXPECT_EQ(summary.paper_size_bytes, 5.4e6);
    EXPECT_THAT(summary.notes, IsEmpty());
    EXPECT_THAT(summary.simulated_only, IsEmpty());
    const std::vector<OperandRecord> operands = store.Operands(trial_.trial_key).value();
    ASSERT_THAT(operands, SizeIs(2));
    EXPECT_EQ(operands[1].scale, trial_.operands[1].scale);
    EXPECT_THAT(operands[1].correction, IsEmpty());
    EXPECT_THAT(store.NormInputs(trial_.trial_key).value(), IsEmpty());
    EXPECT_EQ(store.Allocation(trial_.trial_key).value(), OldAllocation());
    EXPECT_THAT(store.Latencies(trial_.trial_key).value(), IsEmpty());
    EXPECT_THAT(store.Verify(data::Sha256).value(), IsEmpty());
  }
  TrialRecord trial_ = SampleTrial("old", 4, 2, "m");
};

TEST_P(OlderVersionTest, IsReadAsItIs) {
  const std::string before = ReadBytes(path_);
  const Store store = Store::Open(path_, Store::Mode::kReadOnly).value();
  ExpectOldTrial(store);
  EXPECT_THAT(store.Trials().value(), SizeIs(1));
  EXPECT_EQ(ReadBytes(path_), before);
  EXPECT_EQ(Version(), std::to_string(GetParam()));
}

TEST_P(OlderVersionTest, GetsWhatItLacksAndKeepsItsRows) {
  const std::vector<std::string> before = Rows();
  Store store = Store::Open(path_, Store::Mode::kReadWrite).value();
  EXPECT_EQ(Rows(), before);
  EXPECT_EQ(Version(), "5");
  ExpectOldTrial(store);
  TrialRecord full = SampleTrialWithExtras("new");
  full.allocation_json = kSampleAllocation;
  ASSERT_TRUE(store.Insert(full).ok());
  EXPECT_EQ(store.Allocation(full.trial_key).value(), kSampleAllocation);
  EXPECT_EQ(store.Find(full.trial_key).value()->notes, full.notes);
  EXPECT_EQ(store.Find(full.trial_key).value()->simulated_only, full.simulated_only);
  EXPECT_THAT(
      RawSqlite(path_).Query("SELECT simulated_only FROM v_trial ORDER BY trial_key = '" + full.trial_key + "'"),
      ::testing::ElementsAre("0", "1"));
  ASSERT_TRUE(store.InsertLatency(SampleLatency(trial_.trial_key)).ok()) << "of a trial that is older than such rows";
  EXPECT_EQ(store.Find(trial_.trial_key).value()->latency_ns_median, 4.1e6);
  EXPECT_THAT(store.Trials().value(), SizeIs(2));
  EXPECT_THAT(store.Verify(data::Sha256).value(), IsEmpty());
  EXPECT_TRUE(Store::Open(path_, Store::Mode::kReadWrite).ok()) << "a second time";
}

TEST_P(OlderVersionTest, BecomesTheSchemaOfAFreshFile) {
  const std::string sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
  ASSERT_TRUE(Store::Open(path_, Store::Mode::kReadWrite).ok());
  const std::string fresh = folder_ + "/fresh.sqlite";
  ASSERT_TRUE(Store::Open(fresh, Store::Mode::kReadWrite).ok());
  EXPECT_EQ(RawSqlite(path_).Query(sql), RawSqlite(fresh).Query(sql));
}

TEST_P(OlderVersionTest, AnUpgradeThatFailsLeavesTheVersion) {
  ASSERT_EQ(RawSqlite(path_).Run("CREATE TABLE sensitivity (x)"), "");
  const std::vector<std::string> before = Rows();
  EXPECT_FALSE(Store::Open(path_, Store::Mode::kReadWrite).ok());
  EXPECT_EQ(Rows(), before);
  EXPECT_EQ(Version(), std::to_string(GetParam()));
  EXPECT_THAT(RawSqlite(path_).Query("SELECT count(*) FROM pragma_table_info('v_trial')"),
              ::testing::ElementsAre(GetParam() >= 4   ? "23"
                                     : GetParam() == 3 ? "21"
                                                       : "20"));
}

INSTANTIATE_TEST_SUITE_P(Versions, OlderVersionTest, ::testing::Values(1, 2, 3, 4));

TEST_F(StoreOpenTest, AnEmptyFileIsFilledByWritingAndRefusedByReading) {
  WriteBytes(path_, "");
  ExpectRefused(path_, Store::Mode::kReadOnly, ErrorCode::kCorrupt, "holds nothing");
  EXPECT_TRUE(Store::Open(path_, Store::Mode::kReadWrite).ok());
  EXPECT_TRUE(Store::Open(path_, Store::Mode::kReadOnly).ok());
}

TEST_F(StoreOpenTest, ADamagedFileIsReported) {
  {
    Store store = Store::Open(path_, Store::Mode::kReadWrite).value();
    ASSERT_TRUE(store.Insert(SampleTrial("a", 500, 2, "m")).ok());
  }
  const std::string sound = ReadBytes(path_);
  WriteBytes(path_, sound.substr(0, sound.size() / 2));
  auto store = Store::Open(path_, Store::Mode::kReadOnly);
  const auto problems = store.ok() ? store->Verify(data::Sha256) : Result<std::vector<std::string>>(store.error());
  if (problems.ok()) {
    EXPECT_THAT(*problems, ::testing::Not(IsEmpty()));
  } else {
    EXPECT_EQ(problems.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(problems.error().ToString(), AllOf(HasSubstr(path_), HasSubstr("is damaged")));
  }
  // scribble over everything but the header
  WriteBytes(path_, sound.substr(0, 100) + std::string(sound.size() - 100, '\x55'));
  ExpectRefused(path_, ErrorCode::kCorrupt, "is damaged");
}

TEST_F(StoreOpenTest, AReadOnlyStoreTakesNoTrials) {
  ASSERT_TRUE(Store::Open(path_, Store::Mode::kReadWrite).ok());
  const std::string before = ReadBytes(path_);
  Store store = Store::Open(path_, Store::Mode::kReadOnly).value();
  const Status status = store.Insert(SampleTrial("a", 4, 2, "m"));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_THAT(status.error().ToString(), AllOf(HasSubstr(path_), HasSubstr("read-only")));
  EXPECT_EQ(ReadBytes(path_), before);
}

// A file and folder without write permission.  Root passes permissions, so a child drops to another user.
TEST_F(StoreOpenTest, AReadOnlyFolderCanBeReadAndSaysWhyItCannotBeWritten) {
  // not under TempDir(): that folder is often closed to other users
  std::string folder = (std::filesystem::temp_directory_path() / "ptqbench_read_only_XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/results.sqlite";
  ASSERT_TRUE(Store::Open(path, Store::Mode::kReadWrite).value().Insert(SampleTrial("a", 4, 2, "m")).ok());
  std::filesystem::permissions(path, std::filesystem::perms(0444));
  std::filesystem::permissions(folder, std::filesystem::perms(0555));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (getuid() == 0 && setuid(65534) != 0) _exit(77);
    if (access(path.c_str(), R_OK) != 0) _exit(77);  // a folder above is closed to that user
    const auto reader = Store::Open(path, Store::Mode::kReadOnly);
    if (!reader.ok() || reader->Trials().value().size() != 1) _exit(1);
    const auto writer = Store::Open(path, Store::Mode::kReadWrite);
    if (writer.ok() || writer.error().code != ErrorCode::kIo) _exit(2);
    if (writer.error().message.find("read-only") == std::string::npos) _exit(3);
    _exit(0);
  }
  int state = 0;
  ASSERT_EQ(waitpid(child, &state, 0), child);
  std::filesystem::permissions(folder, std::filesystem::perms(0755));
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(WIFEXITED(state));
  if (WEXITSTATUS(state) == 77) GTEST_SKIP() << "no user without permission can reach the test folder";
  EXPECT_EQ(WEXITSTATUS(state), 0);
}

// Runs `body` in a child that may write files of at most `bytes`; expects it to exit with 0.
template <typename Body>
void RunWithFileLimit(rlim_t bytes, Body body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {bytes, bytes};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(78);
    _exit(body());
  }
  int state = 0;
  ASSERT_EQ(waitpid(child, &state, 0), child);
  ASSERT_TRUE(WIFEXITED(state));
  EXPECT_EQ(WEXITSTATUS(state), 0);
}

TEST_F(StoreOpenTest, ADiskThatEndsInTheMiddleKeepsWhatWasStored) {
  ASSERT_TRUE(Store::Open(path_, Store::Mode::kReadWrite).value().Insert(SampleTrial("a", 4, 2, "m")).ok());
  RunWithFileLimit(std::filesystem::file_size(path_) + 8192, [this] {
    Store store = Store::Open(path_, Store::Mode::kReadWrite).value();
    const Status status = store.Insert(SampleTrial("b", 20000, 2, "m"));
    if (status.ok() || status.error().code != ErrorCode::kIo) return 1;
    const std::string sentence = status.error().ToString();
    if (sentence.find(path_) == std::string::npos || sentence.find("was not stored") == std::string::npos) return 2;
    return store.Find(data::Sha256("a")).value().has_value() ? 0 : 3;
  });
  Store store = Store::Open(path_, Store::Mode::kReadWrite).value();
  EXPECT_THAT(store.Trials().value(), SizeIs(1));
  EXPECT_THAT(store.Verify(data::Sha256).value(), IsEmpty());
  EXPECT_TRUE(store.Insert(SampleTrial("b", 20000, 2, "m")).ok());
  EXPECT_THAT(store.Verify(data::Sha256).value(), IsEmpty());
}

TEST_F(StoreOpenTest, ADiskThatIsFullAtCreationLeavesNothingHalfWritten) {
  RunWithFileLimit(8192, [this] {
    const auto store = Store::Open(path_, Store::Mode::kReadWrite);
    return !store.ok() && store.error().code == ErrorCode::kIo ? 0 : 1;
  });
  Store store = Store::Open(path_, Store::Mode::kReadWrite).value();
  EXPECT_TRUE(store.Insert(SampleTrial("b", 4, 2, "m")).ok());
  EXPECT_THAT(store.Verify(data::Sha256).value(), IsEmpty());
}

TEST_F(StoreOpenTest, AKilledProcessLosesAtMostTheRunningTrial) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Store store = Store::Open(path_, Store::Mode::kReadWrite).value();
    for (int i = 0;; ++i) {
      if (!store.Insert(SampleTrial("t" + std::to_string(i), 2000, 1000, "m")).ok()) _exit(1);
      if (write(pipe_ends[1], "x", 1) != 1) _exit(2);
    }
  }
  close(pipe_ends[1]);
  constexpr size_t kFinished = 3;
  char byte = 0;
  for (size_t i = 0; i < kFinished; ++i) ASSERT_EQ(read(pipe_ends[0], &byte, 1), 1);
  ASSERT_EQ(kill(child, SIGKILL), 0);
  int state = 0;
  ASSERT_EQ(waitpid(child, &state, 0), child);
  size_t finished = kFinished;
  while (read(pipe_ends[0], &byte, 1) == 1) ++finished;
  close(pipe_ends[0]);
  EXPECT_TRUE(WIFSIGNALED(state));

  // what the reader sees before any writer has been there again
  EXPECT_GE(Store::Open(path_, Store::Mode::kReadOnly).value().Trials().value().size(), finished);
  Store store = Store::Open(path_, Store::Mode::kReadWrite).value();
  const auto trials = store.Trials().value();
  EXPECT_GE(trials.size(), finished);
  EXPECT_LE(trials.size(), finished + 1);  // one may have been stored before it could be told
  for (const TrialSummary& trial : trials) EXPECT_THAT(store.Predictions(trial.trial_key).value(), SizeIs(2000));
  EXPECT_THAT(store.Verify(data::Sha256).value(), IsEmpty());
}

TEST_F(StoreOpenTest, ProcessesThatStartTogetherShareTheFile) {
  constexpr int kProcesses = 4, kTrials = 3;
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
      auto store = Store::Open(path_, Store::Mode::kReadWrite);
      if (!store.ok()) _exit(1);
      for (int i = 0; i < kTrials; ++i) {
        const std::string text = std::to_string(process) + "/" + std::to_string(i);
        if (!store->Insert(SampleTrial(text, 10, 5, "m")).ok()) _exit(2);
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
  Store store = Store::Open(path_, Store::Mode::kReadOnly).value();
  EXPECT_THAT(store.Trials().value(), SizeIs(kProcesses * kTrials));
  EXPECT_THAT(store.Verify(data::Sha256).value(), IsEmpty());
}

}  // namespace
}  // namespace ptq::results
