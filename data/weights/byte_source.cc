#include "data/weights/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>

#include "core/base/check.h"

namespace ptq::data {
namespace {

class Memory final : public ByteSource {
 public:
  Memory(const std::byte* bytes, size_t size) : bytes_(bytes), size_(size) {}
  uint64_t size() const override { return size_; }
  Status Read(uint64_t offset, std::byte* out, size_t count) const override {
    PTQ_CHECK(offset <= size_ && count <= size_ - offset) << offset << " + " << count << " of " << size_;
    if (count != 0) {
      std::memcpy(out, bytes_ + offset, count);
    }
    return OkStatus();
  }

 private:
  const std::byte* bytes_;
  size_t size_;
};

class File final : public ByteSource {
 public:
  File(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~File() override { close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Finds size() and refuses what is no regular file.
  Status Inspect() {
    struct stat info = {};
    if (fstat(fd_, &info) != 0) {
      return SystemError("cannot read the file's size");
    }
    if (!S_ISREG(info.st_mode)) {
      return IoError("this is not a regular file", path_);
    }
    size_ = static_cast<uint64_t>(info.st_size);
    if (size_ > kMaxWeightFileBytes) {
      return Unsupported("the file holds " + std::to_string(size_) + " bytes; weight files may hold up to " +
                             std::to_string(kMaxWeightFileBytes),
                         path_);
    }
    return OkStatus();
  }

  uint64_t size() const override { return size_; }
  Status Read(uint64_t offset, std::byte* out, size_t count) const override {
    PTQ_CHECK(offset <= size_ && count <= size_ - offset) << offset << " + " << count << " of " << size_;
    while (count > 0) {
      const ssize_t got = pread(fd_, out, count, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got < 0) {
        return SystemError("cannot read the file");
      }
      if (got == 0) {
        return IoError("the file became shorter while it was read", path_);
      }
      out += got;
      offset += static_cast<uint64_t>(got);
      count -= static_cast<size_t>(got);
    }
    return OkStatus();
  }

 private:
  Error SystemError(const char* what) const { return IoError(std::string(what) + ": " + std::strerror(errno), path_); }

  int fd_;
  std::string path_;
  uint64_t size_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> MemorySource(const std::byte* bytes, size_t size) {
  return std::make_unique<Memory>(bytes, size);
}

Result<std::unique_ptr<ByteSource>> OpenFileSource(const std::string& path) {
  // O_NONBLOCK: a named pipe without a writer must be refused, not waited for.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return NotFound("there is no such file", path);
    }
    return IoError(std::string("cannot open the file: ") + std::strerror(errno), path);
  }
  auto file = std::make_unique<File>(fd, path);
  PTQ_RETURN_IF_ERROR(file->Inspect());
  return std::unique_ptr<ByteSource>(std::move(file));
}

Result<std::vector<std::byte>> AllocateBytes(uint64_t count, const std::string& what) {
  try {
    return std::vector<std::byte>(count);
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  return IoError("there is not enough memory for the " + std::to_string(count) + " bytes of " + what);
}

std::string Quoted(const std::string& name) {
  constexpr size_t kLongest = 120;
  std::string text = "'";
  for (const char c : name.substr(0, kLongest)) {
    const auto code = static_cast<unsigned char>(c);
    text += code < 0x20 || code == 0x7f ? '?' : c;
  }
  return text + (name.size() > kLongest ? "...'" : "'");
}

}  // namespace ptq::data
