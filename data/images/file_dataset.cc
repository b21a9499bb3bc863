#include "data/images/file_dataset.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/base/check.h"
#include "data/files/file_io.h"
#include "data/images/decode.h"
#include "data/images/labels_file.h"
#include "data/images/sample_list.h"

namespace ptq::data {
namespace {

namespace fs = std::filesystem;

class FileDataset final : public Dataset {
 public:
  FileDataset(const DatasetEntry& entry, std::string root, std::vector<Sample> samples) : root_(std::move(root)) {
    entry_ = entry;
    samples_ = std::move(samples);
  }
  Result<Image> Load(int64_t index) const override {
    PTQ_CHECK(index >= 0 && index < static_cast<int64_t>(samples_.size())) << index << " of " << samples_.size();
    const Sample& sample = samples_[static_cast<size_t>(index)];
    return ReadImage((fs::path(root_) / sample.id).string(), entry_.apply_exif_orientation);
  }

 private:
  std::string root_;
};

Result<std::unique_ptr<Dataset>> Finish(const DatasetEntry& entry, const std::string& root,
                                        std::vector<Sample> samples) {
  PTQ_ASSIGN_OR_RETURN(std::vector<Sample> checked, SortAndCheck(entry, root, std::move(samples)));
  return std::unique_ptr<Dataset>(std::make_unique<FileDataset>(entry, root, std::move(checked)));
}

Status CheckPresence(const DatasetEntry& entry, const std::string& root, const std::vector<Sample>& samples,
                     const std::string& list) {
  int64_t missing = 0;
  std::string first;
  for (const Sample& sample : samples) {
    std::error_code ignored;
    if (fs::is_regular_file(fs::path(root) / sample.id, ignored)) continue;
    if (missing++ == 0) first = sample.id;
  }
  if (missing == 0) return OkStatus();
  return NotFound(std::to_string(missing) + " of the " + std::to_string(samples.size()) + " pictures that '" + list +
                      "' lists are missing, the first is '" + first + "'" + HowToGet(entry),
                  root);
}

// Names of the folder's entries that `keep` accepts, ascending by bytes.
template <typename Keep>
Result<std::vector<std::string>> ListFolder(const std::string& folder, Keep keep) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (keep(*it)) names.push_back(it->path().filename().string());
  }
  if (error) return IoError("cannot list the folder: " + error.message(), folder);
  std::sort(names.begin(), names.end());
  return names;
}

bool IsVisibleFolder(const fs::directory_entry& entry) {
  std::error_code ignored;
  return entry.path().filename().string()[0] != '.' && entry.is_directory(ignored);
}

// By its name: .jpg, .jpeg or .png in any case, and not hidden.
bool IsPicture(const fs::directory_entry& entry) {
  std::string extension = entry.path().extension().string();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  std::error_code ignored;
  return (extension == ".jpg" || extension == ".jpeg" || extension == ".png") &&
         entry.path().filename().string()[0] != '.' && entry.is_regular_file(ignored);
}

bool IsImageNetValidation(const fs::directory_entry& entry) {
  return entry.path().filename().string().rfind("ILSVRC2012_val_", 0) == 0 && entry.path().extension() == ".JPEG";
}

// A file that belongs to the data set; its absence says how to get it.
Result<std::string> ReadOwnFile(const DatasetEntry& entry, const std::string& path) {
  Result<std::string> text = ReadFile(path, int64_t{1} << 28);
  if (!text.ok() && text.error().code == ErrorCode::kNotFound) {
    return NotFound("the label file of data set '" + entry.name + "' is missing" + HowToGet(entry), path);
  }
  return text;
}

}  // namespace

Result<std::unique_ptr<Dataset>> OpenImageList(const DatasetEntry& entry, const std::string& root) {
  const std::string list = entry.labels.empty() ? "labels.txt" : entry.labels;
  const std::string path = (fs::path(root) / list).string();
  PTQ_ASSIGN_OR_RETURN(const std::string text, ReadOwnFile(entry, path));
  PTQ_ASSIGN_OR_RETURN(std::vector<Sample> samples, ParseImageList(text, entry.classes, path));
  PTQ_RETURN_IF_ERROR(CheckPresence(entry, root, samples, list));
  return Finish(entry, root, std::move(samples));
}

Result<std::unique_ptr<Dataset>> OpenClassFolders(const DatasetEntry& entry, const std::string& root) {
  PTQ_ASSIGN_OR_RETURN(const std::vector<std::string> classes, ListFolder(root, IsVisibleFolder));
  // A class number is the folder's place in the list, so a missing folder would shift all that follow.
  if (entry.classes > 0 && static_cast<int64_t>(classes.size()) != entry.classes) {
    return Corrupt("the folder holds " + std::to_string(classes.size()) + " class folders, but data set '" +
                       entry.name + "' has " + std::to_string(entry.classes) + " classes" + HowToGet(entry),
                   root);
  }
  std::vector<Sample> samples;
  for (size_t label = 0; label < classes.size(); ++label) {
    const std::string folder = (fs::path(root) / classes[label]).string();
    PTQ_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder, IsPicture));
    for (const std::string& name : names) samples.push_back({classes[label] + "/" + name, static_cast<int64_t>(label)});
  }
  return Finish(entry, root, std::move(samples));
}

Result<std::unique_ptr<Dataset>> OpenImageNetFlat(const DatasetEntry& entry, const std::string& root) {
  if (entry.labels.empty()) {
    return InvalidArgument("data set '" + entry.name + "' is of kind imagenet_flat and names no label file ('labels')");
  }
  const std::string path = (fs::path(root) / entry.labels).string();
  PTQ_ASSIGN_OR_RETURN(const std::string text, ReadOwnFile(entry, path));
  PTQ_ASSIGN_OR_RETURN(const std::vector<int64_t> labels, ParseClassLines(text, entry.classes, path));
  PTQ_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(root, IsImageNetValidation));
  if (names.size() != labels.size()) {
    return Corrupt("the label file has " + std::to_string(labels.size()) + " lines, but the folder holds " +
                       std::to_string(names.size()) + " pictures ILSVRC2012_val_*.JPEG" + HowToGet(entry),
                   path);
  }
  std::vector<Sample> samples;
  for (size_t i = 0; i < names.size(); ++i) samples.push_back({names[i], labels[i]});
  return Finish(entry, root, std::move(samples));
}

}  // namespace ptq::data
