// sha256.h: SHA-256 of bytes and files, as lower-case hex.
#pragma once

#include <string>
#include <string_view>

#include "core/base/error.h"

namespace ptq::data {

std::string Sha256(std::string_view bytes);
// Streams the file.  Errors: NotFound, Io.
Result<std::string> Sha256OfFile(const std::string& path);

}  // namespace ptq::data
