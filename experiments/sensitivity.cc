#include "experiments/sensitivity.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <set>
#include <utility>

#include "core/exec/executor.h"
#include "experiments/evaluate.h"

namespace ptq::experiments {
namespace {

// The images and what float32 makes of them.
struct Reference {
  std::vector<at::Tensor> batches, logits;
  at::Tensor answers;  // (images) first answers
  double signal = 0;   // sum of squares of all logits
};

int64_t CountRight(const at::Tensor& answers, const std::vector<int64_t>& labels) {
  int64_t right = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    right += answers[static_cast<int64_t>(i)].item<int64_t>() == labels[i] ? 1 : 0;
  }
  return right;
}

Result<Reference> RunFloat(const vit::VitModel& model, calib::ImageSource& images, Progress& progress) {
  Reference reference;
  PTQ_ASSIGN_OR_RETURN(const std::unique_ptr<exec::Executor> executor, exec::MakeSimulatedExecutor(model, {}));
  progress.Begin("float32", images.count());
  PTQ_RETURN_IF_ERROR(images.ForEachBatch(EvaluationBatchSize(model.config()), [&](const at::Tensor& batch) -> Status {
    reference.batches.push_back(batch.clone());  // the source reuses its memory
    reference.logits.push_back(executor->Run(batch));
    reference.signal += reference.logits.back().square().sum(at::kDouble).item<double>();
    progress.Advance(batch.size(0));
    return progress.stop_requested() ? Status(Interrupted("stopped")) : OkStatus();
  }));
  progress.End();
  reference.answers = at::cat(reference.logits).argmax(1);
  return reference;
}

Result<results::SensitivityCell> MeasureCell(const vit::VitModel& model, const method::Plan& part,
                                             const Reference& reference, const std::vector<int64_t>& labels) {
  PTQ_ASSIGN_OR_RETURN(const std::unique_ptr<exec::Executor> executor, exec::MakeSimulatedExecutor(model, part));
  results::SensitivityCell cell;
  std::vector<at::Tensor> logits;
  double noise = 0;
  for (size_t i = 0; i < reference.batches.size(); ++i) {
    logits.push_back(executor->Run(reference.batches[i]));
    noise += (logits.back() - reference.logits[i]).square().sum(at::kDouble).item<double>();
  }
  const at::Tensor answers = at::cat(logits).argmax(1);
  if (noise > 0) {
    cell.signal_to_noise_db = 10 * std::log10(reference.signal / noise);
  }
  cell.changed = answers.ne(reference.answers).sum().item<int64_t>();
  cell.top1_correct = CountRight(answers, labels);
  return cell;
}

// "41.5 0 8"; "= 0 8" where the logits are equal.
std::string ToText(const results::SensitivityCell& cell) {
  char decibels[32] = "=";
  if (cell.signal_to_noise_db) {
    std::snprintf(decibels, sizeof(decibels), "%.17g", *cell.signal_to_noise_db);
  }
  return std::string(decibels) + " " + std::to_string(cell.changed) + " " + std::to_string(cell.top1_correct);
}

Result<results::SensitivityCell> FromText(const std::string& text) {
  char decibels[32];
  long long changed = 0, right = 0;
  if (std::sscanf(text.c_str(), "%31s %lld %lld", decibels, &changed, &right) != 3) {
    return Corrupt("a kept cell of a sensitivity study cannot be read; delete the checkpoint file");
  }
  results::SensitivityCell cell;
  if (std::string(decibels) != "=") {
    cell.signal_to_noise_db = std::strtod(decibels, nullptr);
  }
  cell.changed = changed;
  cell.top1_correct = right;
  return cell;
}

std::string KindOf(const vit::OpId& op) {
  const std::string name = op.name();
  const std::string block = "blocks." + std::to_string(op.block) + ".";
  return op.block < 0 ? name : name.substr(block.size());
}

std::string UnitOf(const vit::OpId& op, Grouping grouping) {
  switch (grouping) {
    case Grouping::kOp:
      return op.name();
    case Grouping::kBlock:
      return op.block < 0 ? op.name() : "blocks." + std::to_string(op.block);
    case Grouping::kKind:
      return KindOf(op);
  }
  return "";
}

}  // namespace

const char* Name(Grouping grouping) {
  switch (grouping) {
    case Grouping::kOp:
      return "op";
    case Grouping::kBlock:
      return "block";
    case Grouping::kKind:
      return "kind";
  }
  return "";
}

Result<Grouping> ParseGrouping(const std::string& name) {
  for (const Grouping grouping : {Grouping::kOp, Grouping::kBlock, Grouping::kKind}) {
    if (name == Name(grouping)) {
      return grouping;
    }
  }
  return InvalidArgument("'" + name + "' is no grouping; give op, block or kind");
}

std::vector<SensitivityUnit> SensitivityUnits(const vit::VitConfig& config, Grouping grouping) {
  std::vector<SensitivityUnit> units;
  for (const vit::OpId& op : vit::AllOps(config)) {
    const std::string name = UnitOf(op, grouping);
    auto unit = std::find_if(units.begin(), units.end(), [&name](const SensitivityUnit& u) { return u.name == name; });
    if (unit == units.end()) {
      unit = units.insert(units.end(), SensitivityUnit{name, {}});
    }
    unit->ops.push_back(op);
  }
  return units;
}

Result<method::Plan> Restrict(const method::Plan& plan, const std::vector<vit::OpId>& ops) {
  if (!plan.replaced_parameters.empty() || !plan.norm_inputs.empty()) {
    return Unsupported("the plan of " + plan.method +
                       " also changes parameters or quantizes LayerNorm inputs, so that one part of it alone is not "
                       "what the method does; take a method that only sets scales (min_max, percentile, mse, ...)");
  }
  method::Plan part;
  for (const auto& [operand, params] : plan.operands) {
    if (std::find(ops.begin(), ops.end(), operand.op) != ops.end()) {
      part.operands.emplace(operand, params);
    }
  }
  return part;
}

Result<SensitivityMeasurement> MeasureSensitivity(const vit::VitModel& model, const std::map<int, method::Plan>& plans,
                                                  Grouping grouping, calib::ImageSource& images,
                                                  const std::vector<int64_t>& labels, const std::string& scope,
                                                  results::CheckpointStore* checkpoints, Progress& progress) {
  PTQ_ASSIGN_OR_RETURN(const Reference reference, RunFloat(model, images, progress));
  SensitivityMeasurement measured;
  measured.images = images.count();
  measured.float_top1_correct = CountRight(reference.answers, labels);
  const std::vector<SensitivityUnit> units = SensitivityUnits(model.config(), grouping);
  progress.Begin("sensitivity", static_cast<int64_t>(units.size() * plans.size()));
  for (const SensitivityUnit& unit : units) {
    for (auto width = plans.rbegin(); width != plans.rend(); ++width) {
      progress.Detail(unit.name + ", " + std::to_string(width->first) + " bits");
      PTQ_ASSIGN_OR_RETURN(const method::Plan part, Restrict(width->second, unit.ops));
      const std::string key = std::string(Name(grouping)) + " " + unit.name + " " + std::to_string(width->first);
      std::optional<results::CheckpointStore::Kept> kept;
      if (checkpoints != nullptr) {
        PTQ_ASSIGN_OR_RETURN(kept, checkpoints->Find(scope, key));
      }
      Result<results::SensitivityCell> cell =
          kept ? FromText(kept->value) : MeasureCell(model, part, reference, labels);
      if (!cell.ok()) {
        return cell.error();
      }
      if (checkpoints != nullptr && !kept) {
        PTQ_RETURN_IF_ERROR(checkpoints->Keep(scope, key, {ToText(*cell), 0}));
      }
      cell->unit = unit.name;
      cell->num_bits = width->first;
      measured.cells.push_back(*std::move(cell));
      progress.Advance(1);
      if (progress.stop_requested()) {
        return Interrupted("stopped during the sensitivity study");
      }
    }
  }
  progress.End();
  return measured;
}

}  // namespace ptq::experiments
