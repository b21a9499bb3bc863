#include "core/base/error.h"

#include <cstdio>
#include <cstdlib>

namespace ptq {

const char* Name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid argument";
    case ErrorCode::kNotFound:
      return "not found";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kIo:
      return "input/output";
    case ErrorCode::kInterrupted:
      return "interrupted";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

std::string Error::ToString() const { return where.empty() ? message : where + ": " + message; }

Error InvalidArgument(std::string message, std::string where) {
  return {ErrorCode::kInvalidArgument, std::move(message), std::move(where)};
}
Error NotFound(std::string message, std::string where) {
  return {ErrorCode::kNotFound, std::move(message), std::move(where)};
}
Error Corrupt(std::string message, std::string where) {
  return {ErrorCode::kCorrupt, std::move(message), std::move(where)};
}
Error Unsupported(std::string message, std::string where) {
  return {ErrorCode::kUnsupported, std::move(message), std::move(where)};
}
Error IoError(std::string message, std::string where) { return {ErrorCode::kIo, std::move(message), std::move(where)}; }
Error Interrupted(std::string message, std::string where) {
  return {ErrorCode::kInterrupted, std::move(message), std::move(where)};
}
Error Internal(std::string message, std::string where) {
  return {ErrorCode::kInternal, std::move(message), std::move(where)};
}

namespace internal {

CheckFailure::CheckFailure(const char* file, int line, const char* condition) {
  stream_ << file << ":" << line << ": check failed: " << condition << " ";
}

CheckFailure::~CheckFailure() {
  std::fprintf(stderr, "%s\n", stream_.str().c_str());
  std::abort();
}

}  // namespace internal
}  // namespace ptq
