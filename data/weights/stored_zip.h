// stored_zip.h: the entries of a zip archive that torch.save wrote: stored, never deflated.
//
// An entry cannot be larger than the archive, so that a small file cannot ask for much memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"

struct zip;

namespace ptq::data {

class StoredZip {
 public:
  // Both fail with Corrupt where this is no zip archive or a name occurs twice; `where` goes into each error.
  static Result<StoredZip> OpenFile(const std::string& path);  // also NotFound, Io
  // The bytes outlive the archive.
  static Result<StoredZip> OpenMemory(const std::byte* bytes, size_t size, const std::string& where);

  uint64_t size() const { return size_; }  // of the whole archive
  std::vector<std::string> Names() const;  // ascending
  bool Has(const std::string& name) const { return entries_.count(name) != 0; }
  // The entry's size from the directory.  Errors: Corrupt (no such entry, larger than the archive), Unsupported
  // (deflated or encrypted).
  Result<uint64_t> SizeOf(const std::string& name) const;
  // The entry's bytes; the checksum is verified.  Errors: those of SizeOf, Corrupt, Io.
  Result<std::vector<std::byte>> Read(const std::string& name) const;

 private:
  struct Close {
    void operator()(struct zip* archive) const;
  };
  StoredZip(struct zip* archive, uint64_t size, std::string where)
      : archive_(archive), size_(size), where_(std::move(where)) {}
  static Result<StoredZip> Index(StoredZip archive);

  std::unique_ptr<struct zip, Close> archive_;
  uint64_t size_ = 0;
  std::string where_;
  std::map<std::string, uint64_t> entries_;  // name -> index
};

}  // namespace ptq::data
