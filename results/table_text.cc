#include <fmt/format.h>

#include "results/latency_table.h"
#include "results/table_grid.h"
#include "results/table_row.h"

namespace ptq::results {
namespace {

// The second table, of times; empty where nothing was timed.
std::string Latencies(const Table& table, LatencyFormat format) {
  std::vector<LatencyRow> rows;
  for (const TableRow& row : table.rows) {
    for (const LatencyRecord& record : row.latencies) {
      rows.push_back({row.model, row.method + " " + BitsLabel(row), record});
    }
  }
  std::string text = rows.empty() ? "" : RenderLatency(rows, format);
  if (table.latencies_missing > 0) {
    text += fmt::format("{}latency: {} {} not measured yet: `ptqbench run` measures what it can\n",
                        format == LatencyFormat::kMarkdown ? "* " : "", table.latencies_missing,
                        table.latencies_missing == 1 ? "setting is" : "settings are");
  }
  return text.empty() ? "" : "\n" + text;
}

}  // namespace

std::string RenderText(const Table& table) {
  Notes notes;
  const TextGrid grid = MakeGrid(table, notes);
  std::string text = (table.title.empty() ? "" : table.title + "\n\n") + RenderGrid(grid);
  text += "\n" + CountRows(table) + "\n";
  const TextGrid beside = MakePublishedGrid(table, notes);
  if (!beside.rows.empty()) text += "\nPaper beside ours\n\n" + RenderGrid(beside) + "\n";
  for (const char* legend : kLegend) text += fmt::format("{}\n", legend);
  for (size_t i = 0; i < notes.texts().size(); ++i) text += fmt::format("[{}] {}\n", i + 1, notes.texts()[i]);
  return text + Latencies(table, LatencyFormat::kText);
}

std::string RenderMarkdown(const Table& table) {
  Notes notes;
  TextGrid grid = MakeGrid(table, notes);
  for (size_t i = 0; i < table.rows.size(); ++i) {
    if (table.rows[i].standing == Standing::kBest) {
      grid.rows[i][kMeasuredColumn] = "**" + grid.rows[i][kMeasuredColumn] + "**";
    }
  }
  std::string text = (table.title.empty() ? "" : fmt::format("## {}\n\n", table.title)) + RenderMarkdownGrid(grid);
  text += "\n" + CountRows(table) + "\n\n";
  const TextGrid beside = MakePublishedGrid(table, notes);
  if (!beside.rows.empty()) text += "### Paper beside ours\n\n" + RenderMarkdownGrid(beside) + "\n";
  for (const char* legend : kLegend) text += fmt::format("* {}\n", legend);
  for (size_t i = 0; i < notes.texts().size(); ++i) text += fmt::format("* [{}] {}\n", i + 1, notes.texts()[i]);
  return text + Latencies(table, LatencyFormat::kMarkdown);
}

}  // namespace ptq::results
