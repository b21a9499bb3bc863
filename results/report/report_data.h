// report_data.h: the data of the HTML page; private to the report's sources.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "results/report/html_report.h"

namespace ptq::results {

// The JSON that html_report.h describes.
nlohmann::json ReportData(const Report& report);

// As JSON text in UTF-8; bytes that are not UTF-8 become U+FFFD.
std::string Dump(const nlohmann::json& data);

}  // namespace ptq::results
