#include "data/catalog/models.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "core/base/nearest_name.h"
#include "data/catalog/strict_toml.h"

namespace ptq::data {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 20;
constexpr size_t kMinHashDigits = 8;

// A SHA-256, or its first 8 or more digits.
bool BeginsSha256(const std::string& text) {
  auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() >= kMinHashDigits && text.size() <= 64 && std::all_of(text.begin(), text.end(), is_hex);
}

vit::VitConfig ReadGeometry(TomlTable& table) {
  vit::VitConfig config;
  config.image_size = table.Int("image_size", 1, kMaxSize, Need::kRequired, config.image_size);
  config.patch_size = table.Int("patch_size", 1, kMaxSize, Need::kRequired, config.patch_size);
  config.width = table.Int("width", 1, kMaxSize, Need::kRequired, config.width);
  config.depth = table.Int("depth", 1, kMaxSize, Need::kRequired, config.depth);
  config.heads = table.Int("heads", 1, kMaxSize, Need::kRequired, config.heads);
  config.mlp_hidden = table.Int("mlp_hidden", 1, kMaxSize, Need::kRequired, config.mlp_hidden);
  config.classes = table.Int("classes", 1, kMaxSize, Need::kRequired, config.classes);
  config.distilled = table.Bool("distilled", false);
  config.layer_norm_eps = table.Number("layer_norm_eps", 1e-12, 1, Need::kOptional, config.layer_norm_eps);
  return config;
}

std::array<float, 3> Triple(const std::vector<double>& numbers, std::array<float, 3> fallback) {
  if (numbers.size() == 3) {
    for (size_t i = 0; i < 3; ++i) {
      fallback[i] = static_cast<float>(numbers[i]);
    }
  }
  return fallback;
}

Preprocessing ReadPreprocessing(TomlTable& model, int64_t image_size) {
  Preprocessing result;
  std::optional<TomlTable> table = model.Table("preprocessing", Need::kRequired);
  if (!table) {
    return result;
  }
  result.resize = table->Int("resize", 0, kMaxSize, Need::kRequired);
  result.crop = table->Int("crop", 1, kMaxSize, Need::kOptional, image_size);
  if (result.crop != image_size) {
    table->Fault(table->PositionOf("crop"), "'crop' is " + std::to_string(result.crop) +
                                                ", but the model's image_size is " + std::to_string(image_size) +
                                                "; they must be the same");
  }
  const std::string interpolation = table->Choice(
      "interpolation", {Name(Interpolation::kBicubic), Name(Interpolation::kBilinear)}, Need::kOptional, "bicubic");
  result.interpolation = interpolation == "bicubic" ? Interpolation::kBicubic : Interpolation::kBilinear;
  result.mean = Triple(table->Numbers("mean", 3, -255, 255, Need::kRequired), result.mean);
  result.std = Triple(table->Numbers("std", 3, 1e-6, 255, Need::kRequired), result.std);
  return result;
}

FloatReference ReadFloatReference(TomlTable& table, const ModelEntry& model) {
  FloatReference reference;
  reference.dataset = table.Text("dataset", TextRule::kName, Need::kRequired);
  reference.top1 = table.Number("top1", 0, 100, Need::kRequired);
  reference.tolerance = table.Number("tolerance", 0, 100, Need::kRequired);
  reference.source = table.Text("source", TextRule::kLine, Need::kRequired);
  for (const FloatReference& other : model.float_references) {
    if (other.dataset == reference.dataset) {
      table.Fault(table.PositionOf("dataset"), "'" + other.dataset + "' has a float_reference already");
    }
  }
  return reference;
}

ModelEntry ReadModel(TomlTable& table) {
  ModelEntry model;
  model.name = table.Text("name", TextRule::kName, Need::kRequired);
  model.title = table.Text("title", TextRule::kLine, Need::kOptional, model.name);
  model.config = ReadGeometry(table);
  const Status valid = vit::Validate(model.config);
  if (!valid.ok()) {
    table.Fault(table.position(), valid.error().message);
  }
  model.preprocessing = ReadPreprocessing(table, model.config.image_size);
  model.embedded = table.Bool("embedded", false);
  const TextRule path = model.embedded ? TextRule::kRelativePath : TextRule::kPath;
  for (const auto& weights : table.Texts("weights", path, Need::kRequired)) {
    model.weights.push_back(weights.value);
  }
  for (const auto& hash : table.Texts("sha256", TextRule::kLine, Need::kOptional)) {
    if (BeginsSha256(hash.value)) {
      model.sha256.push_back(hash.value);
    } else {
      table.Fault(hash.position, "'sha256' is '" + hash.value + "'; it must be 8 to 64 digits of 0-9 and a-f");
    }
  }
  model.source = table.Text("source", TextRule::kText, Need::kOptional);
  model.licence = table.Text("licence", TextRule::kLine, Need::kOptional);
  if (table.Has("reference_top1")) {
    model.reference_top1 = table.Number("reference_top1", 0, 100, Need::kOptional);
  }
  const Need cited = model.reference_top1 ? Need::kRequired : Need::kOptional;
  model.reference_source = table.Text("reference_source", TextRule::kLine, cited);
  if (!model.reference_top1 && !model.reference_source.empty()) {
    table.Fault(table.PositionOf("reference_source"), "'reference_source' stands without a 'reference_top1'");
  }
  for (TomlTable& reference : table.Tables("float_reference", Need::kOptional)) {
    model.float_references.push_back(ReadFloatReference(reference, model));
  }
  return model;
}

}  // namespace

bool AcceptsSha256(const ModelEntry& model, const std::string& sha256) {
  auto begins = [&](const std::string& declared) { return sha256.compare(0, declared.size(), declared) == 0; };
  return model.sha256.empty() || std::any_of(model.sha256.begin(), model.sha256.end(), begins);
}

Result<ModelEntry> ModelCatalog::Find(const std::string& name) const {
  std::vector<std::string> names;
  for (const ModelEntry& model : models) {
    if (model.name == name) {
      return model;
    }
    names.push_back(model.name);
  }
  return NotFound("no model is called '" + name + "'" + DidYouMean(name, names));
}

Result<ModelCatalog> ParseModelCatalog(const std::string& text, const std::string& path) {
  PTQ_ASSIGN_OR_RETURN(TomlDocument document, TomlDocument::Parse(text, path));
  ModelCatalog catalog;
  std::map<std::string, int> line_of;
  for (TomlTable& table : document.Root().Tables("model", Need::kRequired)) {
    ModelEntry model = ReadModel(table);
    const SourcePosition position = table.PositionOf("name");
    const auto [first, is_new] = line_of.emplace(model.name, position.line);
    if (!is_new && !model.name.empty()) {
      table.Fault(position,
                  "the model of line " + std::to_string(first->second) + " is called '" + model.name + "' too");
    }
    catalog.models.push_back(std::move(model));
  }
  PTQ_RETURN_IF_ERROR(document.Finish());
  return catalog;
}

Result<ModelCatalog> ReadModelCatalog(const std::string& path) {
  PTQ_ASSIGN_OR_RETURN(const std::string text, ReadToml(path));
  return ParseModelCatalog(text, path);
}

Result<ModelCatalog> Merge(ModelCatalog base, const ModelCatalog& extra) {
  std::string faults;
  for (const ModelEntry& model : extra.models) {
    if (base.Find(model.name).ok()) {
      faults += (faults.empty() ? "" : "\n") +
                ("the catalogue has a model '" + model.name + "' already; give yours another name");
    }
    base.models.push_back(model);
  }
  if (!faults.empty()) {
    return InvalidArgument(faults);
  }
  return base;
}

}  // namespace ptq::data
