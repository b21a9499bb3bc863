// sensitivity.h: what quantizing one part of a model alone does to its answers, part by part.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/progress.h"
#include "core/method/plan.h"
#include "core/vit/model.h"
#include "experiments/image_source.h"
#include "results/checkpoint_store.h"
#include "results/sensitivity_record.h"

namespace ptq::experiments {

// What is quantized together: "op" (one op), "block" (all ops of one block; those outside the blocks alone), "kind"
// (the same op of all blocks).
enum class Grouping { kOp, kBlock, kKind };
const char* Name(Grouping grouping);  // "op", "block", "kind"
Result<Grouping> ParseGrouping(const std::string& name);

// The parts of a model in the order of execution, each with its ops.
struct SensitivityUnit {
  std::string name;  // "blocks.3.mlp.fc1", "blocks.3", "mlp.fc1"
  std::vector<vit::OpId> ops;
};
std::vector<SensitivityUnit> SensitivityUnits(const vit::VitConfig& config, Grouping grouping);

// The operands of these ops and nothing else of the plan.
// Errors: Unsupported where the plan changes parameters or quantizes LayerNorm inputs: a part of it alone is then not
// what the method would do.
Result<method::Plan> Restrict(const method::Plan& plan, const std::vector<vit::OpId>& ops);

struct SensitivityMeasurement {
  int64_t images = 0, float_top1_correct = 0;
  std::vector<results::SensitivityCell> cells;  // by unit, then by descending width
};

// plans: of the whole model, by width.  labels: one for each image; negative: unknown and never right.  `scope` names
// all that a cell depends on besides its unit and width: finished cells are kept in `checkpoints` (null: nowhere) and
// found again.  Errors: those of the images, of Restrict and of the store; Interrupted.
Result<SensitivityMeasurement> MeasureSensitivity(const vit::VitModel& model, const std::map<int, method::Plan>& plans,
                                                  Grouping grouping, calib::ImageSource& images,
                                                  const std::vector<int64_t>& labels, const std::string& scope,
                                                  results::CheckpointStore* checkpoints, Progress& progress);

}  // namespace ptq::experiments
