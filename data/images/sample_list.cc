#include "data/images/sample_list.h"

#include <algorithm>

#include "core/base/check.h"

namespace ptq::data {

std::string HowToGet(const DatasetEntry& entry) { return entry.source.empty() ? "" : "; to get it: " + entry.source; }

std::string NumberedId(const std::string& split, int64_t index, int64_t count) {
  PTQ_CHECK(index >= 0 && index < count) << index << " of " << count;
  const size_t width = std::max<size_t>(5, std::to_string(count - 1).size());
  const std::string digits = std::to_string(index);
  return split + "/" + std::string(width - digits.size(), '0') + digits;
}

Result<std::vector<Sample>> SortAndCheck(const DatasetEntry& entry, const std::string& where,
                                         std::vector<Sample> samples) {
  std::sort(samples.begin(), samples.end(), [](const Sample& a, const Sample& b) { return a.id < b.id; });
  const auto twice =
      std::adjacent_find(samples.begin(), samples.end(), [](const Sample& a, const Sample& b) { return a.id == b.id; });
  if (twice != samples.end()) return Corrupt("the picture '" + twice->id + "' is listed twice", where);
  if (samples.empty()) return Corrupt("data set '" + entry.name + "' holds no pictures" + HowToGet(entry), where);
  if (entry.count > 0 && static_cast<int64_t>(samples.size()) != entry.count) {
    return Corrupt("data set '" + entry.name + "' must hold " + std::to_string(entry.count) + " pictures, here are " +
                       std::to_string(samples.size()) + HowToGet(entry),
                   where);
  }
  return samples;
}

}  // namespace ptq::data
