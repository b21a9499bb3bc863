#include "experiments/trial_claims.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace ptq::experiments {
namespace {

constexpr size_t kOffsetDigits = 15;  // of the key: an offset of 60 bits

struct flock ByteOf(const std::string& key, short kind) {
  struct flock lock {};
  lock.l_type = kind;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(std::stoull(key.substr(0, kOffsetDigits), nullptr, 16));
  lock.l_len = 1;
  return lock;
}

}  // namespace

Result<TrialClaims> TrialClaims::Open(const std::string& path) {
  std::error_code ignored;  // a failure shows in the next line
  std::filesystem::create_directories(std::filesystem::absolute(path, ignored).parent_path(), ignored);
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) {
    return IoError(std::string("cannot be made or written (") + std::strerror(errno) +
                       "); it tells runs on one results file apart: give it a place to stand, or name another --db",
                   path);
  }
  return TrialClaims(path, file);
}

TrialClaims::TrialClaims(TrialClaims&& other) noexcept
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)) {}

TrialClaims& TrialClaims::operator=(TrialClaims&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  return *this;
}

TrialClaims::~TrialClaims() {
  if (file_ >= 0) close(file_);
}

Result<bool> TrialClaims::Claim(const std::string& key) {
  struct flock lock = ByteOf(key, F_WRLCK);
  if (fcntl(file_, F_OFD_SETLK, &lock) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  return IoError(
      std::string("cannot be locked (") + std::strerror(errno) + "); keep results files on a file system with locks",
      path_);
}

void TrialClaims::Release(const std::string& key) {
  struct flock lock = ByteOf(key, F_UNLCK);
  fcntl(file_, F_OFD_SETLK, &lock);
}

}  // namespace ptq::experiments
