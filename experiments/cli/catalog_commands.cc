// The verbs that tell what there is: list, describe.
#include <algorithm>
#include <cstdio>

#include "core/base/nearest_name.h"
#include "core/vit/op.h"
#include "experiments/cli/session.h"
#include "experiments/system_info.h"

namespace ptq::experiments::cli {
namespace {

std::string Presence(Workspace& workspace, const data::ModelEntry& model) {
  const Result<WeightsFile> weights = workspace.FindWeights(model);
  return weights.ok() ? "present" : Name(weights.error().code);
}

std::string Presence(Workspace& workspace, const data::DatasetEntry& dataset) {
  const Result<OpenedDataset> opened = workspace.Dataset(dataset);
  return opened.ok() ? "present" : Name(opened.error().code);
}

void PrintField(const char* name, const std::string& value) {
  if (!value.empty()) {
    std::printf("%-22s %s\n", name, value.c_str());
  }
}

void DescribeModel(Workspace& workspace, const data::ModelEntry& model) {
  PrintField("model", model.name);
  PrintField("title", model.title);
  PrintField("geometry", vit::ToString(model.config));
  PrintField("parameters", std::to_string(vit::ParameterCount(model.config)));
  PrintField("ops", std::to_string(vit::AllOps(model.config).size()));
  int64_t macs = 0;
  for (const vit::OpId& op : vit::AllOps(model.config)) {
    macs += vit::ShapeOf(op, model.config).multiply_accumulates();
  }
  PrintField("multiply-accumulates", std::to_string(macs) + " per image");
  PrintField("preprocessing", data::ToString(model.preprocessing));
  for (const std::string& path : model.weights) {
    PrintField("weights", path + (model.embedded ? " (in the project)" : " (under the data root)"));
  }
  for (const std::string& sha256 : model.sha256) {
    PrintField("sha256", sha256);
  }
  PrintField("source", model.source);
  PrintField("licence", model.licence);
  if (model.reference_top1) {
    char text[64];
    std::snprintf(text, sizeof(text), "%.2f %%", *model.reference_top1);
    PrintField("reference top-1", text + std::string(" (") + model.reference_source + ")");
  }
  const Result<WeightsFile> weights = workspace.FindWeights(model);
  PrintField("here", weights.ok() ? weights->path + " " + weights->sha256 : weights.error().ToString());
}

void DescribeDataset(Workspace& workspace, const data::DatasetEntry& dataset) {
  PrintField("data set", dataset.name);
  PrintField("title", dataset.title);
  PrintField("kind", data::Name(dataset.kind));
  PrintField("role", data::Name(dataset.role));
  PrintField("root", dataset.root);
  PrintField("split", dataset.split);
  PrintField("images", dataset.count == 0 ? "not pinned" : std::to_string(dataset.count));
  PrintField("classes", std::to_string(dataset.classes));
  PrintField("manifest sha256", dataset.manifest_sha256);
  PrintField("source", dataset.source);
  PrintField("licence", dataset.licence);
  const Result<OpenedDataset> opened = workspace.Dataset(dataset);
  PrintField("here", opened.ok() ? std::to_string(opened->dataset->samples().size()) + " images, manifest " +
                                       opened->manifest_sha256
                                 : opened.error().ToString());
}

// "default 0.9999; the fraction of ...; 0.5..1; read only where ranking = true"
std::string DescribeParameter(const method::ParameterSpec& spec) {
  const std::string* text = std::get_if<std::string>(&spec.default_value);
  const std::string standard = method::ToString(spec.default_value);
  std::string all = "default " + (text != nullptr ? "'" + standard + "'" : standard) + "; " + spec.meaning;
  auto list = [&all](const char* begin, const std::vector<std::string>& values) {
    for (size_t i = 0; i < values.size(); ++i) {
      all += (i == 0 ? std::string("; ") + begin + " " : ", ") + "'" + values[i] + "'";
    }
  };
  list("one of", spec.choices);
  list("such as", spec.examples);
  const auto number = [](double value) { return method::ToString(method::ParameterValue(value)); };
  if (spec.min && spec.max) {
    all += "; " + number(*spec.min) + ".." + number(*spec.max);
  } else if (spec.min || spec.max) {
    all += spec.min ? "; at least " + number(*spec.min) : "; at most " + number(*spec.max);
  }
  if (spec.mixed_only) {
    all += "; read only under mixed precision";
  }
  if (spec.used_when) {
    all += "; read only where " + spec.used_when->name + " = " + method::ToString(spec.used_when->value);
  }
  return all;
}

void DescribeMethod(const method::MethodInfo& info) {
  PrintField("method", info.versioned_id());
  PrintField("summary", info.summary);
  PrintField("citation", info.citation);
  PrintField("published as", info.published_as);
  PrintField("mixed precision", info.mixes_bits ? "yes: bits = \"W8A8 MP\"" : "no");
  for (const method::ParameterSpec& spec : info.parameters) {
    PrintField(("  " + spec.name).c_str(), DescribeParameter(spec));
  }
}

Result<int> DescribeExperiment(const std::string& name, const method::Registry& registry, Workspace& workspace) {
  PTQ_ASSIGN_OR_RETURN(const LoadedExperiment loaded, LoadExperiment(name, registry, workspace));
  PrintField("experiment", loaded.spec.name);
  PrintField("question", loaded.spec.question);
  PrintField("file", loaded.spec.path);
  PrintField("trials", std::to_string(loaded.trials.size()));
  for (const std::string& published : loaded.spec.published) {
    PrintField("published", "results/published/" + published + ".csv");
  }
  return static_cast<int>(kExitDone);
}

Result<int> ListChecked(const GlobalFlags& global, const std::string& what) {
  PTQ_ASSIGN_OR_RETURN(Workspace workspace, OpenWorkspace(global));
  if (what == "methods") {
    const method::Registry registry = Methods();
    for (const auto& method : registry.methods()) {
      std::printf("%-14s  %s\n", method->info().versioned_id().c_str(), method->info().summary.c_str());
    }
  } else if (what == "models") {
    for (const data::ModelEntry& model : workspace.models().models) {
      std::printf("%-42s  %-8s  %-9s  %s\n", model.name.c_str(), model.title.c_str(),
                  Presence(workspace, model).c_str(), vit::ToString(model.config).c_str());
    }
  } else if (what == "datasets") {
    for (const data::DatasetEntry& dataset : workspace.datasets().datasets) {
      std::printf("%-24s  %-11s  %-9s  %s\n", dataset.name.c_str(), data::Name(dataset.role),
                  Presence(workspace, dataset).c_str(), dataset.title.c_str());
    }
  } else {
    for (const std::string& name : ExperimentNames(workspace)) {
      const Result<ExperimentSpec> spec = ReadSpec(workspace.home() + "/experiments/" + name + ".toml");
      std::printf("%-14s  %s\n", name.c_str(), spec.ok() ? spec->question.c_str() : "has faults; see `ptqbench check`");
    }
  }
  return static_cast<int>(kExitDone);
}

Result<int> DescribeChecked(const GlobalFlags& global, const std::string& name) {
  PTQ_ASSIGN_OR_RETURN(Workspace workspace, OpenWorkspace(global));
  if (name == "build") {
    std::fputs(DescribeBuild().c_str(), stdout);
    return static_cast<int>(kExitDone);
  }
  const method::Registry registry = Methods();
  const Result<const method::Method*> method = registry.Find(name);
  if (method.ok()) {
    DescribeMethod((*method)->info());
    return static_cast<int>(kExitDone);
  }
  const Result<data::ModelEntry> model = workspace.models().Find(name);
  if (model.ok()) {
    DescribeModel(workspace, *model);
    return static_cast<int>(kExitDone);
  }
  const Result<data::DatasetEntry> dataset = workspace.datasets().Find(name);
  if (dataset.ok()) {
    DescribeDataset(workspace, *dataset);
    return static_cast<int>(kExitDone);
  }
  std::vector<std::string> names = ExperimentNames(workspace);
  if (std::find(names.begin(), names.end(), name) != names.end()) {
    return DescribeExperiment(name, registry, workspace);
  }
  names.emplace_back("build");
  for (const auto& each : registry.methods()) {
    names.push_back(each->info().id);
  }
  for (const data::ModelEntry& each : workspace.models().models) {
    names.push_back(each.name);
  }
  for (const data::DatasetEntry& each : workspace.datasets().datasets) {
    names.push_back(each.name);
  }
  return InvalidArgument("no method, model, data set or experiment is called '" + name + "'" + DidYouMean(name, names));
}

}  // namespace

int List(const GlobalFlags& global, const std::string& what) { return Finish(ListChecked(global, what)); }

int Describe(const GlobalFlags& global, const DescribeFlags& flags) {
  if (flags.name == "plan") {
    return flags.plan.empty() ? Fail(InvalidArgument("`describe plan` needs a plan file or the key of a stored trial"))
                              : DescribePlan(global, flags);
  }
  if (!flags.plan.empty() || flags.whole_front) {
    return Fail(
        InvalidArgument("a second word and --front belong to `describe plan`, not to `describe " + flags.name + "`"));
  }
  return Finish(DescribeChecked(global, flags.name));
}

}  // namespace ptq::experiments::cli
