#include "experiments/workspace.h"

#include <filesystem>
#include <utility>

#include "data/files/sha256.h"

namespace ptq::experiments {
namespace {

namespace fs = std::filesystem;

bool IsFile(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

}  // namespace

Result<std::string> FindHome(const std::string& start) {
  std::error_code error;
  for (fs::path folder = fs::absolute(start, error); !folder.empty(); folder = folder.parent_path()) {
    if (IsFile(folder / "data" / "models.toml")) {
      return folder.string();
    }
    if (folder == folder.parent_path()) {
      break;
    }
  }
  return NotFound("neither '" + start +
                  "' nor a folder above it holds data/models.toml; run inside the project or give --home");
}

Result<Workspace> Workspace::Open(const WorkspaceOptions& options) {
  Workspace workspace;
  workspace.options_ = options;
  const fs::path home = options.home;
  if (options.data_root.empty()) {
    workspace.options_.data_root = (home / "data" / "local").string();
  }
  if (options.database.empty()) {
    workspace.options_.database = (home / "results" / "ptqbench.sqlite").string();
  }
  PTQ_ASSIGN_OR_RETURN(workspace.models_, data::ReadModelCatalog((home / "data" / "models.toml").string()));
  PTQ_ASSIGN_OR_RETURN(workspace.datasets_, data::ReadDatasetCatalog((home / "data" / "datasets.toml").string()));
  if (!options.extra_models.empty()) {
    PTQ_ASSIGN_OR_RETURN(const data::ModelCatalog extra, data::ReadModelCatalog(options.extra_models));
    PTQ_ASSIGN_OR_RETURN(workspace.models_, data::Merge(std::move(workspace.models_), extra));
  }
  if (!options.extra_datasets.empty()) {
    PTQ_ASSIGN_OR_RETURN(const data::DatasetCatalog extra, data::ReadDatasetCatalog(options.extra_datasets));
    PTQ_ASSIGN_OR_RETURN(workspace.datasets_, data::Merge(std::move(workspace.datasets_), extra));
  }
  return workspace;
}

Result<WeightsFile> Workspace::FindWeights(const data::ModelEntry& model) {
  const fs::path root = model.embedded ? home() : data_root();
  std::string wanted;
  for (const std::string& candidate : model.weights) {
    const std::string path = (root / candidate).string();
    const auto known = weights_.find(path);
    if (known != weights_.end()) {
      return known->second;
    }
    if (!IsFile(path)) {
      wanted += (wanted.empty() ? "" : " or ") + candidate;
      continue;
    }
    PTQ_ASSIGN_OR_RETURN(const std::string sha256, data::Sha256OfFile(path));
    if (!data::AcceptsSha256(model, sha256)) {
      return Corrupt("the file's SHA-256 is " + sha256 + ", not the one that " + model.name +
                         " declares; fetch it again, or declare your own model in a file given by --models",
                     path);
    }
    return weights_.emplace(path, WeightsFile{path, sha256}).first->second;
  }
  return NotFound("weights of " + model.name + " are missing: put " + wanted + " under the data root; " + model.source);
}

Result<OpenedDataset> Workspace::Dataset(const data::DatasetEntry& entry) {
  const auto known = opened_.find(entry.name);
  if (known != opened_.end()) {
    return known->second;
  }
  OpenedDataset opened;
  PTQ_ASSIGN_OR_RETURN(std::unique_ptr<data::Dataset> dataset, data::OpenDataset(entry, data_root()));
  opened.dataset = std::move(dataset);
  PTQ_ASSIGN_OR_RETURN(opened.manifest_sha256, data::ManifestSha256(*opened.dataset));
  if (!entry.manifest_sha256.empty() && entry.manifest_sha256 != opened.manifest_sha256) {
    return Corrupt("the manifest's SHA-256 is " + opened.manifest_sha256 +
                       ", not the declared one: images or labels differ; see `ptqbench verify data " + entry.name + "`",
                   entry.name);
  }
  return opened_.emplace(entry.name, std::move(opened)).first->second;
}

}  // namespace ptq::experiments
