// The verb export: a model under a plan as one file of packed codes.
#include <cstdio>
#include <filesystem>

#include "experiments/cli/session.h"
#include "experiments/packed_file.h"
#include "experiments/runner.h"

namespace ptq::experiments::cli {
namespace {

// Reads the file again: what it gives has the codes that the plan gives the model.
Status CheckFile(const std::string& path, const vit::VitModel& model, const method::Plan& plan) {
  PTQ_ASSIGN_OR_RETURN(const PackedModel read, ReadPacked(path));
  return CheckUnpacks(read, model, plan);
}

int64_t Elements(const vit::VitModel& model, const PackedModel& packed, bool all) {
  int64_t elements = 0;
  for (const auto& [name, values] : model.parameters()) {
    elements += all || packed.weights.count(name) != 0 ? values.numel() : 0;
  }
  return elements;
}

Result<int> ExportChecked(const GlobalFlags& global, const ExportFlags& flags) {
  PTQ_ASSIGN_OR_RETURN(Workspace workspace, OpenWorkspace(global));
  PTQ_ASSIGN_OR_RETURN(const data::ModelEntry entry, AsUsage(workspace.models().Find(flags.model)));
  PTQ_ASSIGN_OR_RETURN(const WeightsFile weights, workspace.FindWeights(entry));
  PTQ_ASSIGN_OR_RETURN(const method::Plan plan, ReadPlanFor(flags.plan, entry.name, weights.sha256));
  ModelLoader loader;
  PTQ_ASSIGN_OR_RETURN(const std::shared_ptr<const vit::VitModel> model, loader.Load(entry, weights));
  PTQ_ASSIGN_OR_RETURN(const PackedModel packed, Pack(entry.name, *model, plan));
  PTQ_RETURN_IF_ERROR(CheckUnpacks(packed, *model, plan));
  PTQ_RETURN_IF_ERROR(WritePacked(flags.out, packed));
  PTQ_RETURN_IF_ERROR(CheckFile(flags.out, *model, plan));
  const auto file_bytes = static_cast<double>(std::filesystem::file_size(flags.out));
  const auto packed_bytes = static_cast<double>(packed.packed_bytes());
  const double float_bytes = 4.0 * static_cast<double>(Elements(*model, packed, true));
  const auto codes = static_cast<double>(Elements(*model, packed, false));
  std::printf(
      "%zu weights packed in %.3f MB (%.3f bits a code); the file has %.3f MB, %.2f times less than float32's "
      "%.3f MB\nread back: every code is the plan's; written to %s\n",
      packed.weights.size(), packed_bytes / 1e6, codes > 0 ? 8 * packed_bytes / codes : 0.0, file_bytes / 1e6,
      float_bytes / file_bytes, float_bytes / 1e6, flags.out.c_str());
  return static_cast<int>(kExitDone);
}

}  // namespace

int Export(const GlobalFlags& global, const ExportFlags& flags) { return Finish(ExportChecked(global, flags)); }

}  // namespace ptq::experiments::cli
