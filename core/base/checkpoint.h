// checkpoint.h: finished parts of long work, kept by name so that a killed run does not do them again.
//
// A value is a pure function of its key and of what the giver scoped the checkpoint to, so that using it never changes
// an answer.  Calls come from one thread at a time.
#pragma once

#include <optional>
#include <string>

#include "core/base/error.h"

namespace ptq {

class Checkpoint {
 public:
  virtual ~Checkpoint() = default;
  // The value kept under `key`; empty where that part is still to be done.  Errors: Io.
  virtual Result<std::optional<std::string>> Find(const std::string& key) = 0;
  // Keeps a finished part; it survives a kill from here on.  Keeping the same key again changes nothing.  Errors: Io.
  virtual Status Keep(const std::string& key, const std::string& value) = 0;
};

// Keeps nothing.
class NullCheckpoint final : public Checkpoint {
 public:
  Result<std::optional<std::string>> Find(const std::string&) override { return std::optional<std::string>(); }
  Status Keep(const std::string&, const std::string&) override { return OkStatus(); }
};

}  // namespace ptq
