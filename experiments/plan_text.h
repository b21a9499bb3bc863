// plan_text.h: a plan as a person reads it, whether it lies in a file or in the store.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/method/plan.h"
#include "results/store.h"

namespace ptq::experiments {

// A plan's operands as the store keeps them, in the order of execution.
std::vector<results::OperandRecord> OperandRecords(const method::Plan& plan);
// Its quantized LayerNorm inputs, likewise.
std::vector<results::OperandRecord> NormInputRecords(const method::Plan& plan);

struct PlanView {
  std::vector<std::pair<std::string, std::string>> fields;  // name and value, printed first and in this order
  std::optional<double> true_bytes, paper_bytes;            // of the model under the plan; absent: not known
  std::vector<results::OperandRecord> operands, norm_inputs;
  std::vector<std::string> simulated_only;        // method::SimulatedOnlyGrids
  std::map<std::string, std::string> notes;       // Plan::notes
  std::optional<std::set<std::string>> replaced;  // names of Plan::replaced_parameters; absent: not known
  std::optional<method::BitAllocation> allocation;
};

// Fields, notes and sizes, a line per op and per quantized LayerNorm input, and of an allocation its groups and its
// Pareto front: all points, or at most 20 around the chosen one.
std::string PlanText(const PlanView& view, bool whole_front);

}  // namespace ptq::experiments
