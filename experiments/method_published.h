// method_published.h: what a method's authors published for ViTs: baselines/<id>/published.toml.
//
//   [[value]]
//   model = "DeiT-S"                 # titles, as in results/published/*.csv
//   dataset = "ImageNet"
//   w_bits = 8
//   a_bits = 8
//   mixed = false
//   top1_percent = 77.06
//   source = "Liu et al. 2021, Table 1"
//
// All keys are required.  A method without published values has a file without [[value]], or none.
#pragma once

#include <string>
#include <vector>

#include "core/base/error.h"
#include "results/published_values.h"

namespace ptq::experiments {

// The values in the order of the file, as printable rows (results::IsPrintable) of the method `name`.
// Errors: InvalidArgument with every fault, one a line; a configuration that is there twice is one.
Result<std::vector<results::PublishedRow>> ParseMethodPublished(const std::string& text, const std::string& path,
                                                                const std::string& name);

// Those of <home>/baselines/<id>/published.toml; none where there is no such file.
// Errors: those of ParseMethodPublished; Io.
Result<std::vector<results::PublishedRow>> ReadMethodPublished(const std::string& home, const std::string& id,
                                                               const std::string& name);

}  // namespace ptq::experiments
