#include "data/catalog/datasets.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/base/nearest_name.h"
#include "data/catalog/strict_toml.h"

namespace ptq::data {
namespace {

constexpr DatasetKind kKinds[] = {DatasetKind::kImageList, DatasetKind::kClassFolders, DatasetKind::kImageNetFlat,
                                  DatasetKind::kCifar10,   DatasetKind::kCifar100,     DatasetKind::kEmbedded};
constexpr DatasetRole kRoles[] = {DatasetRole::kCalibration, DatasetRole::kEvaluation, DatasetRole::kTrain};
constexpr int64_t kMaxImages = int64_t{1} << 40;

// A required key whose values are the names of `all`; the first of them after a fault.
template <typename Enum, size_t kCount>
Enum ReadEnum(TomlTable& table, const std::string& key, const Enum (&all)[kCount]) {
  std::vector<std::string> names;
  for (const Enum value : all) {
    names.emplace_back(Name(value));
  }
  const std::string name = table.Choice(key, names, Need::kRequired, names.front());
  return all[std::find(names.begin(), names.end(), name) - names.begin()];
}

// The keys that depend on the kind: root, labels, split.
void ReadPlace(TomlTable& table, DatasetEntry* entry) {
  const DatasetKind kind = entry->kind;
  auto refuse = [&](const char* key, const char* reason) {
    if (table.Has(key)) {
      table.Text(key, TextRule::kLine, Need::kOptional);
      table.Fault(table.PositionOf(key), std::string("'") + key + "' has no meaning here: " + reason);
    }
  };
  if (kind == DatasetKind::kEmbedded) {
    refuse("root", "embedded pictures are drawn, not read");
  } else {
    entry->root = table.Text("root", TextRule::kRelativePath, Need::kRequired);
  }
  if (kind == DatasetKind::kImageList) {
    entry->labels = table.Text("labels", TextRule::kRelativePath, Need::kOptional, "labels.txt");
  } else if (kind == DatasetKind::kImageNetFlat) {
    entry->labels = table.Text("labels", TextRule::kRelativePath, Need::kRequired);
  } else {
    refuse("labels", "only image_list and imagenet_flat read a label file");
  }
  if (kind == DatasetKind::kEmbedded) {
    entry->split = table.Choice("split", {"train", "calibration", "test"}, Need::kRequired);
  } else if (kind == DatasetKind::kCifar10 || kind == DatasetKind::kCifar100) {
    entry->split = table.Choice("split", {"train", "test"}, Need::kRequired);
  } else {
    refuse("split", "only cifar10, cifar100 and embedded have splits");
  }
}

DatasetEntry ReadDataset(TomlTable& table) {
  DatasetEntry entry;
  entry.name = table.Text("name", TextRule::kName, Need::kRequired);
  entry.title = table.Text("title", TextRule::kLine, Need::kOptional, entry.name);
  entry.kind = ReadEnum(table, "kind", kKinds);
  entry.role = ReadEnum(table, "role", kRoles);
  ReadPlace(table, &entry);
  entry.count = table.Int("count", 1, kMaxImages, Need::kOptional, 0);
  entry.classes = table.Int("classes", 1, int64_t{1} << 20, Need::kRequired, 1);
  entry.manifest_sha256 = table.Text("manifest_sha256", TextRule::kLine, Need::kOptional);
  auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  const std::string& hash = entry.manifest_sha256;
  if (!hash.empty() && (hash.size() != 64 || !std::all_of(hash.begin(), hash.end(), is_hex))) {
    table.Fault(table.PositionOf("manifest_sha256"),
                "'manifest_sha256' is '" + hash + "'; it must be 64 digits of 0-9 and a-f");
  }
  entry.resize = table.Choice("resize", {"model", "crop_only"}, Need::kOptional, "model");
  entry.apply_exif_orientation = table.Bool("apply_exif_orientation", true);
  entry.source = table.Text("source", TextRule::kText, Need::kOptional);
  entry.licence = table.Text("licence", TextRule::kLine, Need::kOptional);
  return entry;
}

}  // namespace

Result<DatasetEntry> DatasetCatalog::Find(const std::string& name) const {
  std::vector<std::string> names;
  for (const DatasetEntry& entry : datasets) {
    if (entry.name == name) {
      return entry;
    }
    names.push_back(entry.name);
  }
  return NotFound("no data set is called '" + name + "'" + DidYouMean(name, names));
}

Result<DatasetCatalog> ParseDatasetCatalog(const std::string& text, const std::string& path) {
  PTQ_ASSIGN_OR_RETURN(TomlDocument document, TomlDocument::Parse(text, path));
  DatasetCatalog catalog;
  std::map<std::string, int> line_of;
  for (TomlTable& table : document.Root().Tables("dataset", Need::kRequired)) {
    DatasetEntry entry = ReadDataset(table);
    const SourcePosition position = table.PositionOf("name");
    const auto [first, is_new] = line_of.emplace(entry.name, position.line);
    if (!is_new && !entry.name.empty()) {
      table.Fault(position,
                  "the data set of line " + std::to_string(first->second) + " is called '" + entry.name + "' too");
    }
    catalog.datasets.push_back(std::move(entry));
  }
  PTQ_RETURN_IF_ERROR(document.Finish());
  return catalog;
}

Result<DatasetCatalog> ReadDatasetCatalog(const std::string& path) {
  PTQ_ASSIGN_OR_RETURN(const std::string text, ReadToml(path));
  return ParseDatasetCatalog(text, path);
}

Result<DatasetCatalog> Merge(DatasetCatalog base, const DatasetCatalog& extra) {
  std::string faults;
  for (const DatasetEntry& entry : extra.datasets) {
    if (base.Find(entry.name).ok()) {
      faults += (faults.empty() ? "" : "\n") +
                ("the catalogue has a data set '" + entry.name + "' already; give yours another name");
    }
    base.datasets.push_back(entry);
  }
  if (!faults.empty()) {
    return InvalidArgument(faults);
  }
  return base;
}

}  // namespace ptq::data
