// verdict.h: whether a measured accuracy and a published one can be compared, and what comes of it.
#pragma once

#include <string>
#include <vector>

#include "data/catalog/datasets.h"
#include "data/catalog/models.h"
#include "results/published_values.h"
#include "results/table.h"

namespace ptq::experiments {

// Fills in TableRow::verdict and TableRow::verdict_reason.  A verdict other than "not comparable" is given only where
// the weights have the hash declared for the model of that title, and the images the manifest hash declared for the
// data set: then they are the paper's as far as hashes tell.  `published`: all values of the table's sources, for rows
// whose own value belongs to other images.  The row's interval, trials and warning are already there.
void Judge(const data::ModelEntry& model, const data::DatasetEntry& dataset,
           const std::vector<results::PublishedRow>& published, const std::string& name, results::TableRow& row);

}  // namespace ptq::experiments
