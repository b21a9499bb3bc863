// toml_nesting.h: how deep a TOML text nests, found without building it.
#pragma once

#include <optional>
#include <string_view>

#include "data/catalog/strict_toml.h"

namespace ptq::data {

// The place at which the brackets, braces and dots of one statement together pass `limit` levels; none where they do
// not.  A number's point counts as a dot.  A parser that recurses per level, and a tree that is freed recursively, need
// the bound before they start: with it a document is at most 2 * limit levels deep (a header and a key below it).  On
// text that is not TOML the scan agrees with a parser up to the first mistake.
std::optional<SourcePosition> DeeperThan(std::string_view text, int limit);

}  // namespace ptq::data
