#include "results/sqlite_database.h"

#include <fmt/format.h>

#include <cctype>
#include <chrono>
#include <thread>
#include <utility>

namespace ptq::results {
namespace {

constexpr int kBusyMilliseconds = 30000;

int OpenFlags(Database::Access access) {
  switch (access) {
    case Database::Access::kReadOnly:
      return SQLITE_OPEN_READONLY;
    case Database::Access::kImmutable:
      return SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
    case Database::Access::kReadWrite:
      return SQLITE_OPEN_READWRITE;
    case Database::Access::kCreate:
      return SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  }
  return SQLITE_OPEN_READONLY;
}

std::string ImmutableUri(const std::string& path) {
  std::string uri = "file://";
  for (const unsigned char c : path) {
    if (std::isalnum(c) != 0 || c == '/' || c == '.' || c == '_' || c == '-') {
      uri += static_cast<char>(c);
    } else {
      uri += fmt::format("%{:02X}", c);
    }
  }
  return uri + "?immutable=1";
}

}  // namespace

Result<Database> Database::Open(const std::string& path, Access access) {
  PTQ_CHECK(!path.empty() && path[0] == '/') << "not an absolute path: '" << path << "'";
  const std::string name = access == Access::kImmutable ? ImmutableUri(path) : path;
  sqlite3* connection = nullptr;
  int code = sqlite3_open_v2(name.c_str(), &connection, OpenFlags(access) | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(connection, path);
  if (code == SQLITE_OK) code = sqlite3_extended_result_codes(connection, 1);
  if (code == SQLITE_OK) code = sqlite3_busy_timeout(connection, kBusyMilliseconds);
  if (code != SQLITE_OK) return SqliteError(connection, code, path);
  return database;
}

Database::Database(sqlite3* connection, std::string path) : connection_(connection), path_(std::move(path)) {}

Database::Database(Database&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)), path_(std::move(other.path_)) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(connection_, other.connection_);
  std::swap(path_, other.path_);
  return *this;
}

// A close fails only while statements live, and close_v2 then waits for them.
Database::~Database() { static_cast<void>(sqlite3_close_v2(connection_)); }

bool Database::read_only() const { return sqlite3_db_readonly(connection_, "main") == 1; }

Result<Statement> Database::Prepare(std::string_view sql) const { return Statement::Prepare(connection_, path_, sql); }

Status Database::Execute(const std::string& script) const {
  const int code = sqlite3_exec(connection_, script.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return SqliteError(connection_, code, path_);
  return OkStatus();
}

Result<int64_t> Database::QueryInt(std::string_view sql) const {
  PTQ_ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  PTQ_ASSIGN_OR_RETURN(const bool row, statement.Next());
  PTQ_CHECK(row) << "no row from: " << std::string(sql);
  return statement.Int(0);
}

Result<Database::Identity> Database::ReadIdentity() const {
  PTQ_ASSIGN_OR_RETURN(Statement statement, Prepare("SELECT (SELECT application_id FROM pragma_application_id),"
                                                    " (SELECT user_version FROM pragma_user_version),"
                                                    " (SELECT count(*) FROM sqlite_schema)"));
  PTQ_ASSIGN_OR_RETURN(const bool row, statement.Next());
  PTQ_CHECK(row);
  return Identity{statement.Int(0), statement.Int(1), statement.Int(2)};
}

// Two processes that create one file at the same moment can both be refused the switch to WAL at once, without
// SQLite's own wait.
Status SwitchToWal(const Database& database) {
  constexpr int kAttempts = 300;
  Status status;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    status = database.Execute("PRAGMA journal_mode = WAL");
    if (status.ok() || !database.last_call_was_busy()) return status;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return status;
}

Result<Transaction> Transaction::Begin(const Database& database) {
  PTQ_RETURN_IF_ERROR(database.Execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
  // SQLite may have rolled back by itself (full disk).  A failed ROLLBACK loses nothing: nothing was committed.
  if (database_ != nullptr && database_->in_transaction()) static_cast<void>(database_->Execute("ROLLBACK").ok());
}

Status Transaction::Commit() { return database_->Execute("COMMIT"); }

}  // namespace ptq::results
