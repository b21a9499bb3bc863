// `ptqbench describe plan X`: a plan file, or the plan of a stored trial.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "experiments/cli/session.h"
#include "experiments/cli/trial_lookup.h"
#include "experiments/plan_file.h"
#include "experiments/plan_text.h"
#include "results/store.h"

namespace ptq::experiments::cli {
namespace {

// The catalogued model whose weights a plan was made for; nothing where none is known.
std::optional<data::ModelEntry> ModelOf(const method::Plan& plan, Workspace& workspace) {
  for (const data::ModelEntry& model : workspace.models().models) {
    bool is_made_for = !model.sha256.empty() && data::AcceptsSha256(model, plan.weights_sha256);
    if (model.sha256.empty()) {
      const Result<WeightsFile> weights = workspace.FindWeights(model);
      is_made_for = weights.ok() && weights->sha256 == plan.weights_sha256;
    }
    if (is_made_for && method::Validate(plan, model.config).ok()) {
      return model;
    }
  }
  return std::nullopt;
}

Result<PlanView> ViewOfFile(const std::string& path, Workspace& workspace) {
  PTQ_ASSIGN_OR_RETURN(const method::Plan plan, ReadPlan(path));
  PlanView view;
  view.fields = {{"plan", path},
                 {"method", plan.method.empty() ? kFloat32 : plan.method},
                 {"scheme", plan.scheme},
                 {"parameters", plan.parameters},
                 {"weights sha256", plan.weights_sha256}};
  if (const std::optional<data::ModelEntry> model = ModelOf(plan, workspace)) {
    view.fields.insert(view.fields.begin() + 1, {"model", model->name});
    const method::ModelSize size = method::SizeUnder(plan, model->config);
    view.true_bytes = size.true_bytes;
    view.paper_bytes = size.paper_bytes;
  }
  view.operands = OperandRecords(plan);
  view.norm_inputs = NormInputRecords(plan);
  view.simulated_only = method::SimulatedOnlyGrids(plan);
  view.notes = plan.notes;
  view.replaced.emplace();
  for (const auto& [name, tensor] : plan.replaced_parameters) {
    view.replaced->insert(name);
  }
  view.allocation = plan.allocation;
  return view;
}

Result<PlanView> ViewOfTrial(const std::string& prefix, const Workspace& workspace) {
  PTQ_ASSIGN_OR_RETURN(const results::Store store,
                       results::Store::Open(workspace.database(), results::Store::Mode::kReadOnly));
  PTQ_ASSIGN_OR_RETURN(const results::TrialSummary trial, FindTrial(store, prefix));
  PlanView view;
  view.fields = {{"trial", trial.trial_key},
                 {"model", trial.model},
                 {"data set", trial.dataset},
                 {"method", trial.method + "@" + std::to_string(trial.method_version)},
                 {"scheme", trial.scheme},
                 {"parameters", trial.parameters},
                 {"seed", std::to_string(trial.seed)},
                 {"status", results::Name(trial.status) + (trial.reason.empty() ? "" : ": " + trial.reason)}};
  view.true_bytes = trial.size_bytes;
  view.paper_bytes = trial.paper_size_bytes;
  view.simulated_only = trial.simulated_only;
  view.notes = trial.notes;
  PTQ_ASSIGN_OR_RETURN(view.operands, store.Operands(trial.trial_key));
  PTQ_ASSIGN_OR_RETURN(view.norm_inputs, store.NormInputs(trial.trial_key));
  PTQ_ASSIGN_OR_RETURN(const std::optional<std::string> json, store.Allocation(trial.trial_key));
  if (json) {
    Result<method::BitAllocation> allocation = method::BitAllocationFromJson(*json);
    if (!allocation.ok()) {
      return Corrupt("the bit allocation of trial " + trial.trial_key + ": " + allocation.error().message,
                     workspace.database());
    }
    view.allocation = *std::move(allocation);
  }
  return view;
}

Result<int> DescribePlanChecked(const GlobalFlags& global, const DescribeFlags& flags) {
  PTQ_ASSIGN_OR_RETURN(Workspace workspace, OpenWorkspace(global));
  std::error_code error;
  const bool is_file = std::filesystem::is_regular_file(flags.plan, error);
  if (!is_file && !IsKeyPrefix(flags.plan)) {
    return InvalidArgument("'" + flags.plan + "' is neither a plan file nor the first " +
                           std::to_string(kMinKeyDigits) + " or more hex digits of a stored trial's key");
  }
  PTQ_ASSIGN_OR_RETURN(PlanView view, is_file ? ViewOfFile(flags.plan, workspace) : ViewOfTrial(flags.plan, workspace));
  view.fields.erase(
      std::remove_if(view.fields.begin(), view.fields.end(), [](const auto& field) { return field.second.empty(); }),
      view.fields.end());
  std::fputs(PlanText(view, flags.whole_front).c_str(), stdout);
  return static_cast<int>(kExitDone);
}

}  // namespace

int DescribePlan(const GlobalFlags& global, const DescribeFlags& flags) {
  return Finish(DescribePlanChecked(global, flags));
}

}  // namespace ptq::experiments::cli
