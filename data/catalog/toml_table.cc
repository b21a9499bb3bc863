#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>
#include <utility>

#include "core/base/nearest_name.h"
#include "data/catalog/strict_toml.h"
#include "data/catalog/toml_state.h"

namespace ptq::data {
namespace {

const char* Describe(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return node.is_array_of_tables() ? "an array of tables" : "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number with a point";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

std::string Printed(double value) {
  std::ostringstream out;
  out.precision(12);
  out << value;
  return out.str();
}

std::string Printed(const TomlScalar& value) {
  if (const auto* flag = std::get_if<bool>(&value)) {
    return *flag ? "true" : "false";
  }
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    return std::to_string(*integer);
  }
  if (const auto* real = std::get_if<double>(&value)) {
    return Printed(*real);
  }
  return Quoted(std::get<std::string>(value));
}

// The value of `key`, which becomes known; where it is absent and needed, a fault.
const toml::node* Find(TomlNode* node, const std::string& key, Need need) {
  node->known.insert(key);
  const toml::node* value = node->table->get(key);
  if (value == nullptr && need == Need::kRequired) {
    node->document->Fault(node->position, node->title + " lacks the key " + Quoted(key));
  }
  return value;
}

void WrongType(TomlNode* node, const std::string& key, const toml::node& value, const std::string& wanted) {
  node->document->Fault(Begin(value.source(), node->position),
                        Quoted(key) + " must be " + wanted + ", not " + Describe(value));
}

// The values of an array, or the value itself; an empty array and an array of tables are faults.
std::vector<const toml::node*> Elements(TomlNode* node, const std::string& key, const toml::node& value) {
  const toml::array* array = value.as_array();
  if (array == nullptr) {
    return {&value};
  }
  std::vector<const toml::node*> elements;
  for (const toml::node& element : *array) {
    elements.push_back(&element);
  }
  if (elements.empty()) {
    node->document->Fault(Begin(value.source(), node->position), Quoted(key) + " is an empty array; give one value");
  }
  return elements;
}

std::optional<std::string> AcceptText(TomlNode* node, const std::string& key, const toml::node& value, TextRule rule) {
  const std::optional<std::string> text = value.value_exact<std::string>();
  if (!text) {
    WrongType(node, key, value, "a string");
    return std::nullopt;
  }
  const std::string objection = Objection(*text, rule);
  if (!objection.empty()) {
    node->document->Fault(Begin(value.source(), node->position), Quoted(key) + " " + objection);
    return std::nullopt;
  }
  return text;
}

std::optional<int64_t> AcceptInt(TomlNode* node, const std::string& key, const toml::node& value, int64_t min,
                                 int64_t max) {
  const std::optional<int64_t> number = value.value_exact<int64_t>();
  if (!number) {
    WrongType(node, key, value, "an integer");
    return std::nullopt;
  }
  if (*number < min || *number > max) {
    node->document->Fault(Begin(value.source(), node->position), Quoted(key) + " is " + std::to_string(*number) +
                                                                     "; it must lie in " + std::to_string(min) + ".." +
                                                                     std::to_string(max));
    return std::nullopt;
  }
  return number;
}

std::optional<double> AcceptNumber(TomlNode* node, const std::string& key, const toml::node& value, double min,
                                   double max) {
  if (!value.is_number()) {
    WrongType(node, key, value, "a number");
    return std::nullopt;
  }
  const double number =
      value.is_integer() ? static_cast<double>(**value.as_integer()) : static_cast<double>(**value.as_floating_point());
  if (!std::isfinite(number) || number < min || number > max) {
    node->document->Fault(
        Begin(value.source(), node->position),
        Quoted(key) + " is " + Printed(number) + "; it must lie in " + Printed(min) + ".." + Printed(max));
    return std::nullopt;
  }
  return number;
}

std::optional<TomlScalar> AcceptScalar(TomlNode* node, const std::string& key, const toml::node& value) {
  if (value.is_boolean()) {
    return TomlScalar(**value.as_boolean());
  }
  if (value.is_integer()) {
    return TomlScalar(int64_t{**value.as_integer()});
  }
  if (value.is_floating_point()) {
    const double limit = 1e300;
    const std::optional<double> number = AcceptNumber(node, key, value, -limit, limit);
    return number ? std::optional<TomlScalar>(*number) : std::nullopt;
  }
  if (value.is_string()) {
    const std::optional<std::string> text = AcceptText(node, key, value, TextRule::kLine);
    return text ? std::optional<TomlScalar>(*text) : std::nullopt;
  }
  WrongType(node, key, value, "true or false, a number or a string");
  return std::nullopt;
}

// One value or a list of different values, each taken by `accept`.
template <typename T, typename Accept>
std::vector<Placed<T>> List(TomlNode* node, const std::string& key, Need need, Accept accept) {
  std::vector<Placed<T>> list;
  const toml::node* value = Find(node, key, need);
  if (value == nullptr) {
    return list;
  }
  std::set<T> seen;
  for (const toml::node* element : Elements(node, key, *value)) {
    const std::optional<T> item = accept(*element);
    if (!item) {
      continue;
    }
    const SourcePosition position = Begin(element->source(), node->position);
    if (seen.insert(*item).second) {
      list.push_back({*item, position});
    } else {
      node->document->Fault(position, Quoted(key) + " lists " + Printed(TomlScalar(*item)) + " twice");
    }
  }
  return list;
}

}  // namespace

SourcePosition TomlTable::position() const { return node_->position; }

SourcePosition TomlTable::PositionOf(const std::string& key) const {
  const toml::node* value = node_->table->get(key);
  return value == nullptr ? node_->position : Begin(value->source(), node_->position);
}

bool TomlTable::Has(const std::string& key) const { return node_->table->contains(key); }

std::string TomlTable::Text(const std::string& key, TextRule rule, Need need, const std::string& fallback) {
  const toml::node* value = Find(node_, key, need);
  return value == nullptr ? fallback : AcceptText(node_, key, *value, rule).value_or(fallback);
}

std::string TomlTable::Choice(const std::string& key, const std::vector<std::string>& choices, Need need,
                              const std::string& fallback) {
  const toml::node* value = Find(node_, key, need);
  if (value == nullptr) {
    return fallback;
  }
  const std::optional<std::string> text = AcceptText(node_, key, *value, TextRule::kLine);
  if (!text) {
    return fallback;
  }
  if (std::find(choices.begin(), choices.end(), *text) == choices.end()) {
    Fault(PositionOf(key),
          Quoted(key) + " is " + Quoted(*text) + "; it must be one of " + Joined(choices) + DidYouMean(*text, choices));
    return fallback;
  }
  return *text;
}

bool TomlTable::Bool(const std::string& key, bool fallback) {
  const toml::node* value = Find(node_, key, Need::kOptional);
  if (value == nullptr) {
    return fallback;
  }
  if (!value->is_boolean()) {
    WrongType(node_, key, *value, "true or false");
    return fallback;
  }
  return **value->as_boolean();
}

int64_t TomlTable::Int(const std::string& key, int64_t min, int64_t max, Need need, int64_t fallback) {
  const toml::node* value = Find(node_, key, need);
  return value == nullptr ? fallback : AcceptInt(node_, key, *value, min, max).value_or(fallback);
}

double TomlTable::Number(const std::string& key, double min, double max, Need need, double fallback) {
  const toml::node* value = Find(node_, key, need);
  return value == nullptr ? fallback : AcceptNumber(node_, key, *value, min, max).value_or(fallback);
}

std::vector<Placed<std::string>> TomlTable::Texts(const std::string& key, TextRule rule, Need need) {
  return List<std::string>(node_, key, need,
                           [&](const toml::node& value) { return AcceptText(node_, key, value, rule); });
}

std::vector<Placed<int64_t>> TomlTable::Ints(const std::string& key, int64_t min, int64_t max, Need need) {
  return List<int64_t>(node_, key, need,
                       [&](const toml::node& value) { return AcceptInt(node_, key, value, min, max); });
}

std::vector<Placed<TomlScalar>> TomlTable::Scalars(const std::string& key, Need need) {
  return List<TomlScalar>(node_, key, need, [&](const toml::node& value) { return AcceptScalar(node_, key, value); });
}

std::vector<double> TomlTable::Numbers(const std::string& key, size_t count, double min, double max, Need need) {
  const toml::node* value = Find(node_, key, need);
  if (value == nullptr) {
    return {};
  }
  const toml::array* array = value->as_array();
  if (array == nullptr || array->size() != count) {
    Fault(PositionOf(key), Quoted(key) + " must be an array of " + std::to_string(count) + " numbers");
    return {};
  }
  std::vector<double> numbers;
  for (const toml::node& element : *array) {
    const std::optional<double> number = AcceptNumber(node_, key, element, min, max);
    if (!number) {
      return {};
    }
    numbers.push_back(*number);
  }
  return numbers;
}

std::optional<TomlTable> TomlTable::Table(const std::string& key, Need need) {
  const toml::node* value = Find(node_, key, need);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_table()) {
    WrongType(node_, key, *value, "a table");
    return std::nullopt;
  }
  return HandOut(node_->document, *value->as_table(), PositionOf(key), "table " + Quoted(key));
}

std::vector<TomlTable> TomlTable::Tables(const std::string& key, Need need) {
  const toml::node* value = Find(node_, key, need);
  std::vector<TomlTable> tables;
  if (value == nullptr) {
    return tables;
  }
  const toml::array* array = value->as_array();
  if (array == nullptr || array->empty() || !array->is_homogeneous(toml::node_type::table)) {
    WrongType(node_, key, *value, "one or more tables, each under its own line [[" + key + "]]");
    return tables;
  }
  for (const toml::node& element : *array) {
    const SourcePosition position = Begin(element.source(), PositionOf(key));
    tables.push_back(HandOut(node_->document, *element.as_table(), position, "[[" + key + "]]"));
  }
  return tables;
}

std::vector<std::string> TomlTable::Keys() const {
  node_->free_keys = true;
  std::vector<std::string> keys;
  for (const auto& [key, value] : *node_->table) {
    keys.emplace_back(key.str());
  }
  return keys;
}

void TomlTable::Fault(SourcePosition position, const std::string& message) {
  node_->document->Fault(position, message);
}

}  // namespace ptq::data
