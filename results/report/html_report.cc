#include "results/report/html_report.h"

#include <utility>

#include "results/report/report_data.h"

namespace ptq::results {
namespace {

constexpr char kPage[] =
#include "results/report/page.inc"
    ;
constexpr char kStyle[] =
#include "results/report/style.inc"
    ;
constexpr char kChart[] =
#include "results/report/chart.inc"
    ;
constexpr char kScript[] =
#include "results/report/script.inc"
    ;

std::string Utf8(const std::string& text) { return nlohmann::json::parse(Dump(text)).get<std::string>(); }

std::string Replace(const std::string& text, char what, const std::string& with) {
  std::string replaced;
  for (const char c : text) replaced += c == what ? with : std::string(1, c);
  return replaced;
}

std::string EscapeHtml(const std::string& text) {
  return Replace(Replace(Replace(Utf8(text), '&', "&amp;"), '<', "&lt;"), '"', "&quot;");
}

// JSON has a "<" within strings only, and there an escape means the same.
std::string EscapeScriptData(const std::string& json) { return Replace(json, '<', "\\u003c"); }

using Parts = std::map<std::string, std::string>;

// Every "{{name}}" of the page with the part of that name in its place; what the parts hold is left as it is.
std::string Fill(const std::string& page, const Parts& parts) {
  std::string filled;
  size_t begin = 0;
  for (size_t mark = page.find("{{"); mark != std::string::npos; mark = page.find("{{", begin)) {
    const size_t end = page.find("}}", mark);
    filled += page.substr(begin, mark - begin) + parts.at(page.substr(mark + 2, end - mark - 2));
    begin = end + 2;
  }
  return filled + page.substr(begin);
}

}  // namespace

std::string RenderHtml(const Report& report) {
  return Fill(kPage, {{"title", EscapeHtml(report.table.title.empty() ? "ptqbench report" : report.table.title)},
                      {"style", kStyle},
                      {"table", EscapeHtml(Render(report.table, TableFormat::kText))},
                      {"data", EscapeScriptData(Dump(ReportData(report)))},
                      {"chart", kChart},
                      {"script", kScript}});
}

}  // namespace ptq::results
