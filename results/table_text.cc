#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <utility>

#include "results/latency_table.h"
#include "results/table_row.h"
#include "results/text_grid.h"

namespace ptq::results {
namespace {

constexpr size_t kFirstRightAligned = 4;
constexpr size_t kMeasuredColumn = 5;
constexpr const char* kHeader[] = {"model",  "dataset", "method", "W/A",     "published %", "measured %", "95 %",
                                   "change", "images",  "seeds",  "size MB", "paper MB",    "calib s",    "grids"};

// Reasons in the order of their first use; each is printed once below the table.
class Notes {
 public:
  // " [1][3]", or nothing.
  std::string Mark(const std::vector<std::string>& texts) {
    std::string marks;
    for (const std::string& text : texts) {
      const auto found = std::find(texts_.begin(), texts_.end(), text);
      const auto number = found - texts_.begin() + 1;
      if (found == texts_.end()) texts_.push_back(text);
      marks += fmt::format("[{}]", number);
    }
    return marks.empty() ? "" : " " + marks;
  }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::vector<std::string> texts_;
};

std::string Percent(double fraction) { return fmt::format("{:.2f}", fraction * 100); }

// "-0.46", "+0.10", and "0.00" for what rounds to nothing.
std::string Change(double fraction) {
  const double points = std::round(fraction * 10000) / 100;
  return points == 0 ? "0.00" : fmt::format("{:+.2f}", points);
}

std::string Measured(const RowFigures& figures) {
  std::string cell;
  if (figures.measured_fraction.has_value()) {
    cell = Percent(*figures.measured_fraction);
    if (figures.measured_sd.has_value()) cell += " +- " + Percent(*figures.measured_sd);
  } else {
    cell = figures.status == RowStatus::kNotRun ? "-" : Name(figures.status);
  }
  return cell;
}

// "[78.3, 82.8]~"
std::string IntervalText(const TableRow& row) {
  if (!row.interval.has_value()) return "-";
  const char* mark = row.standing == Standing::kBest ? "*" : row.standing == Standing::kTied ? "~" : "";
  return fmt::format("[{:.1f}, {:.1f}]{}", row.interval->low * 100, row.interval->high * 100, mark);
}

// Why it was not measured, and what the plans say, with the method's title, which a note below the table has to name.
std::vector<std::string> Remarks(const TableRow& row, const RowFigures& figures) {
  std::vector<std::string> remarks = figures.reasons;
  const std::string remark = PlanRemark(figures);
  if (!remark.empty()) remarks.push_back(row.method + ": " + remark);
  return remarks;
}

std::string Published(const TableRow& row, const RowFigures& figures, Notes& notes) {
  if (!figures.published_fraction.has_value()) return "-";
  return Percent(*figures.published_fraction) +
         (row.published_elsewhere ? notes.Mark({"published: " + row.published->source}) : "");
}

const char* Grids(const RowFigures& figures) {
  switch (figures.grids) {
    case RowGrids::kNone:
      return "-";
    case RowGrids::kInteger:
      return "int";
    case RowGrids::kSimulatedOnly:
      return "sim";
    case RowGrids::kRanInteger:
      return "int8";
  }
  return "";
}

std::string Images(const RowFigures& figures) {
  if (figures.done == 0) return "-";
  if (figures.min_images == figures.max_images) return fmt::format("{}", figures.max_images);
  return fmt::format("{}..{}", figures.min_images, figures.max_images);
}

std::string Seeds(const TableRow& row, const RowFigures& figures) {
  if (row.trials.empty()) return "-";
  const auto asked = static_cast<int64_t>(row.trials.size());
  return figures.done == asked ? fmt::format("{}", asked) : fmt::format("{} of {}", figures.done, asked);
}

std::string Megabytes(const std::optional<double>& bytes) {
  return bytes.has_value() ? fmt::format("{:.2f}", *bytes / 1e6) : "-";
}

std::vector<std::string> MakeCells(const TableRow& row, Notes& notes) {
  const RowFigures figures = Reduce(row);
  // in this order, because notes are numbered by their first use
  const std::string published = Published(row, figures, notes);
  const std::string measured = Measured(figures) + notes.Mark(Remarks(row, figures));
  const std::string change =
      figures.change_fraction.has_value() ? Change(*figures.change_fraction) : "-" + notes.Mark(figures.caveats);
  return {row.model,
          row.dataset,
          row.method,
          BitsLabel(row),
          published,
          measured,
          IntervalText(row),
          change,
          Images(figures),
          Seeds(row, figures),
          Megabytes(figures.size_bytes),
          Megabytes(figures.paper_size_bytes),
          figures.calibrate_seconds.has_value() ? fmt::format("{:.1f}", *figures.calibrate_seconds) : "-",
          Grids(figures)};
}

bool SameGroup(const TableRow& a, const TableRow& b) { return a.model == b.model && a.dataset == b.dataset; }

TextGrid MakeGrid(const Table& table, Notes& notes) {
  TextGrid grid;
  grid.header.assign(std::begin(kHeader), std::end(kHeader));
  grid.first_right_aligned = kFirstRightAligned;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    if (i > 0 && !SameGroup(table.rows[i - 1], table.rows[i])) grid.rules.push_back(i);
    grid.rows.push_back(MakeCells(table.rows[i], notes));
  }
  return grid;
}

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

std::string Count(const Table& table) {
  std::array<int, 4> counts = {};
  for (const TableRow& row : table.rows) ++counts[static_cast<size_t>(Reduce(row).status)];
  std::string text = fmt::format("{} rows: {} measured", table.rows.size(), counts[0]);
  if (counts[1] > 0) text += fmt::format(", {} failed", counts[1]);
  if (counts[2] > 0) text += fmt::format(", {} unsupported", counts[2]);
  if (counts[3] > 0) text += fmt::format(", {} not run", counts[3]);
  return text + ".";
}

constexpr std::array<const char*, 7> kLegend = {
    "measured: top-1 in percent of the images counted in the row; with two seeds or more the mean +- sample standard "
    "deviation.",
    "95 %: interval of the accuracy, of one trial by itself (Wilson) or over seeds and images (docs/statistics.md).",
    "\"*\": better, image by image, than every other row at these bits; \"~\": the best there, or not to be told from "
    "it.",
    "change: measured minus float32 on the same images with the same weights, in percentage points.",
    "size MB: weights at their bits, all else float32, scales included; paper MB: every parameter at low bits, no "
    "scales.",
    "grids: int: integer kernels could run every grid of the plan; sim: one of them exists in simulation alone; int8: "
    "integer kernels ran it.",
    "published: as printed in the source; \"-\" in a column: no such figure for this row."};

}  // namespace

std::string RenderText(const Table& table) {
  Notes notes;
  const TextGrid grid = MakeGrid(table, notes);
  std::string text = (table.title.empty() ? "" : table.title + "\n\n") + RenderGrid(grid);
  text += "\n" + Count(table) + "\n";
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
  text += "\n" + Count(table) + "\n\n";
  for (const char* legend : kLegend) text += fmt::format("* {}\n", legend);
  for (size_t i = 0; i < notes.texts().size(); ++i) text += fmt::format("* [{}] {}\n", i + 1, notes.texts()[i]);
  return text + Latencies(table, LatencyFormat::kMarkdown);
}

}  // namespace ptq::results
