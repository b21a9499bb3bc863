// dataset.h: an opened data set: a list of samples, each of which can be loaded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "data/catalog/datasets.h"
#include "data/images/image.h"

namespace ptq::data {

struct Sample {
  std::string id;      // path relative to the root with '/', or "test/00042" where pictures are not files
  int64_t label = -1;  // class index from 0
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  const DatasetEntry& entry() const { return entry_; }
  // Ascending by id (bytes), whatever the order on disk.
  const std::vector<Sample>& samples() const { return samples_; }
  // The picture of samples()[index].  Safe to call from several threads.
  virtual Result<Image> Load(int64_t index) const = 0;

 protected:
  DatasetEntry entry_;
  std::vector<Sample> samples_;
};

// Opens a declared data set under `data_root`.
// Errors: NotFound (what is missing and how to get it: the entry's source), Corrupt (a labels line, a wrong count, a
// label outside 0..classes-1, a picture listed twice), InvalidArgument (a split that the kind has not), Io.
Result<std::unique_ptr<Dataset>> OpenDataset(const DatasetEntry& entry, const std::string& data_root);

// "id label\n" per sample in order.  Its SHA-256 is the data set's manifest hash: which pictures with which labels.
std::string ManifestText(const Dataset& dataset);
Result<std::string> ManifestSha256(const Dataset& dataset);

// The whole check of `ptqbench verify data`: opens, compares count and manifest hash with the entry, and where the
// root (or a parent inside the data root) holds a SHA256SUMS file compares every file it lists below the root.
// Errors: what OpenDataset says where the whole folder is absent (NotFound); a folder that cannot be opened as the data
// set is a problem in the report.  Corrupt, Io for a SHA256SUMS that cannot be read.
struct VerifyReport {
  int64_t files_checked = 0;
  std::string manifest_sha256;
  std::vector<std::string> problems;  // a sentence each; empty: all is well
};
Result<VerifyReport> VerifyDataset(const DatasetEntry& entry, const std::string& data_root);

}  // namespace ptq::data
