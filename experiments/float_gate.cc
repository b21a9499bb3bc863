#include "experiments/float_gate.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

namespace ptq::experiments {
namespace {

constexpr char kFullValidationSet[] = "ImageNet";
constexpr double kPublishedTolerance = 0.15;  // points: other decoders and resizing

std::optional<data::FloatReference> ReferenceOf(const data::ModelEntry& model, const data::DatasetEntry& dataset) {
  for (const data::FloatReference& reference : model.float_references) {
    if (reference.dataset == dataset.name) {
      return reference;
    }
  }
  if (dataset.title == kFullValidationSet && model.reference_top1) {
    return data::FloatReference{dataset.name, *model.reference_top1, kPublishedTolerance, model.reference_source};
  }
  return std::nullopt;
}

}  // namespace

std::string FloatWarning(const data::ModelEntry& model, const data::DatasetEntry& dataset, double top1_fraction) {
  const std::optional<data::FloatReference> reference = ReferenceOf(model, dataset);
  const double measured = 100 * top1_fraction;
  if (!reference || std::abs(measured - reference->top1) <= reference->tolerance + 1e-9) {
    return "";
  }
  return fmt::format(
      "FLOAT32 IS OFF: {} on {} measures {:.2f} %, its reference is {:.2f} +- {:.2f} % ({}); weights, images or "
      "preprocessing are not what they should be, and no number of this model here is to be trusted",
      model.title, dataset.title, measured, reference->top1, reference->tolerance, reference->source);
}

}  // namespace ptq::experiments
