// trial_lookup.h: from what a user types to a stored trial.
#pragma once

#include <cstddef>
#include <string>

#include "core/base/error.h"
#include "results/store.h"

namespace ptq::experiments::cli {

constexpr size_t kMinKeyDigits = 6;

// Whether the text may be a trial's key or the beginning of one: kMinKeyDigits to 64 hex digits of either case.
bool IsKeyPrefix(const std::string& text);

// The one stored trial whose key begins with `prefix`.  InvalidArgument: no key beginning, nothing or several found.
Result<results::TrialSummary> FindTrial(const results::Store& store, std::string prefix);

}  // namespace ptq::experiments::cli
