#include "data/weights/stored_zip.h"

#include <zip.h>

#include <utility>

#include "data/weights/byte_source.h"

namespace ptq::data {
namespace {

// Takes the source over, also on failure.
Result<zip_t*> OpenSource(zip_source_t* source, zip_error_t* error, const std::string& where) {
  zip_t* archive = source == nullptr ? nullptr : zip_open_from_source(source, ZIP_RDONLY, error);
  if (archive != nullptr) {
    zip_error_fini(error);
    return archive;
  }
  if (source != nullptr) {
    zip_source_free(source);
  }
  const std::string reason = zip_error_strerror(error);
  zip_error_fini(error);
  return Corrupt("the file is no readable zip archive (" + reason + "); fetch it again", where);
}

}  // namespace

void StoredZip::Close::operator()(struct zip* archive) const { zip_discard(archive); }

Result<StoredZip> StoredZip::OpenFile(const std::string& path) {
  PTQ_ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> file, OpenFileSource(path));
  zip_error_t error;
  zip_error_init(&error);
  PTQ_ASSIGN_OR_RETURN(zip_t * archive, OpenSource(zip_source_file_create(path.c_str(), 0, -1, &error), &error, path));
  return Index(StoredZip(archive, file->size(), path));
}

Result<StoredZip> StoredZip::OpenMemory(const std::byte* bytes, size_t size, const std::string& where) {
  zip_error_t error;
  zip_error_init(&error);
  PTQ_ASSIGN_OR_RETURN(zip_t * archive, OpenSource(zip_source_buffer_create(bytes, size, 0, &error), &error, where));
  return Index(StoredZip(archive, size, where));
}

Result<StoredZip> StoredZip::Index(StoredZip archive) {
  const zip_int64_t count = zip_get_num_entries(archive.archive_.get(), 0);
  if (count <= 0) {
    return Corrupt("the zip archive has no entries; fetch the file again", archive.where_);
  }
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* name = zip_get_name(archive.archive_.get(), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
    if (name == nullptr) {
      return Corrupt("the zip archive has an entry without a name", archive.where_);
    }
    if (!archive.entries_.emplace(name, static_cast<uint64_t>(i)).second) {
      return Corrupt("the zip archive has two entries " + Quoted(name), archive.where_);
    }
  }
  return archive;
}

std::vector<std::string> StoredZip::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, index] : entries_) {
    names.push_back(name);
  }
  return names;
}

Result<uint64_t> StoredZip::SizeOf(const std::string& name) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) {
    return Corrupt("the zip archive has no entry " + Quoted(name), where_);
  }
  zip_stat_t info;
  zip_stat_init(&info);
  constexpr zip_uint64_t kNeeded = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
  if (zip_stat_index(archive_.get(), it->second, 0, &info) != 0 || (info.valid & kNeeded) != kNeeded) {
    return Corrupt("the zip archive does not describe its entry " + Quoted(name), where_);
  }
  const bool encrypted = (info.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && info.encryption_method != ZIP_EM_NONE;
  if (info.comp_method != ZIP_CM_STORE || encrypted) {
    return Unsupported("the zip entry " + Quoted(name) +
                           " is compressed or encrypted, which torch.save never does; save the file with torch.save",
                       where_);
  }
  if (info.size > size_ || info.comp_size != info.size) {
    return Corrupt("the zip entry " + Quoted(name) + " claims " + std::to_string(info.size) + " bytes of a file of " +
                       std::to_string(size_),
                   where_);
  }
  return info.size;
}

Result<std::vector<std::byte>> StoredZip::Read(const std::string& name) const {
  PTQ_ASSIGN_OR_RETURN(const uint64_t size, SizeOf(name));
  auto allocated = AllocateBytes(size, "the zip entry " + Quoted(name));
  if (!allocated.ok()) {
    return IoError(allocated.error().message, where_);
  }
  std::vector<std::byte> bytes = std::move(allocated).value();
  const Error damaged = Corrupt("the zip entry " + Quoted(name) + " is damaged; fetch the file again", where_);
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(zip_fopen_index(archive_.get(), entries_.at(name), 0),
                                                               zip_fclose);
  if (file == nullptr) {
    return damaged;
  }
  size_t done = 0;
  while (done < bytes.size()) {
    const zip_int64_t got = zip_fread(file.get(), bytes.data() + done, bytes.size() - done);
    if (got <= 0) {
      return damaged;
    }
    done += static_cast<size_t>(got);
  }
  std::byte beyond{};  // reading to the end verifies the checksum
  return zip_fread(file.get(), &beyond, 1) == 0 ? Result<std::vector<std::byte>>(std::move(bytes)) : damaged;
}

}  // namespace ptq::data
