// sensitivity_text.h: a sensitivity study for a terminal, a page, or a program.
#pragma once

#include <string>

#include "core/base/error.h"
#include "results/sensitivity_record.h"

namespace ptq::results {

enum class SensitivityFormat { kText, kMarkdown, kCsv };
Result<SensitivityFormat> ParseSensitivityFormat(const std::string& name);  // "table", "markdown", "csv"

// A line for each part, a column for each width: signal to noise in dB, and how many first answers changed.  CSV has a
// line for each cell: unit,num_bits,signal_to_noise_db,changed,top1_correct (an empty field: equal logits).
std::string Render(const SensitivityRecord& record, SensitivityFormat format);

}  // namespace ptq::results
