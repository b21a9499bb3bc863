// check.h: assertions that stay on in release builds.
//
//   PTQ_CHECK(index < size) << "op " << name;
// A failed check prints file, line, condition and text to stderr and aborts.  It marks a bug in this program: nothing
// that a user can type or a file can contain may reach one.
#pragma once

#include <sstream>

namespace ptq::internal {

class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  [[noreturn]] ~CheckFailure();
  std::ostringstream& stream() { return stream_; }

 private:
  std::ostringstream stream_;
};

}  // namespace ptq::internal

#define PTQ_CHECK(condition) \
  while (!(condition)) ::ptq::internal::CheckFailure(__FILE__, __LINE__, #condition).stream()
