// strict_toml.h: TOML in which nothing is ignored.
//
// A reader asks a table for the keys it knows.  Every fault (not TOML, a wrong type, out of range, missing, unknown) is
// kept with its place, and Finish() returns all of them, one a line, by line and column:
//   models.toml:12:1: unknown key 'patchsize' in [[model]]; did you mean 'patch_size'?
// A key that no getter asked for is unknown, so a reader cannot forget to refuse one.  After a fault a getter returns
// its fallback and reading goes on: nothing that was read may be used before Finish() says ok.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/error.h"
#include "data/catalog/text_rule.h"

namespace ptq::data {

// Counted from 1; columns count characters, not bytes.
struct SourcePosition {
  int line = 1, column = 1;
};

// "path:line:col: message".
std::string FaultAt(const std::string& path, SourcePosition position, const std::string& message);

// A value and where it stands.
template <typename T>
struct Placed {
  T value;
  SourcePosition position;
};

using TomlScalar = std::variant<bool, int64_t, double, std::string>;

enum class Need { kRequired, kOptional };

struct TomlNode;   // a table that was handed out
struct TomlState;  // the parsed file and its faults

// One table; a view into its TomlDocument, which outlives it.
class TomlTable {
 public:
  explicit TomlTable(TomlNode* node) : node_(node) {}

  SourcePosition position() const;
  // Where the value of `key` stands; where it is absent, the table's own place.
  SourcePosition PositionOf(const std::string& key) const;
  // Whether the key is there.  Does not make it known.
  bool Has(const std::string& key) const;

  std::string Text(const std::string& key, TextRule rule, Need need, const std::string& fallback = "");
  std::string Choice(const std::string& key, const std::vector<std::string>& choices, Need need,
                     const std::string& fallback = "");
  bool Bool(const std::string& key, bool fallback);
  int64_t Int(const std::string& key, int64_t min, int64_t max, Need need, int64_t fallback = 0);
  // An integer is accepted; NaN and infinities are not.
  double Number(const std::string& key, double min, double max, Need need, double fallback = 0);

  // A value or an array of values, none twice; empty only where the key is absent or at fault.
  std::vector<Placed<std::string>> Texts(const std::string& key, TextRule rule, Need need);
  std::vector<Placed<int64_t>> Ints(const std::string& key, int64_t min, int64_t max, Need need);
  std::vector<Placed<TomlScalar>> Scalars(const std::string& key, Need need);
  // An array of exactly `count` numbers, which may repeat; empty where at fault.
  std::vector<double> Numbers(const std::string& key, size_t count, double min, double max, Need need);

  std::optional<TomlTable> Table(const std::string& key, Need need);
  std::vector<TomlTable> Tables(const std::string& key, Need need);  // [[key]]
  // All keys that the file has, ascending; for tables whose keys are free.
  std::vector<std::string> Keys() const;

  // A fault that only the reader can see.
  void Fault(SourcePosition position, const std::string& message);

 private:
  TomlNode* node_;
};

// The text of a TOML file.  Errors: NotFound, Io, Unsupported where it is larger than 1 MiB.
Result<std::string> ReadToml(const std::string& path);

class TomlDocument {
 public:
  // Errors: InvalidArgument where `text` is not TOML, is larger than 1 MiB, or nests deeper than 32 levels.
  // path: how messages name the file.
  static Result<TomlDocument> Parse(const std::string& text, const std::string& path);
  TomlDocument(TomlDocument&&) noexcept;
  TomlDocument& operator=(TomlDocument&&) noexcept;
  ~TomlDocument();

  TomlTable Root();
  // Faults until now; unknown keys are counted only after Finish().
  size_t fault_count() const;
  // InvalidArgument with every fault found until now, unknown keys included.
  Status Finish();

 private:
  explicit TomlDocument(std::unique_ptr<TomlState> state);
  std::unique_ptr<TomlState> state_;
};

}  // namespace ptq::data
