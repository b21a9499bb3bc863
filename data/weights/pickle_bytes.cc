#include "data/weights/pickle_bytes.h"

#include <cstring>

namespace ptq::data {
namespace {

Error Truncated() { return Corrupt("data.pkl ends in the middle of a value; fetch the file again"); }

}  // namespace

Result<std::string_view> PickleBytes::Take(uint64_t count) {
  if (count > rest_.size()) {
    return Truncated();
  }
  const std::string_view taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}

Result<uint64_t> PickleBytes::TakeUnsigned(size_t bytes) {
  PTQ_ASSIGN_OR_RETURN(const std::string_view taken, Take(bytes));
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    value |= static_cast<uint64_t>(static_cast<unsigned char>(taken[i])) << (8 * i);
  }
  return value;
}

Result<int64_t> PickleBytes::TakeLong() {
  PTQ_ASSIGN_OR_RETURN(const uint64_t length, TakeUnsigned(1));
  if (length > 8) {
    return Unsupported("data.pkl holds an integer of more than 64 bits; save model.state_dict() alone");
  }
  PTQ_ASSIGN_OR_RETURN(uint64_t bits, TakeUnsigned(length));
  if (length > 0 && length < 8 && (bits >> (8 * length - 1)) != 0) {
    bits |= ~uint64_t{0} << (8 * length);
  }
  return static_cast<int64_t>(bits);
}

Result<double> PickleBytes::TakeDouble() {
  PTQ_ASSIGN_OR_RETURN(const uint64_t bits, TakeUnsigned(8));
  const uint64_t swapped = __builtin_bswap64(bits);
  double value = 0;
  std::memcpy(&value, &swapped, sizeof(value));
  return value;
}

Result<std::string> PickleBytes::TakeLine() {
  const size_t end = rest_.find('\n');
  if (end == std::string_view::npos) {
    return Truncated();
  }
  std::string line(rest_.substr(0, end));
  rest_.remove_prefix(end + 1);
  return line;
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead > 0xf4 || (lead >= 0x80 && lead < 0xc2) || length > text.size() - i) {
      return false;
    }
    uint32_t code = length == 1 ? lead : lead & (0xff >> (length + 1));
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) {
        return false;
      }
      code = (code << 6) | (next & 0x3f);
    }
    const uint32_t smallest = length == 4 ? 0x10000 : length == 3 ? 0x800 : length == 2 ? 0x80 : 0;
    if (code < smallest || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
      return false;
    }
    i += length;
  }
  return true;
}

}  // namespace ptq::data
