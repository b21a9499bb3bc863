// parameters.h: a method's own settings: declared with type, default and range, then given by an experiment.
//
// A parameter that is accepted is used; an unknown name, a wrong type and a value out of range are errors.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/error.h"

namespace ptq::method {

using ParameterValue = std::variant<bool, int64_t, double, std::string>;

// "true", "8", "0.9999" (shortest text that reads back to the same double), "affine".
std::string ToString(const ParameterValue& value);

struct UsedWhen {
  std::string name;
  ParameterValue value;
};

struct ParameterSpec {
  std::string name;
  ParameterValue default_value;      // also fixes the type; an integer is accepted where a double is declared
  std::string meaning;               // one sentence, with the unit and the source
  std::optional<double> min, max;    // of numbers, both ends allowed
  std::vector<std::string> choices;  // of strings
  // The parameter is read only where another one has this value; given elsewhere it is an error, not ignored.
  std::optional<UsedWhen> used_when = std::nullopt;
  std::function<Status(const std::string&)> check = nullptr;  // of strings without choices: whether the text is legal
  // Legal values besides the default, for tests and help; of strings with check.
  std::vector<std::string> examples = {};
  bool mixed_only = false;  // read only where Scheme::mixed; given elsewhere it is an error
};

class Parameters {
 public:
  // The defaults of `specs` overridden by `given`, for a scheme that is mixed or not.  InvalidArgument lists every
  // fault, one a line.
  static Result<Parameters> Resolve(const std::vector<ParameterSpec>& specs,
                                    const std::map<std::string, ParameterValue>& given, bool mixed = false);

  // The value of a declared parameter; a name or type that was not declared is a CHECK failure.
  bool Bool(const std::string& name) const;
  int64_t Int(const std::string& name) const;
  double Double(const std::string& name) const;
  const std::string& String(const std::string& name) const;

  const std::map<std::string, ParameterValue>& values() const { return values_; }
  // "name=value" in ascending order of names, joined by single spaces; part of a trial's key.
  std::string ToString() const;

 private:
  std::map<std::string, ParameterValue> values_;
};

}  // namespace ptq::method
