#include "data/files/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace ptq::data {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() { Close(); }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  int get() const { return fd_; }
  bool Close() {
    const int fd = fd_;
    fd_ = -1;
    return fd < 0 || close(fd) == 0;
  }

 private:
  int fd_;
};

Error SystemError(const char* what, const std::string& path) {
  return IoError(std::string(what) + ": " + std::strerror(errno), path);
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// A rename survives a power cut only once its folder is on the disk too.
void SyncFolder(const std::string& path) {
  FileDescriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) (void)fsync(folder.get());
}

Status WriteAndRename(const std::string& temporary, const std::string& path, std::string_view bytes,
                      FileDescriptor& file) {
  if (!WriteAll(file.get(), bytes)) return SystemError("cannot write the file", path);
  // mkostemp creates files that only the owner can read; give the usual permissions.
  if (fchmod(file.get(), 0644) != 0) return SystemError("cannot set the file's permissions", path);
  if (fsync(file.get()) != 0) return SystemError("cannot bring the file to the disk", path);
  if (!file.Close()) return SystemError("cannot close the file", path);
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return SystemError("cannot rename the finished file", path);
  return OkStatus();
}

}  // namespace

Result<std::string> ReadFile(const std::string& path, int64_t max_bytes) {
  FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return NotFound("there is no such file", path);
    return SystemError("cannot open the file", path);
  }
  struct stat info;
  if (fstat(file.get(), &info) != 0) return SystemError("cannot read the file's size", path);
  if (!S_ISREG(info.st_mode)) return IoError("this is not a regular file", path);
  if (info.st_size > max_bytes) {
    return Unsupported("the file holds " + std::to_string(info.st_size) + " bytes, more than the accepted " +
                           std::to_string(max_bytes),
                       path);
  }
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = read(file.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("cannot read the file", path);
    if (got == 0) return IoError("the file became shorter while it was read", path);
    done += static_cast<size_t>(got);
  }
  return bytes;
}

Status WriteFileAtomically(const std::string& path, std::string_view bytes) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  std::string temporary = path + ".XXXXXX";
  FileDescriptor file(mkostemp(temporary.data(), O_CLOEXEC));
  if (file.get() < 0) return SystemError("cannot create the file", path);
  const Status written = WriteAndRename(temporary, path, bytes, file);
  if (!written.ok()) {
    (void)unlink(temporary.c_str());
    return written;
  }
  SyncFolder(parent.empty() ? "." : parent);
  return OkStatus();
}

}  // namespace ptq::data
