// table_statistics.h: what the stored predictions say about the rows of a table.
#pragma once

#include "core/base/error.h"
#include "results/store.h"
#include "results/table.h"

namespace ptq::results {

// Fills in TableRow::interval, TableRow::standing and TableRow::adjusted_p from the predictions of each row's done
// trials.  Rows compete where model, data set, widths and mixed precision are the same, both were quantized, and their
// images are the same; rows that are alone have no standing.  Errors: those of ReadEvaluated.
Status AddStatistics(const Store& store, Table& table);

}  // namespace ptq::results
