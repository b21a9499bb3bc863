#include "core/base/nearest_name.h"

#include <algorithm>
#include <numeric>

namespace ptq {
namespace {

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row.back();
}

}  // namespace

std::string NearestName(std::string_view name, const std::vector<std::string>& candidates) {
  constexpr size_t kLongestComparedName = 256;
  std::string best;
  size_t best_distance = 0;
  if (name.size() > kLongestComparedName) {
    return best;
  }
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongestComparedName) {
      continue;
    }
    const size_t limit = std::max<size_t>(2, std::max(name.size(), candidate.size()) / 3);
    const size_t distance = EditDistance(name, candidate);
    if (distance <= limit && (best.empty() || distance < best_distance)) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string DidYouMean(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string nearest = NearestName(name, candidates);
  return nearest.empty() ? "" : "; did you mean '" + nearest + "'?";
}

}  // namespace ptq
