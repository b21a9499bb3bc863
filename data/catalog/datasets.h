// datasets.h: data/datasets.toml, the declared data sets.
//
// One [[dataset]] table per data set; its keys are the fields of DatasetEntry.  A key that the kind has no use for
// (a split of an image_list, a root of embedded pictures) is a fault.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace ptq::data {

enum class DatasetKind {
  kImageList,     // root/labels.txt: "path class" per line, paths relative to root
  kClassFolders,  // root/<class>/<image>; classes numbered in ascending byte order of folder names
  kImageNetFlat,  // root/ILSVRC2012_val_*.JPEG + a label file: one class per line in ascending order of file names
  kCifar10,       // root/test_batch.bin or data_batch_{1..5}.bin
  kCifar100,      // root/test.bin or train.bin; fine labels
  kEmbedded,      // drawn by data/embedded/generator.h
};

// What a data set may be used for; calibration with evaluation images is refused by this field and by image ids.
enum class DatasetRole { kCalibration, kEvaluation, kTrain };

const char* Name(
    DatasetKind kind);  // "image_list", "class_folders", "imagenet_flat", "cifar10", "cifar100", "embedded"
const char* Name(DatasetRole role);  // "calibration", "evaluation", "train"

struct DatasetEntry {
  std::string name;   // "imagenet_val"
  std::string title;  // "ImageNet"; how results/published names it
  DatasetKind kind = DatasetKind::kImageList;
  DatasetRole role = DatasetRole::kEvaluation;
  std::string root;    // relative to the data root; empty for embedded
  std::string labels;  // imagenet_flat: label file relative to root; image_list: default "labels.txt"
  std::string split;   // cifar: "train" or "test"; embedded: "train", "calibration" or "test"
  int64_t count = 0;   // images; 0: not pinned (a person's own folder)
  int64_t classes = 0;
  std::string manifest_sha256;   // of the manifest text (images/dataset.h); empty: not pinned, recorded as found
  std::string resize = "model";  // "model": the model's resize and crop; "crop_only": images are already near size
  bool apply_exif_orientation = true;  // false where the published protocol ignores the tag (ImageNet)
  std::string source;                  // where a person gets it
  std::string licence;
};

struct DatasetCatalog {
  std::vector<DatasetEntry> datasets;
  Result<DatasetEntry> Find(const std::string& name) const;  // NotFound with the nearest name
};

// path: how messages name the file.  InvalidArgument with all errors at once, each `file:line:col: message`, joined by
// newlines.
Result<DatasetCatalog> ParseDatasetCatalog(const std::string& text, const std::string& path);
// The same of a file; NotFound or Io where it cannot be read.
Result<DatasetCatalog> ReadDatasetCatalog(const std::string& path);
// The entries of `extra` appended; InvalidArgument on a name that is there twice.
Result<DatasetCatalog> Merge(DatasetCatalog base, const DatasetCatalog& extra);

}  // namespace ptq::data
