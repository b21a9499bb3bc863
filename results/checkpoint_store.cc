#include "results/checkpoint_store.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include "results/sqlite_database.h"

namespace ptq::results {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kApplicationId = 1347703115;  // "PTQK"
constexpr int64_t kVersion = 2;

constexpr char kSchema[] = R"(
PRAGMA application_id = 1347703115;
CREATE TABLE kept (
  scope       TEXT NOT NULL,
  key         TEXT NOT NULL,
  value       BLOB NOT NULL,
  seconds     REAL NOT NULL,
  created_utc TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
  PRIMARY KEY (scope, key)
) WITHOUT ROWID;
)";

// What version 2 adds to version 1.
constexpr char kOwners[] = R"(
PRAGMA user_version = 2;
CREATE TABLE owner (
  scope     TEXT NOT NULL,
  trial_key TEXT NOT NULL,
  PRIMARY KEY (scope, trial_key)
) WITHOUT ROWID;
)";

// The failure as it concerns a cache: what can be thrown away, and that nothing is lost by it.
Error Explain(const Error& error, const std::string& path) {
  if (error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kInternal) {
    return Corrupt(
        "is not a usable checkpoint file of calibrations (damaged, or another program's); it only saves time: delete "
        "it and run again, or give --no-checkpoint",
        path);
  }
  return Error{error.code,
               fmt::format("the checkpoint file of calibrations cannot be used ({}); it only saves time: mend that, "
                           "delete the file, or give --no-checkpoint",
                           error.message),
               path};
}

// The version of our schema; 0: the file is empty.
Result<int64_t> VersionOf(const Database& database) {
  PTQ_ASSIGN_OR_RETURN(const Database::Identity identity, database.ReadIdentity());
  if (identity.empty()) return int64_t{0};
  if (identity.application != kApplicationId || identity.version < 1 || identity.version > kVersion) {
    return Corrupt("of another program or version");
  }
  return identity.version;
}

Status CreateSchema(const Database& database) {
  PTQ_ASSIGN_OR_RETURN(const int64_t there, VersionOf(database));
  if (there == kVersion) return OkStatus();
  PTQ_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
  PTQ_ASSIGN_OR_RETURN(const int64_t meanwhile, VersionOf(database));
  if (meanwhile == kVersion) return OkStatus();
  if (meanwhile == 0) PTQ_RETURN_IF_ERROR(database.Execute(kSchema));
  PTQ_RETURN_IF_ERROR(database.Execute(kOwners));
  return transaction.Commit();
}

Result<Database> OpenFile(const fs::path& file) {
  std::error_code ignored;
  if (fs::file_size(file, ignored) > 0 && !ignored) {
    // First through a read-only connection, so that a foreign file stays as it is.  One whose making was cut off needs
    // a connection that writes.
    PTQ_ASSIGN_OR_RETURN(const Database look, Database::Open(file.string(), Database::Access::kReadOnly));
    const Result<int64_t> ours = VersionOf(look);
    if (!ours.ok() && !look.last_call_needed_recovery()) return ours.error();
  }
  PTQ_ASSIGN_OR_RETURN(Database database, Database::Open(file.string(), Database::Access::kCreate));
  if (database.read_only()) return IoError("it is read-only");
  PTQ_ASSIGN_OR_RETURN([[maybe_unused]] const int64_t ours, VersionOf(database));
  PTQ_RETURN_IF_ERROR(SwitchToWal(database));
  PTQ_RETURN_IF_ERROR(database.Execute("PRAGMA synchronous = NORMAL"));
  PTQ_RETURN_IF_ERROR(CreateSchema(database));
  return database;
}

Result<std::optional<CheckpointStore::Kept>> Read(const Database& database, const std::string& scope,
                                                  const std::string& key) {
  PTQ_ASSIGN_OR_RETURN(Statement find, database.Prepare("SELECT value, seconds FROM kept WHERE scope = ? AND key = ?"));
  PTQ_ASSIGN_OR_RETURN(const bool found, find.BindText(scope).BindText(key).Next());
  if (!found) return std::optional<CheckpointStore::Kept>();
  return std::optional<CheckpointStore::Kept>({find.Blob(0), find.Real(1)});
}

Status Write(const Database& database, const std::string& scope, const std::string& key,
             const CheckpointStore::Kept& kept, const std::string& owner) {
  if (!owner.empty()) {
    PTQ_ASSIGN_OR_RETURN(Statement own,
                         database.Prepare("INSERT OR IGNORE INTO owner (scope, trial_key) VALUES (?, ?)"));
    PTQ_RETURN_IF_ERROR(own.BindText(scope).BindText(owner).Run());
  }
  PTQ_ASSIGN_OR_RETURN(Statement insert, database.Prepare("INSERT OR IGNORE INTO kept (scope, key, value, seconds) "
                                                          "VALUES (?, ?, ?, ?)"));
  return insert.BindText(scope).BindText(key).BindBlob(kept.value).BindReal(kept.seconds).Run();
}

Status Forget(const Database& database, const std::string& scope) {
  for (const char* sql : {"DELETE FROM kept WHERE scope = ?", "DELETE FROM owner WHERE scope = ?"}) {
    PTQ_ASSIGN_OR_RETURN(Statement drop, database.Prepare(sql));
    PTQ_RETURN_IF_ERROR(drop.BindText(scope).Run());
  }
  return OkStatus();
}

// The scopes that somebody still needs are left out.
Result<std::vector<std::string>> Unneeded(const Database& database,
                                          const std::function<bool(const std::string&)>& is_done) {
  PTQ_ASSIGN_OR_RETURN(Statement row,
                       database.Prepare("SELECT scopes.scope, owner.trial_key FROM (SELECT DISTINCT scope FROM kept)"
                                        " AS scopes LEFT JOIN owner ON owner.scope = scopes.scope"));
  std::map<std::string, bool> unneeded;
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool found, row.Next());
    if (!found) break;
    bool& nobody = unneeded.emplace(row.Text(0), true).first->second;
    nobody = nobody && (row.IsNull(1) || is_done(row.Text(1)));
  }
  std::vector<std::string> scopes;
  for (const auto& [scope, nobody] : unneeded) {
    if (nobody) scopes.push_back(scope);
  }
  return scopes;
}

Result<CheckpointStore::Cleaned> CleanFile(const Database& database,
                                           const std::function<bool(const std::string&)>& is_done) {
  CheckpointStore::Cleaned cleaned;
  PTQ_ASSIGN_OR_RETURN(const int64_t before, database.QueryInt("SELECT count(*) FROM kept"));
  {
    PTQ_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
    PTQ_ASSIGN_OR_RETURN(const std::vector<std::string> scopes, Unneeded(database, is_done));
    for (const std::string& scope : scopes) PTQ_RETURN_IF_ERROR(Forget(database, scope));
    PTQ_RETURN_IF_ERROR(transaction.Commit());
  }
  PTQ_ASSIGN_OR_RETURN(cleaned.left, database.QueryInt("SELECT count(*) FROM kept"));
  cleaned.dropped = before - cleaned.left;
  PTQ_RETURN_IF_ERROR(database.Execute("VACUUM"));
  PTQ_RETURN_IF_ERROR(database.Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  return cleaned;
}

}  // namespace

struct CheckpointStore::Connection {
  fs::path file;
  std::optional<Database> database;  // absent until the file is there

  Status OpenOnce() {
    if (database) return OkStatus();
    PTQ_ASSIGN_OR_RETURN(database, OpenFile(file));
    return OkStatus();
  }
  bool Exists() const {
    std::error_code ignored;
    return database.has_value() || fs::exists(file, ignored);
  }
};

CheckpointStore::CheckpointStore(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
CheckpointStore::CheckpointStore(CheckpointStore&&) noexcept = default;
CheckpointStore& CheckpointStore::operator=(CheckpointStore&&) noexcept = default;
CheckpointStore::~CheckpointStore() = default;

Result<CheckpointStore> CheckpointStore::Open(const std::string& path) {
  std::error_code error;
  auto connection = std::make_unique<Connection>();
  connection->file = fs::absolute(path, error).lexically_normal();
  if (path.empty() || error || fs::is_directory(connection->file, error)) {
    return InvalidArgument("names no file for the checkpoints of calibrations", path);
  }
  if (connection->Exists()) {
    const Status opened = connection->OpenOnce();
    if (!opened.ok()) return Explain(opened.error(), connection->file.string());
  }
  return CheckpointStore(std::move(connection));
}

Result<std::optional<CheckpointStore::Kept>> CheckpointStore::Find(const std::string& scope, const std::string& key) {
  if (!connection_->Exists()) return std::optional<Kept>();
  const Status opened = connection_->OpenOnce();
  if (!opened.ok()) return Explain(opened.error(), connection_->file.string());
  Result<std::optional<Kept>> found = Read(*connection_->database, scope, key);
  if (!found.ok()) return Explain(found.error(), connection_->file.string());
  return found;
}

Status CheckpointStore::Drop(const std::string& scope) {
  if (!connection_->Exists()) return OkStatus();
  const Status opened = connection_->OpenOnce();
  if (!opened.ok()) return Explain(opened.error(), connection_->file.string());
  const Status dropped = Forget(*connection_->database, scope);
  return dropped.ok() ? dropped : Status(Explain(dropped.error(), connection_->file.string()));
}

Result<CheckpointStore::Cleaned> CheckpointStore::Clean(
    const std::function<bool(const std::string& trial_key)>& is_done) {
  if (!connection_->Exists()) return Cleaned();
  const Status opened = connection_->OpenOnce();
  if (!opened.ok()) return Explain(opened.error(), connection_->file.string());
  Result<Cleaned> cleaned = CleanFile(*connection_->database, is_done);
  if (!cleaned.ok()) return Explain(cleaned.error(), connection_->file.string());
  return cleaned;
}

Status CheckpointStore::Keep(const std::string& scope, const std::string& key, const Kept& kept,
                             const std::string& owner) {
  std::error_code ignored;
  fs::create_directories(connection_->file.parent_path(), ignored);  // a failure shows in the next line
  const Status opened = connection_->OpenOnce();
  if (!opened.ok()) return Explain(opened.error(), connection_->file.string());
  const Status written = Write(*connection_->database, scope, key, kept, owner);
  return written.ok() ? written : Status(Explain(written.error(), connection_->file.string()));
}

}  // namespace ptq::results
