#include "data/catalog/text_rule.h"

#include <algorithm>
#include <sstream>

namespace ptq::data {
namespace {

constexpr size_t kMaxNameLength = 128;

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

bool IsName(const std::string& text) {
  return text.front() != '_' && text.front() != '-' && text.front() != '.' &&
         std::all_of(text.begin(), text.end(), IsNameCharacter);
}

bool HasParentPart(const std::string& path) {
  std::istringstream parts(path);
  std::string part;
  while (std::getline(parts, part, '/')) {
    if (part == "..") {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string Objection(const std::string& text, TextRule rule) {
  if (text.find_first_not_of(" \t\n\r") == std::string::npos) {
    return "is empty";
  }
  for (const char c : text) {
    const bool break_of_prose = rule == TextRule::kText && (c == '\n' || c == '\t' || c == '\r');
    if (IsControl(c) && !break_of_prose) {
      return rule == TextRule::kText ? "holds a control character" : "must be one line without control characters";
    }
  }
  if (rule == TextRule::kName) {
    if (text.size() > kMaxNameLength) {
      return "is a name of more than 128 characters";
    }
    if (!IsName(text)) {
      return "is '" + text + "'; a name begins with a letter or digit and has only these, '_', '-' and '.'";
    }
  }
  if (rule == TextRule::kRelativePath && text.front() == '/') {
    return "is '" + text + "'; it must be relative to the data root, so it may not begin with '/'";
  }
  if ((rule == TextRule::kRelativePath || rule == TextRule::kPath) && HasParentPart(text)) {
    return "is '" + text + "'; a path here may not hold '..'";
  }
  return "";
}

}  // namespace ptq::data
