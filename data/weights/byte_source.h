// byte_source.h: the bytes of a weight file, read in pieces, so that a file of a gigabyte is held in memory only once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace ptq::data {

// Larger files and tensors of more axes are refused; ViT-L in float32 has 1.2 GB.
constexpr uint64_t kMaxWeightFileBytes = uint64_t{1} << 34;
constexpr size_t kMaxTensorRank = 16;

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual uint64_t size() const = 0;
  // The `count` bytes from `offset`.  offset + count <= size().  Errors: Io.
  virtual Status Read(uint64_t offset, std::byte* out, size_t count) const = 0;
};

// Over `size` bytes that outlive the source.
std::unique_ptr<ByteSource> MemorySource(const std::byte* bytes, size_t size);

// Over a regular file.  Errors: NotFound, Io (also for a folder or a pipe), Unsupported (above kMaxWeightFileBytes).
Result<std::unique_ptr<ByteSource>> OpenFileSource(const std::string& path);

// `count` zero bytes.  Errors: Io where the memory is not there; `what` names what they are for.
Result<std::vector<std::byte>> AllocateBytes(uint64_t count, const std::string& what);

// A name from a foreign file for an error message: in quotes, control characters as '?', at most 120 bytes of it.
std::string Quoted(const std::string& name);

}  // namespace ptq::data
