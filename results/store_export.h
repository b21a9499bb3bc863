// store_export.h: the view v_trial as a text for other programs.
#pragma once

#include <string>

#include "core/base/error.h"

namespace ptq::results {

// All rows of v_trial in the order of insertion, with its column names.  "csv": RFC 4180 with a header, NULL empty.
// "json": {"schema_version": 1, "trials": [{column: value, ...}, ...]}.
// Errors: those of Store::Open for reading; InvalidArgument for another format.
Result<std::string> ExportTrials(const std::string& path, const std::string& format);

}  // namespace ptq::results
