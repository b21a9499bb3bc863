#include "core/method/parameters.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/base/nearest_name.h"

namespace ptq::method {
namespace {

const char* TypeName(const ParameterValue& value) {
  constexpr const char* kNames[] = {"true or false", "an integer", "a number", "a string"};
  return kNames[value.index()];
}

// `given` as the type that the spec declares, or the fault as a sentence.
Result<ParameterValue> Accept(const ParameterSpec& spec, const ParameterValue& given) {
  ParameterValue value = given;
  if (std::holds_alternative<double>(spec.default_value) && std::holds_alternative<int64_t>(given)) {
    value = static_cast<double>(std::get<int64_t>(given));
  }
  if (value.index() != spec.default_value.index()) {
    return InvalidArgument("parameter '" + spec.name + "' must be " + TypeName(spec.default_value) + ", not " +
                           TypeName(given) + " (" + ToString(given) + ")");
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    for (const std::string& choice : spec.choices) {
      if (*text == choice) {
        return value;
      }
    }
    if (spec.check) {
      const Status checked = spec.check(*text);
      if (!checked.ok()) {
        return InvalidArgument("parameter '" + spec.name + "' is '" + *text + "'; " + checked.error().message);
      }
      return value;
    }
    if (!spec.choices.empty()) {
      std::string list;
      for (const std::string& choice : spec.choices) {
        list += (list.empty() ? "" : ", ") + choice;
      }
      return InvalidArgument("parameter '" + spec.name + "' is '" + *text + "'; it must be one of " + list +
                             DidYouMean(*text, spec.choices));
    }
  }
  double number = 0;
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    number = static_cast<double>(*integer);
  } else if (const auto* real = std::get_if<double>(&value)) {
    number = *real;
  } else {
    return value;
  }
  if (!std::isfinite(number) || (spec.min && number < *spec.min) || (spec.max && number > *spec.max)) {
    return InvalidArgument("parameter '" + spec.name + "' is " + ToString(value) + "; it must lie in " +
                           (spec.min ? ToString(ParameterValue(*spec.min)) : "-inf") + ".." +
                           (spec.max ? ToString(ParameterValue(*spec.max)) : "inf"));
  }
  return value;
}

template <typename T>
const T& Get(const std::map<std::string, ParameterValue>& values, const std::string& name) {
  const auto it = values.find(name);
  PTQ_CHECK(it != values.end()) << "parameter '" << name << "' was not declared";
  const T* value = std::get_if<T>(&it->second);
  PTQ_CHECK(value != nullptr) << "parameter '" << name << "' is " << TypeName(it->second);
  return *value;
}

}  // namespace

std::string ToString(const ParameterValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) {
    return *flag ? "true" : "false";
  }
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    return std::to_string(*integer);
  }
  if (const auto* real = std::get_if<double>(&value)) {
    char buffer[64];
    const std::to_chars_result end = std::to_chars(buffer, buffer + sizeof(buffer), *real);
    return std::string(buffer, end.ptr);
  }
  return std::get<std::string>(value);
}

Result<Parameters> Parameters::Resolve(const std::vector<ParameterSpec>& specs,
                                       const std::map<std::string, ParameterValue>& given, bool mixed) {
  Parameters parameters;
  std::vector<std::string> names;
  std::string faults;
  auto fault = [&](const std::string& sentence) { faults += (faults.empty() ? "" : "\n") + sentence; };
  for (const ParameterSpec& spec : specs) {
    names.push_back(spec.name);
    const auto it = given.find(spec.name);
    if (it == given.end()) {
      parameters.values_[spec.name] = spec.default_value;
      continue;
    }
    Result<ParameterValue> accepted = Accept(spec, it->second);
    if (accepted.ok()) {
      parameters.values_[spec.name] = *accepted;
    } else {
      fault(accepted.error().message);
    }
  }
  for (const ParameterSpec& spec : specs) {
    if (spec.mixed_only && !mixed && given.count(spec.name) != 0) {
      fault("parameter '" + spec.name +
            "' is read only under mixed precision; leave it out, or write bits as 'W8A8 MP'");
    }
    PTQ_CHECK(!spec.used_when || parameters.values_.count(spec.used_when->name) != 0 || !faults.empty()) << spec.name;
    if (!spec.used_when || given.count(spec.name) == 0) {
      continue;
    }
    const auto condition = parameters.values_.find(spec.used_when->name);
    if (condition != parameters.values_.end() && !(condition->second == spec.used_when->value)) {
      fault("parameter '" + spec.name + "' is read only where " + spec.used_when->name + " = " +
            method::ToString(spec.used_when->value) + "; leave it out or set that");
    }
  }
  for (const auto& [name, value] : given) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      fault("no parameter is called '" + name + "'" + DidYouMean(name, names));
    }
  }
  if (!faults.empty()) {
    return InvalidArgument(faults);
  }
  return parameters;
}

bool Parameters::Bool(const std::string& name) const { return Get<bool>(values_, name); }
int64_t Parameters::Int(const std::string& name) const { return Get<int64_t>(values_, name); }
double Parameters::Double(const std::string& name) const { return Get<double>(values_, name); }
const std::string& Parameters::String(const std::string& name) const { return Get<std::string>(values_, name); }

std::string Parameters::ToString() const {
  std::string text;
  for (const auto& [name, value] : values_) {
    text += (text.empty() ? "" : " ") + name + "=" + method::ToString(value);
  }
  return text;
}

}  // namespace ptq::method
