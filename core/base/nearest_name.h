// nearest_name.h: "did you mean", the same everywhere that a name is looked up.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ptq {

// The candidate with the smallest edit distance to `name`; the first on ties; empty where none is within a third of
// the longer name's length (at least 2).
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);

// "; did you mean 'x'?" or "".
std::string DidYouMean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace ptq
