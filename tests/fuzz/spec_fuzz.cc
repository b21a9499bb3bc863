// Feeds any bytes to the parser of experiment files and to the two catalogues, which share the strict TOML reader.
// Nothing may crash, hang or be accepted outside its contract; every fault is one line `file:line:col: message`.
//
// Seeds: experiments/*.toml, data/*.toml.
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>

#include "core/base/check.h"
#include "data/catalog/datasets.h"
#include "data/catalog/models.h"
#include "experiments/spec.h"

namespace {

void CheckFaults(const ptq::Error& error) {
  PTQ_CHECK(!error.message.empty());
  std::istringstream lines(error.message);
  std::string line;
  while (std::getline(lines, line)) {
    PTQ_CHECK(line.compare(0, 2, "f:") == 0) << line;
    PTQ_CHECK(line.size() > 4 && line[2] >= '1' && line[2] <= '9') << line;
  }
}

void CheckTrial(const ptq::experiments::TrialSpec& trial) {
  PTQ_CHECK(!trial.seeds.empty() && !trial.method.empty() && !trial.workload.model.empty());
  PTQ_CHECK(trial.method == "float32" || ptq::method::Validate(trial.scheme).ok());
  PTQ_CHECK(trial.workload.float_only == trial.workload.calibration_dataset.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const ptq::Result<ptq::experiments::ExperimentSpec> spec = ptq::experiments::ParseSpec(text, "f");
  if (spec.ok()) {
    PTQ_CHECK(!spec->trials.empty());
    for (const ptq::experiments::TrialSpec& trial : spec->trials) {
      CheckTrial(trial);
    }
  } else {
    CheckFaults(spec.error());
  }
  const ptq::Result<ptq::data::ModelCatalog> models = ptq::data::ParseModelCatalog(text, "f");
  if (models.ok()) {
    for (const ptq::data::ModelEntry& model : models->models) {
      PTQ_CHECK(ptq::vit::Validate(model.config).ok() && !model.weights.empty());
    }
  } else {
    CheckFaults(models.error());
  }
  const ptq::Result<ptq::data::DatasetCatalog> datasets = ptq::data::ParseDatasetCatalog(text, "f");
  if (!datasets.ok()) {
    CheckFaults(datasets.error());
  }
  return 0;
}
