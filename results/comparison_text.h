// comparison_text.h: a comparison of two trials in words.
#pragma once

#include <string>

#include "core/base/error.h"
#include "results/comparison.h"

namespace ptq::results {

enum class ComparisonFormat { kText, kMarkdown, kJson };
Result<ComparisonFormat> ParseComparisonFormat(const std::string& name);  // "table", "markdown", "json"

// A line for each trial (key, model, method, W/A, seed, execution, right answers, accuracy with its Wilson interval),
// the two by two table of right and wrong, and sentences: the difference with its interval, McNemar's p, the share of
// equal answers, and whether the two can be told apart.  JSON: "schema_version": 1, fractions, not percent; members
// keep their names and meanings.
std::string Render(const Comparison& comparison, ComparisonFormat format);

}  // namespace ptq::results
