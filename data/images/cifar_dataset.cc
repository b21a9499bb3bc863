#include "data/images/cifar_dataset.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "data/images/sample_list.h"

namespace ptq::data {
namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kPlane = kSide * kSide;

// A file of records, open for as long as the data set is.
class RecordFile {
 public:
  RecordFile(std::string path, int64_t header) : path_(std::move(path)), header_(header) {}
  ~RecordFile() {
    if (fd_ >= 0) close(fd_);
  }
  RecordFile(RecordFile&& other) noexcept
      : path_(std::move(other.path_)), header_(other.header_), fd_(other.fd_), records_(other.records_) {
    other.fd_ = -1;
  }
  RecordFile& operator=(RecordFile&&) = delete;

  Status Open(const DatasetEntry& entry) {
    fd_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0 && errno == ENOENT) {
      return NotFound("a file of data set '" + entry.name + "' is missing" + HowToGet(entry), path_);
    }
    struct stat info;
    if (fd_ < 0 || fstat(fd_, &info) != 0) {
      return IoError(std::string("cannot open the file: ") + std::strerror(errno), path_);
    }
    if (!S_ISREG(info.st_mode) || info.st_size == 0 || info.st_size % record_bytes() != 0) {
      return Corrupt("the file holds " + std::to_string(info.st_size) + " bytes, not whole records of " +
                         std::to_string(record_bytes()) + HowToGet(entry),
                     path_);
    }
    records_ = info.st_size / record_bytes();
    return OkStatus();
  }

  const std::string& path() const { return path_; }
  int64_t records() const { return records_; }

  Result<int64_t> Label(int64_t record) const {
    uint8_t label = 0;
    PTQ_RETURN_IF_ERROR(Read(record * record_bytes() + header_ - 1, &label, 1));
    return label;
  }

  Result<Image> Picture(int64_t record) const {
    std::array<uint8_t, 3 * kPlane> planes;
    PTQ_RETURN_IF_ERROR(Read(record * record_bytes() + header_, planes.data(), planes.size()));
    Image image{kSide, kSide, std::vector<uint8_t>(3 * kPlane)};
    for (size_t i = 0; i < kPlane; ++i) {
      for (size_t c = 0; c < 3; ++c) image.pixels[3 * i + c] = planes[c * kPlane + i];
    }
    return image;
  }

 private:
  int64_t record_bytes() const { return header_ + 3 * kPlane; }

  Status Read(int64_t offset, uint8_t* out, size_t size) const {
    while (size > 0) {
      const ssize_t got = pread(fd_, out, size, offset);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return IoError(std::string("cannot read the file: ") + std::strerror(errno), path_);
      if (got == 0) return IoError("the file became shorter while it was used", path_);
      out += got;
      offset += got;
      size -= static_cast<size_t>(got);
    }
    return OkStatus();
  }

  std::string path_;
  int64_t header_;  // bytes before the pixels; the last of them is the class
  int fd_ = -1;
  int64_t records_ = 0;
};

class CifarDataset final : public Dataset {
 public:
  CifarDataset(const DatasetEntry& entry, std::vector<RecordFile> files, std::vector<Sample> samples)
      : files_(std::move(files)) {
    entry_ = entry;
    samples_ = std::move(samples);
  }
  Result<Image> Load(int64_t index) const override {
    PTQ_CHECK(index >= 0 && index < static_cast<int64_t>(samples_.size())) << index << " of " << samples_.size();
    size_t file = 0;
    while (index >= files_[file].records()) index -= files_[file++].records();
    return files_[file].Picture(index);
  }

 private:
  std::vector<RecordFile> files_;
};

Result<std::vector<std::string>> FileNames(const DatasetEntry& entry) {
  const bool ten = entry.kind == DatasetKind::kCifar10;
  if (entry.split == "test") return std::vector<std::string>{ten ? "test_batch.bin" : "test.bin"};
  if (entry.split != "train") {
    return InvalidArgument("data set '" + entry.name + "' asks for split '" + entry.split +
                           "'; CIFAR has 'train' and 'test'");
  }
  if (!ten) return std::vector<std::string>{"train.bin"};
  return std::vector<std::string>{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                                  "data_batch_5.bin"};
}

Result<int64_t> CheckedLabel(const DatasetEntry& entry, const RecordFile& file, int64_t record) {
  PTQ_ASSIGN_OR_RETURN(const int64_t label, file.Label(record));
  if (entry.classes > 0 && label >= entry.classes) {
    return Corrupt("record " + std::to_string(record) + " has class " + std::to_string(label) + ", outside 0.." +
                       std::to_string(entry.classes - 1) + "; the file is damaged or of the other CIFAR",
                   file.path());
  }
  return label;
}

Result<std::vector<Sample>> ReadSamples(const DatasetEntry& entry, const std::vector<RecordFile>& files) {
  int64_t count = 0;
  for (const RecordFile& file : files) count += file.records();
  std::vector<Sample> samples;
  for (const RecordFile& file : files) {
    for (int64_t record = 0; record < file.records(); ++record) {
      PTQ_ASSIGN_OR_RETURN(const int64_t label, CheckedLabel(entry, file, record));
      samples.push_back({NumberedId(entry.split, static_cast<int64_t>(samples.size()), count), label});
    }
  }
  return samples;
}

}  // namespace

Result<std::unique_ptr<Dataset>> OpenCifar(const DatasetEntry& entry, const std::string& root) {
  PTQ_ASSIGN_OR_RETURN(const std::vector<std::string> names, FileNames(entry));
  std::vector<RecordFile> files;
  for (const std::string& name : names) {
    files.emplace_back((std::filesystem::path(root) / name).string(), entry.kind == DatasetKind::kCifar10 ? 1 : 2);
    PTQ_RETURN_IF_ERROR(files.back().Open(entry));
  }
  PTQ_ASSIGN_OR_RETURN(std::vector<Sample> samples, ReadSamples(entry, files));
  PTQ_ASSIGN_OR_RETURN(std::vector<Sample> checked, SortAndCheck(entry, root, std::move(samples)));
  return std::unique_ptr<Dataset>(std::make_unique<CifarDataset>(entry, std::move(files), std::move(checked)));
}

}  // namespace ptq::data
