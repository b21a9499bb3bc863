// toml_state.h: what stands behind TomlTable and TomlDocument; for their sources only.
#pragma once

#include <toml++/toml.h>

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/catalog/strict_toml.h"

namespace ptq::data {

struct FaultRecord {
  SourcePosition position;
  std::string message;
};

struct TomlNode {
  const toml::table* table = nullptr;
  SourcePosition position;
  std::string title;            // "[[model]]", "table 'scheme'"; how faults name it
  std::set<std::string> known;  // keys that a getter asked for
  bool free_keys = false;       // Keys() was called
  TomlState* document = nullptr;
};

struct TomlState {
  std::string path;
  toml::table root;
  std::deque<TomlNode> nodes;  // every table that was handed out, once
  std::map<const toml::table*, TomlNode*> node_of;
  std::vector<FaultRecord> faults;

  void Fault(SourcePosition position, std::string message) { faults.push_back({position, std::move(message)}); }
};

inline std::string Quoted(const std::string& text) { return "'" + text + "'"; }

inline std::string Joined(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    list += (list.empty() ? "" : ", ") + name;
  }
  return list;
}

// The place at which `region` begins; `fallback` where toml++ knows none.
inline SourcePosition Begin(const toml::source_region& region, SourcePosition fallback) {
  if (region.begin.line == 0) {
    return fallback;
  }
  return {static_cast<int>(region.begin.line), static_cast<int>(region.begin.column)};
}

// A view of `table`, whose keys Finish() will check; position and title are those of the first call.
TomlTable HandOut(TomlState* document, const toml::table& table, SourcePosition position, std::string title);

}  // namespace ptq::data
