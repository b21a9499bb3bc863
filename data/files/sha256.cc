#include "data/files/sha256.h"

#include <openssl/evp.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include "core/base/check.h"

namespace ptq::data {
namespace {

class Hasher {
 public:
  Hasher() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    PTQ_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1)
        << "OpenSSL offers no SHA-256";
  }
  void Add(const void* bytes, size_t size) {
    PTQ_CHECK(EVP_DigestUpdate(context_.get(), bytes, size) == 1) << "OpenSSL cannot hash";
  }
  std::string Finish() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    PTQ_CHECK(EVP_DigestFinal_ex(context_.get(), digest, &size) == 1) << "OpenSSL cannot hash";
    std::string hex;
    for (unsigned int i = 0; i < size; ++i) {
      hex += "0123456789abcdef"[digest[i] >> 4];
      hex += "0123456789abcdef"[digest[i] & 15];
    }
    return hex;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string Sha256(std::string_view bytes) {
  Hasher hasher;
  hasher.Add(bytes.data(), bytes.size());
  return hasher.Finish();
}

Result<std::string> Sha256OfFile(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return IoError("this is a folder, not a file", path);
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr) {
    if (errno == ENOENT || errno == ENOTDIR) return NotFound("there is no such file", path);
    return IoError(std::string("cannot open the file: ") + std::strerror(errno), path);
  }
  Hasher hasher;
  std::vector<char> buffer(size_t{1} << 16);
  size_t got = 0;
  while ((got = std::fread(buffer.data(), 1, buffer.size(), file.get())) > 0) hasher.Add(buffer.data(), got);
  if (std::ferror(file.get()) != 0) return IoError("cannot read the file", path);
  return hasher.Finish();
}

}  // namespace ptq::data
