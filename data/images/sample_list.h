// sample_list.h: what every kind of data set checks about its list of samples.
#pragma once

#include <string>
#include <vector>

#include "core/base/error.h"
#include "data/images/dataset.h"

namespace ptq::data {

// "; to get it: <the entry's source>", or "" where it names none.
std::string HowToGet(const DatasetEntry& entry);

// "test/00042": at least five digits, and as many for all `count` pictures, so that the order of ids is the order of
// indices.
std::string NumberedId(const std::string& split, int64_t index, int64_t count);

// Ascending by id.  Errors: Corrupt where an id occurs twice or their number is not the entry's count.
Result<std::vector<Sample>> SortAndCheck(const DatasetEntry& entry, const std::string& where,
                                         std::vector<Sample> samples);

}  // namespace ptq::data
