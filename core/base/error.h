// error.h: how this project reports failure.
//
// Expected failures (a wrong file, a wrong key, a scheme that a method cannot do) travel as Result<T>: a value, or an
// Error whose message is one sentence that names the thing and the mend.  Bugs in this program are CHECKs (check.h).
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "core/base/check.h"

namespace ptq {

enum class ErrorCode {
  kInvalidArgument,  // a wrong specification, parameter or flag: the user mends the request
  kNotFound,         // a file, model, data set or name is absent: the user brings it
  kCorrupt,          // a file exists and is not what it claims to be
  kUnsupported,      // the request is well formed and this method, grid or machine cannot do it
  kIo,               // the system refused: permissions, full disk
  kInterrupted,      // Ctrl-C
  kInternal,         // a foreign library threw; the message is its text
};

// "invalid argument", "not found", ...
const char* Name(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // one sentence for a person
  std::string where;    // file, file:line:col, op or tensor; may be empty

  // "where: message", or the message alone.
  std::string ToString() const;
};

// A value of type T or an Error.  value() on an error is a CHECK failure.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return value_.has_value(); }
  const Error& error() const {
    PTQ_CHECK(!ok()) << "error() called on a value";
    return *error_;
  }
  T& value() & {
    PTQ_CHECK(ok()) << error_->ToString();
    return *value_;
  }
  const T& value() const& {
    PTQ_CHECK(ok()) << error_->ToString();
    return *value_;
  }
  T&& value() && {
    PTQ_CHECK(ok()) << error_->ToString();
    return std::move(*value_);
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }

 private:
  std::optional<T> value_;
  std::optional<Error> error_;
};

// Success, or an Error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}
  bool ok() const { return !error_.has_value(); }
  const Error& error() const {
    PTQ_CHECK(!ok()) << "error() called on success";
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

inline Status OkStatus() { return {}; }

Error InvalidArgument(std::string message, std::string where = "");
Error NotFound(std::string message, std::string where = "");
Error Corrupt(std::string message, std::string where = "");
Error Unsupported(std::string message, std::string where = "");
Error IoError(std::string message, std::string where = "");
Error Interrupted(std::string message, std::string where = "");
Error Internal(std::string message, std::string where = "");

}  // namespace ptq

// Returns the error of a Status or Result expression from the enclosing function.
#define PTQ_RETURN_IF_ERROR(expr) \
  do {                            \
    auto ptq_status_ = (expr);    \
    if (!ptq_status_.ok()) {      \
      return ptq_status_.error(); \
    }                             \
  } while (false)

#define PTQ_CONCAT_INNER_(a, b) a##b
#define PTQ_CONCAT_(a, b) PTQ_CONCAT_INNER_(a, b)

// PTQ_ASSIGN_OR_RETURN(auto x, F()): x takes the value, or the enclosing function returns the error.
#define PTQ_ASSIGN_OR_RETURN(lhs, expr) PTQ_ASSIGN_OR_RETURN_IMPL_(PTQ_CONCAT_(ptq_result_, __LINE__), lhs, expr)
#define PTQ_ASSIGN_OR_RETURN_IMPL_(result, lhs, expr) \
  auto result = (expr);                               \
  if (!result.ok()) {                                 \
    return result.error();                            \
  }                                                   \
  lhs = std::move(result).value()
