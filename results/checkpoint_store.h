// checkpoint_store.h: the SQLite file that keeps finished parts of calibrations, so that no run does them twice.
//
// A cache beside the results file: deleting it loses time and nothing else.  A value belongs to a scope (everything
// outside the calibration that it depends on) and a key within it.  Opened in WAL mode; several processes may use one
// file, and of two that finish the same part the first one's value stays.  One thread at a time per object.
#pragma once

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
  // Keeping a key again changes nothing.  Errors: Corrupt, Io.
  Status Keep(const std::string& scope, const std::string& key, const Kept& kept);

 private:
  struct Connection;
  explicit CheckpointStore(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> connection_;
};

}  // namespace ptq::results
