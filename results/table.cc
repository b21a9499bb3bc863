#include "results/table.h"

#include <fmt/format.h>

#include "core/base/nearest_name.h"
#include "results/table_row.h"

namespace ptq::results {

Result<TableFormat> ParseTableFormat(const std::string& name) {
  if (name == "table") return TableFormat::kText;
  if (name == "markdown") return TableFormat::kMarkdown;
  if (name == "csv") return TableFormat::kCsv;
  if (name == "json") return TableFormat::kJson;
  if (name == "latex") return TableFormat::kLatex;
  return InvalidArgument(fmt::format("unknown table format '{}'{}; give table, markdown, csv, json or latex", name,
                                     DidYouMean(name, {"table", "markdown", "csv", "json", "latex"})));
}

std::string Render(const Table& table, TableFormat format) {
  switch (format) {
    case TableFormat::kText:
      return RenderText(table);
    case TableFormat::kMarkdown:
      return RenderMarkdown(table);
    case TableFormat::kCsv:
      return RenderCsv(table);
    case TableFormat::kJson:
      return RenderJson(table);
    case TableFormat::kLatex:
      return RenderLatex(table);
  }
  return "";
}

}  // namespace ptq::results
