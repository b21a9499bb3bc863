// contact_sheet.h: many pictures of a data set on one page, to be looked at.
#pragma once

#include "core/base/error.h"
#include "data/images/dataset.h"

namespace ptq::data {

// Row r shows the first `columns` pictures of class r in id order, fitted into cells of 64 x 64 pixels, on a grey
// ground; fewer where the class has fewer.
// Errors: those of Load; InvalidArgument for sizes outside 1..1000.
Result<Image> MakeContactSheet(const Dataset& dataset, int64_t rows, int64_t columns);

}  // namespace ptq::data
