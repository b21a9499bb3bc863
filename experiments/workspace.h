// workspace.h: where things are: the project's declarations, the data root, the database; and what is present there.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/base/error.h"
#include "data/catalog/datasets.h"
#include "data/catalog/models.h"
#include "data/images/dataset.h"

namespace ptq::experiments {

struct WorkspaceOptions {
  std::string home;            // holds data/models.toml and data/datasets.toml
  std::string data_root;       // empty: <home>/data/local
  std::string database;        // empty: <home>/results/ptqbench.sqlite
  std::string extra_models;    // a person's own models.toml; empty: none
  std::string extra_datasets;  // a person's own datasets.toml; empty: none
};

struct WeightsFile {
  std::string path;
  std::string sha256;
};

// A data set that was opened, with its manifest's hash.
struct OpenedDataset {
  std::shared_ptr<const data::Dataset> dataset;
  std::string manifest_sha256;
};

class Workspace {
 public:
  // Reads the catalogues.  Errors: NotFound for a home without them, InvalidArgument with every fault of the files.
  static Result<Workspace> Open(const WorkspaceOptions& options);

  const std::string& home() const { return options_.home; }
  const std::string& data_root() const { return options_.data_root; }
  const std::string& database() const { return options_.database; }
  const data::ModelCatalog& models() const { return models_; }
  const data::DatasetCatalog& datasets() const { return datasets_; }

  // The weight file of a model, hashed once per process.
  // Errors: NotFound with what to bring and from where; Corrupt where the hash is not a declared one.
  Result<WeightsFile> FindWeights(const data::ModelEntry& model);

  // Opens a data set once per process.  Errors: those of data::OpenDataset; Corrupt where count or manifest hash differ
  // from the declared ones.
  Result<OpenedDataset> Dataset(const data::DatasetEntry& entry);

 private:
  WorkspaceOptions options_;
  data::ModelCatalog models_;
  data::DatasetCatalog datasets_;
  std::map<std::string, WeightsFile> weights_;   // by path
  std::map<std::string, OpenedDataset> opened_;  // by name
};

// The project's folder: `start` or the nearest folder above it that holds data/models.toml; NotFound otherwise.
Result<std::string> FindHome(const std::string& start);

}  // namespace ptq::experiments
