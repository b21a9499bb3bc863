// store_compact.h: a results file without the pages that nothing uses.
#pragma once

#include <string>

#include "core/base/error.h"

namespace ptq::results {

// Rewrites the file (SQLite's VACUUM) and empties its write-ahead log.  No row changes.  Needs room for a second copy.
// Errors: those of Store::Open; Io (full disk, another process writes).
Status CompactResults(const std::string& path);

}  // namespace ptq::results
