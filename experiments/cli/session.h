// session.h: what the verbs share: an opened workspace, the registered methods, a read and resolved spec.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/method/method.h"
#include "experiments/cli/commands.h"
#include "experiments/spec.h"
#include "experiments/trial.h"
#include "experiments/workspace.h"
#include "results/checkpoint_store.h"

namespace ptq::experiments::cli {

// Opens the workspace that the flags name and sets LibTorch's threads.
// Errors: NotFound (no home), InvalidArgument (a catalogue's faults, a negative --threads).
Result<Workspace> OpenWorkspace(const GlobalFlags& global);

method::Registry Methods();

// What a flag names and nobody declares is a usage error.
template <typename T>
Result<T> AsUsage(Result<T> found) {
  return found.ok() ? found : Result<T>(InvalidArgument(found.error().message));
}

// Finished parts of calibrations, in the file "<database>.calibration"; nothing where the user wants none.
Result<std::optional<results::CheckpointStore>> OpenCheckpoints(const Workspace& workspace, bool no_checkpoint);

// `spec` is a path, or the name of a file in <home>/experiments without ".toml".
Result<std::string> FindSpec(const std::string& spec, const Workspace& workspace);

// The files of <home>/experiments without ".toml", ascending.
std::vector<std::string> ExperimentNames(const Workspace& workspace);

// The exit code of a verb: the value, or that of Fail.
int Finish(const Result<int>& code);

// The plan of a file, made for these weights or bound to none.  Errors: those of ReadPlan; InvalidArgument where it was
// made for other weights.
Result<method::Plan> ReadPlanFor(const std::string& path, const std::string& model, const std::string& weights_sha256);

struct LoadedExperiment {
  ExperimentSpec spec;
  std::vector<Trial> trials;
};
Result<LoadedExperiment> LoadExperiment(const std::string& spec, const method::Registry& registry,
                                        Workspace& workspace);

}  // namespace ptq::experiments::cli
