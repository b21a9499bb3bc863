// memory_checkpoint.h: a Checkpoint that lies in memory and remembers what it was asked.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/base/checkpoint.h"

namespace ptq::testing {

class MemoryCheckpoint final : public Checkpoint {
 public:
  Result<std::optional<std::string>> Find(const std::string& key) override {
    const auto it = kept_.find(key);
    if (it == kept_.end()) {
      missed_.insert(key);
      return std::optional<std::string>();
    }
    found_.insert(key);
    return std::optional<std::string>(it->second);
  }
  Status Keep(const std::string& key, const std::string& value) override {
    kept_.emplace(key, value);
    return OkStatus();
  }

  const std::map<std::string, std::string>& kept() const { return kept_; }
  // Keys that were asked for since the last Forget, with and without success.
  const std::set<std::string>& found() const { return found_; }
  const std::set<std::string>& missed() const { return missed_; }
  // Forgets the questions, not the values.
  void Forget() {
    found_.clear();
    missed_.clear();
  }

 private:
  std::map<std::string, std::string> kept_;
  std::set<std::string> found_, missed_;
};

}  // namespace ptq::testing
