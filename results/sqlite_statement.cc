#include "results/sqlite_statement.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace ptq::results {
namespace {

constexpr char kDiskFull[] =
    "the disk is full, so the last change was not stored; everything stored before is kept: free some space and run "
    "the same command again";

bool IsOutOfSpace(int number) { return number == ENOSPC || number == EDQUOT || number == EFBIG; }

// The system's error number behind a failed read or write.  SQLite clears its own copy while it rolls back; the files
// (the database and its write-ahead log) then still know that space ran out.
int SystemError(sqlite3* connection) {
  if (connection == nullptr) return 0;
  const int number = sqlite3_system_errno(connection);
  if (IsOutOfSpace(number)) return number;
  for (const int which : {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER}) {
    sqlite3_file* file = nullptr;
    if (sqlite3_file_control(connection, "main", which, &file) != SQLITE_OK) continue;
    if (file == nullptr || file->pMethods == nullptr) continue;
    int of_file = 0;
    const int code = file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &of_file);
    if (code == SQLITE_OK && IsOutOfSpace(of_file)) return of_file;
  }
  return number;
}

Error InputOutputError(sqlite3* connection, const std::string& path) {
  const int number = SystemError(connection);
  if (number == ENOSPC || number == EDQUOT) return IoError(kDiskFull, path);
  if (number == EFBIG) {
    return IoError(
        "the file reached the largest size that this process may write, so the last change was not stored; everything "
        "stored before is kept: raise the limit (ulimit -f) and run the same command again",
        path);
  }
  return IoError(fmt::format("the system could not read or write the file ({}); everything stored before is kept: "
                             "check the disk and run the same command again",
                             number == 0 ? "input/output error" : std::strerror(number)),
                 path);
}

Error CannotOpen(sqlite3* connection, const std::string& path) {
  const int number = connection == nullptr ? 0 : sqlite3_system_errno(connection);
  return IoError(fmt::format("cannot open the results file ({}); check its folder's permissions or name another file",
                             number == 0 ? "unable to open database file" : std::strerror(number)),
                 path);
}

}  // namespace

Error SqliteError(sqlite3* connection, int code, const std::string& path) {
  const std::string text = connection == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(connection);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return IoError(kDiskFull, path);
    case SQLITE_READONLY:
      return IoError("the results file or its folder is read-only; give write permission or name another file", path);
    case SQLITE_CANTOPEN:
      return CannotOpen(connection, path);
    case SQLITE_NOTADB:
      return Corrupt("is not a ptqbench database (not a SQLite file); name another file", path);
    case SQLITE_CORRUPT:
      return Corrupt(
          fmt::format("is damaged ({}); copy the file away, save what is readable with `sqlite3 FILE .recover`, "
                      "and name a new file",
                      text),
          path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return IoError("another process kept the results file locked; wait for it or stop it, then run again", path);
    case SQLITE_IOERR:
      return InputOutputError(connection, path);
    case SQLITE_CONSTRAINT:
      return InvalidArgument(fmt::format("the results file refused a row ({}); nothing of this trial was stored", text),
                             path);
    case SQLITE_TOOBIG:
      return InvalidArgument(fmt::format("a value is too long for the results file ({})", text), path);
    default:
      return Internal(fmt::format("SQLite failed: {}", text), path);
  }
}

Result<Statement> Statement::Prepare(sqlite3* connection, const std::string& path, std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(connection, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) return SqliteError(connection, code, path);
  PTQ_CHECK(statement != nullptr) << "no SQL in '" << std::string(sql) << "'";
  return Statement(connection, path, statement);
}

Statement::Statement(sqlite3* connection, std::string path, sqlite3_stmt* statement)
    : connection_(connection), path_(std::move(path)), statement_(statement) {}

Statement::Statement(Statement&& other) noexcept
    : connection_(other.connection_),
      path_(std::move(other.path_)),
      statement_(std::exchange(other.statement_, nullptr)),
      bound_(other.bound_),
      running_(other.running_),
      bind_error_(std::move(other.bind_error_)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(connection_, other.connection_);
  std::swap(path_, other.path_);
  std::swap(statement_, other.statement_);
  std::swap(bound_, other.bound_);
  std::swap(running_, other.running_);
  std::swap(bind_error_, other.bind_error_);
  return *this;
}

// The code of finalize repeats that of the last step, which was reported there.
Statement::~Statement() { static_cast<void>(sqlite3_finalize(statement_)); }

void Statement::Keep(int code) {
  if (code != SQLITE_OK && !bind_error_.has_value()) bind_error_ = SqliteError(connection_, code, path_);
}

Statement& Statement::BindInt(int64_t value) {
  Keep(sqlite3_bind_int64(statement_, ++bound_, value));
  return *this;
}

Statement& Statement::BindReal(double value) {
  Keep(sqlite3_bind_double(statement_, ++bound_, value));
  return *this;
}

Statement& Statement::BindText(std::string_view value) {
  const char* data = value.data() == nullptr ? "" : value.data();
  Keep(sqlite3_bind_text64(statement_, ++bound_, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::BindBlob(std::string_view bytes) {
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  Keep(sqlite3_bind_blob64(statement_, ++bound_, data, bytes.size(), SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::BindNull() {
  Keep(sqlite3_bind_null(statement_, ++bound_));
  return *this;
}

// The code of reset repeats that of the step before it, which the caller has in hand.
void Statement::Rewind() {
  static_cast<void>(sqlite3_reset(statement_));
  static_cast<void>(sqlite3_clear_bindings(statement_));
  bound_ = 0;
  running_ = false;
  bind_error_.reset();
}

Status Statement::Run() {
  PTQ_ASSIGN_OR_RETURN(const bool row, Next());
  PTQ_CHECK(!row) << "a statement that returns no rows returned one: " << sqlite3_sql(statement_);
  return OkStatus();
}

Result<bool> Statement::Next() {
  if (bind_error_.has_value()) {
    Error error = *bind_error_;
    Rewind();
    return error;
  }
  if (!running_) {
    const int wanted = sqlite3_bind_parameter_count(statement_);
    PTQ_CHECK(bound_ == wanted) << bound_ << " of " << wanted << " parameters bound: " << sqlite3_sql(statement_);
    running_ = true;
  }
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    Rewind();
    return false;
  }
  Error error = SqliteError(connection_, code, path_);
  Rewind();
  return error;
}

bool Statement::IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_, column); }

double Statement::Real(int column) const { return sqlite3_column_double(statement_, column); }

std::string Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return "";
  return std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

std::string Statement::Blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  if (bytes == nullptr) return "";
  return std::string(bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

std::optional<double> Statement::OptionalReal(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Real(column);
}

}  // namespace ptq::results
