// text_rule.h: what a string of a TOML file may hold.
#pragma once

#include <string>

namespace ptq::data {

// No string may be empty or hold control characters (kText: but line breaks and tabs).
enum class TextRule {
  kName,          // letters, digits, '_', '-', '.', the first a letter or digit; at most 128
  kLine,          // one line
  kText,          // prose, may have several lines
  kRelativePath,  // one line; no part is "..", does not begin with '/'
  kPath,          // one line; no part is ".."
};

// What is wrong with `text`, as the end of a sentence whose subject is the key; empty where nothing is.
std::string Objection(const std::string& text, TextRule rule);

}  // namespace ptq::data
