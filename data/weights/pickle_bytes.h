// pickle_bytes.h: a cursor over the bytes of a pickle; every step is checked against the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace ptq::data {

class PickleBytes {
 public:
  explicit PickleBytes(std::string_view bytes) : rest_(bytes) {}

  // Each returns Corrupt where the bytes end too early.
  Result<std::string_view> Take(uint64_t count);
  // Little endian, 1 to 8 bytes.
  Result<uint64_t> TakeUnsigned(size_t bytes);
  // A length byte, then as many bytes of two's complement.  Unsupported above 64 bits.
  Result<int64_t> TakeLong();
  // An IEEE double, big endian.
  Result<double> TakeDouble();
  // Up to the line feed, which is taken too.
  Result<std::string> TakeLine();

 private:
  std::string_view rest_;
};

// Whether the bytes are well-formed UTF-8 (no overlong forms, no surrogates).
bool IsUtf8(std::string_view text);

}  // namespace ptq::data
