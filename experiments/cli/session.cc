#include "experiments/cli/session.h"

#include <ATen/Parallel.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "baselines/all_baselines.h"
#include "core/base/nearest_name.h"
#include "experiments/plan_file.h"

namespace ptq::experiments::cli {
namespace fs = std::filesystem;

Result<Workspace> OpenWorkspace(const GlobalFlags& global) {
  if (global.threads < 0) {
    return InvalidArgument("--threads is " + std::to_string(global.threads) + "; it must be at least 1");
  }
  const int cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  at::set_num_threads(global.threads > 0 ? global.threads : cores);
  WorkspaceOptions options;
  options.home = global.home;
  if (options.home.empty()) {
    Result<std::string> home = FindHome(".");
    if (!home.ok()) {  // not inside a project: the one that this binary was built in
      std::error_code error;
      const fs::path binary = fs::read_symlink("/proc/self/exe", error);
      const Result<std::string> beside = FindHome(binary.parent_path().string());
      if (!beside.ok()) {
        return home.error();
      }
      home = *beside;
    }
    options.home = *home;
  }
  options.data_root = global.data_root;
  options.database = global.database;
  options.extra_models = global.models;
  options.extra_datasets = global.datasets;
  return Workspace::Open(options);
}

method::Registry Methods() {
  method::Registry registry;
  const Status registered = baselines::RegisterAllBaselines(registry);
  PTQ_CHECK(registered.ok()) << registered.error().ToString();
  return registry;
}

Result<std::optional<results::CheckpointStore>> OpenCheckpoints(const Workspace& workspace, bool no_checkpoint) {
  if (no_checkpoint) {
    return std::optional<results::CheckpointStore>();
  }
  PTQ_ASSIGN_OR_RETURN(results::CheckpointStore store,
                       results::CheckpointStore::Open(workspace.database() + ".calibration"));
  return std::optional<results::CheckpointStore>(std::move(store));
}

std::vector<std::string> ExperimentNames(const Workspace& workspace) {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(workspace.home()) / "experiments", error)) {
    if (entry.path().extension() == ".toml") {
      names.push_back(entry.path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

int Finish(const Result<int>& code) { return code.ok() ? *code : Fail(code.error()); }

Result<std::string> FindSpec(const std::string& spec, const Workspace& workspace) {
  std::error_code error;
  if (fs::is_regular_file(spec, error)) {
    return spec;
  }
  const fs::path folder = fs::path(workspace.home()) / "experiments";
  const fs::path named = folder / (spec + ".toml");
  if (fs::is_regular_file(named, error)) {
    return named.string();
  }
  return InvalidArgument("'" + spec + "' is neither a file nor an experiment" +
                         DidYouMean(spec, ExperimentNames(workspace)) + " (`ptqbench list experiments` names them)");
}

Result<method::Plan> ReadPlanFor(const std::string& path, const std::string& model, const std::string& weights_sha256) {
  PTQ_ASSIGN_OR_RETURN(method::Plan plan, ReadPlan(path));
  if (!plan.weights_sha256.empty() && plan.weights_sha256 != weights_sha256) {
    return InvalidArgument("the plan was made for weights " + plan.weights_sha256 + ", " + model + " has " +
                               weights_sha256 + "; make one with `ptqbench quantize`",
                           path);
  }
  return plan;
}

Result<LoadedExperiment> LoadExperiment(const std::string& spec, const method::Registry& registry,
                                        Workspace& workspace) {
  LoadedExperiment loaded;
  PTQ_ASSIGN_OR_RETURN(const std::string path, FindSpec(spec, workspace));
  PTQ_ASSIGN_OR_RETURN(loaded.spec, ReadSpec(path));
  PTQ_ASSIGN_OR_RETURN(loaded.trials, ResolveTrials(loaded.spec, registry, workspace));
  return loaded;
}

int Fail(const Error& error) {
  const std::string text = error.ToString();
  const bool has_places =
      text.find(".toml:") != std::string::npos;  // file:line:col begins each line, as editors expect
  std::fprintf(stderr, "%s%s\n", has_places ? "" : "ptqbench: ", text.c_str());
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return kExitUsage;
    case ErrorCode::kInterrupted:
      return kExitStopped;
    case ErrorCode::kInternal:
      return kExitTrialFailed;
    default:
      return kExitEnvironment;
  }
}

}  // namespace ptq::experiments::cli
