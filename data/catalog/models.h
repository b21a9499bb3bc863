// models.h: data/models.toml, the declared models.
//
// One [[model]] table per model.  Its keys are the fields of ModelEntry and VitConfig; `preprocessing` is a table of
// its own with resize, mean and std, and where they are not image_size and bicubic, crop and interpolation. A person's
// own model is one more entry, here or in a file given by --models: no code.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/vit/config.h"
#include "data/images/preprocess.h"

namespace ptq::data {

// What float32 measures on one declared data set, on every machine.
struct FloatReference {
  std::string dataset;   // name in the catalogue of data sets
  double top1 = 0;       // percent
  double tolerance = 0;  // points; further off, a table warns of every number of the model there
  std::string source;    // who measured it
};

struct ModelEntry {
  std::string name;   // "deit_tiny_patch16_224", timm's name where there is one
  std::string title;  // "DeiT-T"; how tables and results/published name the architecture
  vit::VitConfig config;
  Preprocessing preprocessing;       // of evaluation images
  std::vector<std::string> weights;  // files, the first that exists is used; relative to the data root (or absolute),
                                     // to the project where `embedded`
  bool embedded = false;
  std::vector<std::string> sha256;  // accepted hashes in lower case hex, or their first 8 or more digits; empty: any
  std::string source;               // a sentence or URL: where a person gets the file
  std::string licence;              // of the weights; may be empty
  std::optional<double> reference_top1;          // percent, of the full validation set
  std::string reference_source;                  // who measured it
  std::vector<FloatReference> float_references;  // [[model.float_reference]], at most one for a data set
};

// Whether a weight file with this hash (64 digits) is the entry's; true of every file where no hash is pinned.
bool AcceptsSha256(const ModelEntry& model, const std::string& sha256);

struct ModelCatalog {
  std::vector<ModelEntry> models;  // in file order, names unique
  // NotFound with the nearest name.
  Result<ModelEntry> Find(const std::string& name) const;
};

// path: how messages name the file.  InvalidArgument with all errors at once, each `file:line:col: message`, joined by
// newlines.
Result<ModelCatalog> ParseModelCatalog(const std::string& text, const std::string& path);
// The same of a file; NotFound or Io where it cannot be read.
Result<ModelCatalog> ReadModelCatalog(const std::string& path);
// The entries of `extra` appended; InvalidArgument on a name that is there twice.
Result<ModelCatalog> Merge(ModelCatalog base, const ModelCatalog& extra);

}  // namespace ptq::data
