#include "data/images/dataset.h"

#include <filesystem>
#include <utility>

#include "core/base/check.h"
#include "data/embedded/generator.h"
#include "data/files/sha256.h"
#include "data/images/cifar_dataset.h"
#include "data/images/file_dataset.h"
#include "data/images/sample_list.h"

namespace ptq::data {
namespace {

class EmbeddedDataset final : public Dataset {
 public:
  EmbeddedDataset(const DatasetEntry& entry, std::vector<Sample> samples) {
    entry_ = entry;
    samples_ = std::move(samples);
  }
  Result<Image> Load(int64_t index) const override {
    PTQ_CHECK(index >= 0 && index < static_cast<int64_t>(samples_.size())) << index << " of " << samples_.size();
    return DrawEmbedded(entry_.split, index).image;
  }
};

Result<std::unique_ptr<Dataset>> OpenEmbedded(const DatasetEntry& entry) {
  PTQ_ASSIGN_OR_RETURN(const int64_t count, EmbeddedCount(entry.split));
  std::vector<Sample> samples;
  for (int64_t i = 0; i < count; ++i) {
    samples.push_back({NumberedId(entry.split, i, count), EmbeddedLabel(entry.split, i)});
  }
  PTQ_ASSIGN_OR_RETURN(std::vector<Sample> checked, SortAndCheck(entry, entry.name, std::move(samples)));
  return std::unique_ptr<Dataset>(std::make_unique<EmbeddedDataset>(entry, std::move(checked)));
}

}  // namespace

Result<std::unique_ptr<Dataset>> OpenDataset(const DatasetEntry& entry, const std::string& data_root) {
  if (entry.kind == DatasetKind::kEmbedded) return OpenEmbedded(entry);
  const std::string root = (std::filesystem::path(data_root) / entry.root).string();
  std::error_code ignored;
  if (!std::filesystem::is_directory(root, ignored)) {
    return NotFound("the folder of data set '" + entry.name + "' is missing" + HowToGet(entry), root);
  }
  switch (entry.kind) {
    case DatasetKind::kImageList:
      return OpenImageList(entry, root);
    case DatasetKind::kClassFolders:
      return OpenClassFolders(entry, root);
    case DatasetKind::kImageNetFlat:
      return OpenImageNetFlat(entry, root);
    case DatasetKind::kCifar10:
    case DatasetKind::kCifar100:
      return OpenCifar(entry, root);
    case DatasetKind::kEmbedded:
      break;
  }
  PTQ_CHECK(false) << "a kind of data set that no code opens";
  return Internal("a kind of data set that no code opens", entry.name);
}

std::string ManifestText(const Dataset& dataset) {
  std::string text;
  for (const Sample& sample : dataset.samples()) text += sample.id + " " + std::to_string(sample.label) + "\n";
  return text;
}

Result<std::string> ManifestSha256(const Dataset& dataset) { return Sha256(ManifestText(dataset)); }

}  // namespace ptq::data
