// checklist.h: the machine learning reproducibility checklist, answered from a results file.
#pragma once

#include <string>

#include "core/base/error.h"

namespace ptq::results {

// Markdown.  Items in the order of the checklist of Pineau et al. 2021 ("Improving Reproducibility in Machine Learning
// Research", version 2.0), each with a filled box and what the file knows, or an empty box and why the file cannot
// know.  Errors: those of Store::Open for reading.
Result<std::string> Checklist(const std::string& path);

}  // namespace ptq::results
