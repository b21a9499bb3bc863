#include "experiments/cli/trial_lookup.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace ptq::experiments::cli {
namespace {

constexpr size_t kMaxKeyDigits = 64;
constexpr size_t kShownKeys = 5;

}  // namespace

bool IsKeyPrefix(const std::string& text) {
  return text.size() >= kMinKeyDigits && text.size() <= kMaxKeyDigits &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

Result<results::TrialSummary> FindTrial(const results::Store& store, std::string prefix) {
  if (!IsKeyPrefix(prefix)) {
    return InvalidArgument("'" + prefix + "' is not the first " + std::to_string(kMinKeyDigits) +
                           " or more hex digits of a stored trial's key; `ptqbench plan EXPERIMENT` prints the keys");
  }
  std::transform(prefix.begin(), prefix.end(), prefix.begin(), [](unsigned char c) { return std::tolower(c); });
  PTQ_ASSIGN_OR_RETURN(const std::vector<results::TrialSummary> trials, store.Trials());
  std::vector<results::TrialSummary> found;
  for (const results::TrialSummary& trial : trials) {
    if (trial.trial_key.compare(0, prefix.size(), prefix) == 0) {
      found.push_back(trial);
    }
  }
  if (found.empty()) {
    return InvalidArgument("no stored trial has a key that begins with '" + prefix +
                           "'; `ptqbench plan EXPERIMENT` prints the keys");
  }
  if (found.size() > 1) {
    std::string keys;
    for (size_t i = 0; i < std::min(found.size(), kShownKeys); ++i) {
      keys += (i == 0 ? "" : ", ") + found[i].trial_key.substr(0, prefix.size() + kMinKeyDigits);
    }
    return InvalidArgument(std::to_string(found.size()) + " stored trials have keys that begin with '" + prefix +
                           "'; give more digits: " + keys + (found.size() > kShownKeys ? ", ..." : ""));
  }
  return found.front();
}

}  // namespace ptq::experiments::cli
