// file_io.h: whole files in and out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace ptq::data {

// The bytes of a regular file.  Errors: NotFound, Io (also for a folder), Unsupported where it holds more than
// max_bytes.
Result<std::string> ReadFile(const std::string& path, int64_t max_bytes = int64_t{1} << 34);

// Afterwards the file holds `bytes`, or what it held before: written beside under a temporary name, synced, renamed.
// Creates no folders.  Errors: Io.
Status WriteFileAtomically(const std::string& path, std::string_view bytes);

}  // namespace ptq::data
