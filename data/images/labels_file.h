// labels_file.h: the text files that give pictures their classes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "data/images/dataset.h"

namespace ptq::data {

// "path class" per line: the last word is the class, counted from 0, and all before it the path, which may hold spaces.
// Blank lines, CRLF and a byte order mark are accepted.  In the file's order.
// classes: how many there are; 0: not pinned.  where: the file's name in messages.
// Errors: Corrupt as `file:line: message`, also for a path that is absolute or has a part ".", ".." or "".
Result<std::vector<Sample>> ParseImageList(std::string_view text, int64_t classes, const std::string& where);

// One class per line, nothing else on it.  Blank lines may only end the file.  Errors: Corrupt as `file:line: message`.
Result<std::vector<int64_t>> ParseClassLines(std::string_view text, int64_t classes, const std::string& where);

}  // namespace ptq::data
