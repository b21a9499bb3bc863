// histogram_values.h: a histogram as values with multiplicities, for rules that score ranges on values
// (core/quant/lp_range.h) without keeping the elements.
#pragma once

#include "core/calib/statistics.h"
#include "core/quant/lp_range.h"

namespace ptq::calib {

// Two values for each bin that is not empty, each with half of its count, inside the bin and inside the observed range;
// moments are those of the elements to about a tenth of a bin width.  They are scattered over the bin by a
// low-discrepancy sequence: centres alone would be a lattice, on which a grid of nearly the same spacing seems to lose
// nothing.  statistics: with a histogram, of at least one element.
quant::WeightedValues ValuesOfHistogram(const TensorStatistics& statistics);

}  // namespace ptq::calib
