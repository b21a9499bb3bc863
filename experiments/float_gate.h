// float_gate.h: whether float32 measures what it should, before anyone looks at quantized numbers.
#pragma once

#include <string>

#include "data/catalog/datasets.h"
#include "data/catalog/models.h"

namespace ptq::experiments {

// A sentence where float32 is further from its declared reference than the tolerance; empty where it is not, or nothing
// is declared.  The reference: the model's float_reference of the data set; on the full ImageNet validation set its
// reference_top1, within 0.15 points.
std::string FloatWarning(const data::ModelEntry& model, const data::DatasetEntry& dataset, double top1_fraction);

}  // namespace ptq::experiments
