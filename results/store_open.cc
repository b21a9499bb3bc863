#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "results/store_connection.h"

namespace ptq::results {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kApplicationId = 1347703106;  // "PTQB", as schema.sql sets it
constexpr int64_t kSchemaVersion = 5;
constexpr int kFirstSqliteWithStrictTables = 3037000;

// Version 1, and what each later version adds to the one before it.
constexpr const char* kSchemaSteps[kSchemaVersion] = {
#include "results/schema_sql.inc"
    ,
#include "results/schema_2_sql.inc"
    ,
#include "results/schema_3_sql.inc"
    ,
#include "results/schema_4_sql.inc"
    ,
#include "results/schema_5_sql.inc"
};

// The version of the schema that a file holds; 0: it is empty.
using Version = int64_t;

// Reads only.  Corrupt: a foreign file.  Unsupported: a newer schema.
Result<Version> Identify(const Database& database) {
  const std::string& path = database.path();
  PTQ_ASSIGN_OR_RETURN(const Database::Identity identity, database.ReadIdentity());
  const Version version = identity.version;
  if (identity.empty()) return Version{0};
  if (identity.application != kApplicationId) {
    return Corrupt("is not a ptqbench database (it is the SQLite file of another program); name another file", path);
  }
  if (version > kSchemaVersion) {
    return Unsupported(fmt::format("was written by a newer ptqbench (schema {}; this one knows {}) and was left "
                                   "untouched; update ptqbench or name another file",
                                   version, kSchemaVersion),
                       path);
  }
  if (version < 1) {
    return Corrupt(fmt::format("claims schema {}, which ptqbench never wrote; name another file", version), path);
  }
  return version;
}

Status CreateFolder(const fs::path& file) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error) {
    return IoError(fmt::format("cannot create the folder of the results file ({}); make it by hand or name another "
                               "file",
                               error.message()),
                   file.string());
  }
  return OkStatus();
}

// Makes the schema of an empty file, or adds to an older one what it lacks, in one transaction.
Status BringUpToDate(const Database& database) {
  PTQ_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
  PTQ_ASSIGN_OR_RETURN(const Version version, Identify(database));  // another process may have been faster
  for (Version step = version; step < kSchemaVersion; ++step) {
    PTQ_RETURN_IF_ERROR(database.Execute(kSchemaSteps[step]));
  }
  return transaction.Commit();
}

Result<Database> OpenForWriting(const fs::path& file) {
  PTQ_RETURN_IF_ERROR(CreateFolder(file));
  std::error_code ignored;
  if (fs::file_size(file, ignored) > 0 && !ignored) {
    // A first look through a read-only connection: a foreign or newer file is refused without a byte changed.
    // One whose making was cut off needs a connection that writes; that one looks again below.
    PTQ_ASSIGN_OR_RETURN(const Database look, Database::Open(file.string(), Database::Access::kReadOnly));
    const Result<Version> version = Identify(look);
    if (!version.ok() && !look.last_call_needed_recovery()) return version.error();
  }
  PTQ_ASSIGN_OR_RETURN(Database database, Database::Open(file.string(), Database::Access::kCreate));
  if (database.read_only()) {
    return IoError("the results file is read-only; give write permission or name another file", file.string());
  }
  PTQ_RETURN_IF_ERROR(database.Execute("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL"));
  PTQ_ASSIGN_OR_RETURN(const Version version, Identify(database));
  PTQ_RETURN_IF_ERROR(SwitchToWal(database));
  if (version < kSchemaVersion) PTQ_RETURN_IF_ERROR(BringUpToDate(database));
  return database;
}

Result<Database> OpenForReading(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    return NotFound("there is no results file; run an experiment first, or name the file that holds results",
                    file.string());
  }
  PTQ_ASSIGN_OR_RETURN(Database database, Database::Open(file.string(), Database::Access::kReadOnly));
  Result<Version> version = Identify(database);
  if (!version.ok() && version.error().code == ErrorCode::kIo) {
    const auto wal_bytes = fs::file_size(file.string() + "-wal", ignored);
    if (!ignored && wal_bytes > 0) return version.error();
    // A folder on read-only media: no lock file can be made there, and nobody can write.
    PTQ_ASSIGN_OR_RETURN(database, Database::Open(file.string(), Database::Access::kImmutable));
    version = Identify(database);
  }
  if (!version.ok()) return version.error();
  if (*version == 0) {
    return Corrupt("is not a ptqbench database (it holds nothing); run an experiment first or name another file",
                   file.string());
  }
  return database;
}

}  // namespace

Result<Database> OpenResults(const std::string& path, Store::Mode mode) {
  if (sqlite3_libversion_number() < kFirstSqliteWithStrictTables) {
    return Unsupported(
        fmt::format("SQLite {} is too old for results files; install 3.37 or newer", sqlite3_libversion()));
  }
  if (path.empty()) return InvalidArgument("the results file has an empty name; name a file");
  std::error_code error;
  const fs::path file = fs::absolute(path, error).lexically_normal();
  if (error) return IoError(fmt::format("cannot find the current folder ({})", error.message()), path);
  if (fs::is_directory(file, error)) {
    return InvalidArgument("is a folder; name a file in it for the results", file.string());
  }
  return mode == Store::Mode::kReadOnly ? OpenForReading(file) : OpenForWriting(file);
}

Result<std::vector<std::string>> ColumnsOf(const Database& database, const std::string& table) {
  PTQ_ASSIGN_OR_RETURN(Statement columns, database.Prepare("SELECT name FROM pragma_table_info(?) ORDER BY cid"));
  columns.BindText(table);
  std::vector<std::string> names;
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool row, columns.Next());
    if (!row) return names;
    names.push_back(columns.Text(0));
  }
}

int64_t CurrentSchema() { return kSchemaVersion; }

}  // namespace ptq::results
