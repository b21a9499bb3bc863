// sqlite_database.h: one SQLite connection and one transaction, closed and rolled back by scope.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "results/sqlite_statement.h"

namespace ptq::results {

class Database {
 public:
  enum class Access {
    kReadOnly,   // never writes the file
    kImmutable,  // read-only, for a file that nobody writes, in a folder where no lock file can be made
    kReadWrite,
    kCreate,  // kReadWrite, and makes the file
  };

  // path: absolute.  Waits up to 30 s for another writer in every later call.
  static Result<Database> Open(const std::string& path, Access access);
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  const std::string& path() const { return path_; }
  bool read_only() const;

  Result<Statement> Prepare(std::string_view sql) const;
  // Runs SQL without parameters, and ignores rows that it returns.
  Status Execute(const std::string& script) const;
  // The first column of the first row of a query.
  Result<int64_t> QueryInt(std::string_view sql) const;
  // What the file says of itself, all at one moment: another process may be filling it.
  struct Identity {
    int64_t application = 0, version = 0;  // application_id and user_version, 0 where nobody set them
    int64_t objects = 0;                   // tables, views, indices and triggers
    bool empty() const { return application == 0 && version == 0 && objects == 0; }
  };
  Result<Identity> ReadIdentity() const;
  int64_t last_insert_id() const { return sqlite3_last_insert_rowid(connection_); }
  bool last_call_was_busy() const { return (sqlite3_errcode(connection_) & 0xff) == SQLITE_BUSY; }
  // The last call failed because a write was cut off (a hot journal) and this connection may not put it in order.
  bool last_call_needed_recovery() const { return sqlite3_extended_errcode(connection_) == SQLITE_READONLY_ROLLBACK; }
  bool in_transaction() const { return sqlite3_get_autocommit(connection_) == 0; }

 private:
  Database(sqlite3* connection, std::string path);
  sqlite3* connection_;
  std::string path_;
};

// Switches the file to write-ahead logging, which readers and writers of several processes share.
Status SwitchToWal(const Database& database);

// Begins a write transaction; rolls back unless committed.
class Transaction {
 public:
  static Result<Transaction> Begin(const Database& database);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Status Commit();

 private:
  explicit Transaction(const Database& database) : database_(&database) {}
  const Database* database_;
};

}  // namespace ptq::results
