// checkpoint_store.h: the SQLite file that keeps finished parts of calibrations and evaluations, so that no run does
// them twice.
//
// A cache beside the results file: deleting it loses time and nothing else.  A value belongs to a scope (everything
// outside the part that it depends on) and a key within it.  A scope has owners, the trials that kept something in it,
// so that Clean knows what nobody needs any more.  Opened in WAL mode; several processes may use one
// file, and of two that finish the same part the first one's value stays.  One thread at a time per object.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/base/error.h"

namespace ptq::results {

class CheckpointStore {
 public:
  struct Kept {
    std::string value;   // any bytes
    double seconds = 0;  // what the part took when it was done
  };

  // The file is made by the first Keep; where it exists it is checked here.
  // Errors: Corrupt (damaged, or not this program's: the sentence says what to delete), Io, InvalidArgument.
  static Result<CheckpointStore> Open(const std::string& path);
  CheckpointStore(CheckpointStore&&) noexcept;
  CheckpointStore& operator=(CheckpointStore&&) noexcept;
  ~CheckpointStore();

  // Errors: Corrupt, Io.
  Result<std::optional<Kept>> Find(const std::string& scope, const std::string& key);
  // Keeping a key again changes nothing.  owner: the key of the trial; empty: none.  Errors: Corrupt, Io.
  Status Keep(const std::string& scope, const std::string& key, const Kept& kept, const std::string& owner = "");
  // Forgets a scope.  Errors: Corrupt, Io.
  Status Drop(const std::string& scope);

  struct Cleaned {
    int64_t dropped = 0, left = 0;  // parts
  };
  // Forgets every scope whose owners are all done, and those without owners; makes the file smaller.
  // Errors: Corrupt, Io (another process writes).
  Result<Cleaned> Clean(const std::function<bool(const std::string& trial_key)>& is_done);

 private:
  struct Connection;
  explicit CheckpointStore(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> connection_;
};

}  // namespace ptq::results
