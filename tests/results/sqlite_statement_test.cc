#include "results/sqlite_statement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "results/sqlite_database.h"
#include "tests/results/sample_trial.h"

namespace ptq::results {
namespace {

using ::testing::HasSubstr;

TEST(SqliteStatementTest, BindsReadsAndRunsAgain) {
  const std::string path = TestFolder() + "/a.sqlite";
  const Database database = Database::Open(path, Database::Access::kCreate).value();
  ASSERT_TRUE(database.Execute("CREATE TABLE t (i INTEGER, r REAL, s TEXT, b BLOB, n TEXT) STRICT").ok());
  Statement insert = database.Prepare("INSERT INTO t VALUES (?, ?, ?, ?, ?)").value();
  for (int i = 0; i < 2; ++i) {
    insert.BindInt(int64_t{1} << 40).BindReal(0.1).BindText(std::string("a\0b", 3)).BindBlob({}).BindNull();
    ASSERT_TRUE(insert.Run().ok());
  }
  Statement select = database.Prepare("SELECT * FROM t").value();
  int rows = 0;
  while (select.Next().value()) {
    ++rows;
    EXPECT_EQ(select.Int(0), int64_t{1} << 40);
    EXPECT_EQ(select.Real(1), 0.1);
    EXPECT_EQ(select.OptionalReal(1), 0.1);
    EXPECT_EQ(select.Text(2), std::string("a\0b", 3));
    EXPECT_FALSE(select.IsNull(3));
    EXPECT_TRUE(select.IsNull(4));
    EXPECT_EQ(select.OptionalReal(4), std::nullopt);
  }
  EXPECT_EQ(rows, 2);
}

TEST(SqliteStatementTest, WrongSqlIsAnError) {
  const Database database = Database::Open(TestFolder() + "/a.sqlite", Database::Access::kCreate).value();
  const auto statement = database.Prepare("SELEC 1");
  ASSERT_FALSE(statement.ok());
  EXPECT_EQ(statement.error().code, ErrorCode::kInternal);
  EXPECT_THAT(statement.error().message, HasSubstr("syntax error"));
}

TEST(SqliteStatementTest, AFullDiskIsOneSentenceAndLosesNothing) {
  const std::string path = TestFolder() + "/a.sqlite";
  const Database database = Database::Open(path, Database::Access::kCreate).value();
  ASSERT_TRUE(database.Execute("CREATE TABLE t (b BLOB); INSERT INTO t VALUES ('kept')").ok());
  ASSERT_TRUE(database.Execute("PRAGMA max_page_count = 10").ok());
  Statement insert = database.Prepare("INSERT INTO t VALUES (zeroblob(100000))").value();
  const Status status = insert.Run();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_EQ(status.error().ToString(),
            path +
                ": the disk is full, so the last change was not stored; everything stored before is kept: free some "
                "space and run the same command again");
  EXPECT_EQ(database.QueryInt("SELECT count(*) FROM t").value(), 1);
}

TEST(SqliteStatementTest, EveryResultCodeHasItsErrorCodeAndNamesTheFile) {
  const std::vector<std::pair<int, ErrorCode>> cases = {{SQLITE_FULL, ErrorCode::kIo},
                                                        {SQLITE_READONLY, ErrorCode::kIo},
                                                        {SQLITE_READONLY_DIRECTORY, ErrorCode::kIo},
                                                        {SQLITE_CANTOPEN, ErrorCode::kIo},
                                                        {SQLITE_IOERR_FSYNC, ErrorCode::kIo},
                                                        {SQLITE_BUSY, ErrorCode::kIo},
                                                        {SQLITE_BUSY_RECOVERY, ErrorCode::kIo},
                                                        {SQLITE_LOCKED, ErrorCode::kIo},
                                                        {SQLITE_NOTADB, ErrorCode::kCorrupt},
                                                        {SQLITE_CORRUPT_INDEX, ErrorCode::kCorrupt},
                                                        {SQLITE_CONSTRAINT_CHECK, ErrorCode::kInvalidArgument},
                                                        {SQLITE_TOOBIG, ErrorCode::kInvalidArgument},
                                                        {SQLITE_MISUSE, ErrorCode::kInternal}};
  for (const auto& [code, expected] : cases) {
    const Error error = SqliteError(nullptr, code, "/some/file");
    EXPECT_EQ(error.code, expected) << sqlite3_errstr(code);
    EXPECT_EQ(error.where, "/some/file");
    EXPECT_GT(error.message.size(), 20u);
  }
}

TEST(SqliteStatementTest, ATransactionThatIsNotCommittedLeavesNothing) {
  const Database database = Database::Open(TestFolder() + "/a.sqlite", Database::Access::kCreate).value();
  ASSERT_TRUE(database.Execute("CREATE TABLE t (x)").ok());
  {
    const Transaction transaction = Transaction::Begin(database).value();
    ASSERT_TRUE(database.Execute("INSERT INTO t VALUES (1)").ok());
  }
  EXPECT_EQ(database.QueryInt("SELECT count(*) FROM t").value(), 0);
  Transaction transaction = Transaction::Begin(database).value();
  ASSERT_TRUE(database.Execute("INSERT INTO t VALUES (1)").ok());
  ASSERT_TRUE(transaction.Commit().ok());
  EXPECT_EQ(database.QueryInt("SELECT count(*) FROM t").value(), 1);
}

}  // namespace
}  // namespace ptq::results
