#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <utility>

#include "results/table_row.h"

namespace ptq::results {
namespace {

constexpr size_t kColumns = 13;
constexpr size_t kFirstRightAligned = 4;
using Cells = std::array<std::string, kColumns>;

constexpr std::array<const char*, kColumns> kHeader = {"model",      "dataset", "method", "W/A",   "published %",
                                                       "measured %", "change",  "images", "seeds", "size MB",
                                                       "paper MB",   "calib s", "grids"};

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

Cells MakeCells(const TableRow& row, Notes& notes) {
  const RowFigures figures = Reduce(row);
  Cells cells;
  cells[0] = row.model;
  cells[1] = row.dataset;
  cells[2] = row.method;
  cells[3] = BitsLabel(row);
  cells[4] = Published(row, figures, notes);
  cells[5] = Measured(figures) + notes.Mark(Remarks(row, figures));
  cells[6] = figures.change_fraction.has_value() ? Change(*figures.change_fraction) : "-" + notes.Mark(figures.caveats);
  cells[7] = Images(figures);
  cells[8] = Seeds(row, figures);
  cells[9] = Megabytes(figures.size_bytes);
  cells[10] = Megabytes(figures.paper_size_bytes);
  cells[11] = figures.calibrate_seconds.has_value() ? fmt::format("{:.1f}", *figures.calibrate_seconds) : "-";
  cells[12] = Grids(figures);
  return cells;
}

// Code points, so that a title outside ASCII keeps the columns straight.
size_t Width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string Pad(const std::string& text, size_t width, bool right) {
  const std::string blanks(width - std::min(width, Width(text)), ' ');
  return right ? blanks + text : text + blanks;
}

std::string Line(const Cells& cells, const std::array<size_t, kColumns>& widths) {
  std::string line;
  for (size_t i = 0; i < kColumns; ++i) {
    if (i > 0) line += "  ";
    line += Pad(cells[i], widths[i], i >= kFirstRightAligned);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
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

constexpr std::array<const char*, 5> kLegend = {
    "measured: top-1 in percent of the images counted in the row; with two seeds or more the mean +- sample standard "
    "deviation.",
    "change: measured minus float32 on the same images with the same weights, in percentage points.",
    "size MB: weights at their bits, all else float32, scales included; paper MB: every parameter at low bits, no "
    "scales.",
    "grids: int: integer kernels could run every grid of the plan; sim: one of them exists in simulation alone.",
    "published: as printed in the source; \"-\" in a column: no such figure for this row."};

std::string EscapePipes(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

bool SameGroup(const TableRow& a, const TableRow& b) { return a.model == b.model && a.dataset == b.dataset; }

}  // namespace

std::string RenderText(const Table& table) {
  Notes notes;
  Cells header;
  std::copy(kHeader.begin(), kHeader.end(), header.begin());
  std::vector<Cells> lines;
  for (const TableRow& row : table.rows) lines.push_back(MakeCells(row, notes));
  std::array<size_t, kColumns> widths = {};
  for (size_t i = 0; i < kColumns; ++i) {
    widths[i] = Width(header[i]);
    for (const Cells& cells : lines) widths[i] = std::max(widths[i], Width(cells[i]));
  }
  size_t total = 2 * (kColumns - 1);
  for (const size_t width : widths) total += width;
  const std::string rule = std::string(total, '-') + "\n";
  std::string text = (table.title.empty() ? "" : table.title + "\n\n") + Line(header, widths) + rule;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0 && !SameGroup(table.rows[i - 1], table.rows[i])) text += rule;
    text += Line(lines[i], widths);
  }
  text += "\n" + Count(table) + "\n";
  for (const char* legend : kLegend) text += fmt::format("{}\n", legend);
  for (size_t i = 0; i < notes.texts().size(); ++i) text += fmt::format("[{}] {}\n", i + 1, notes.texts()[i]);
  return text;
}

std::string RenderMarkdown(const Table& table) {
  Notes notes;
  std::string text = table.title.empty() ? "" : fmt::format("## {}\n\n", table.title);
  text += fmt::format("| {} |\n", fmt::join(kHeader, " | "));
  for (size_t i = 0; i < kColumns; ++i) text += i < kFirstRightAligned ? "|---" : "|---:";
  text += "|\n";
  for (const TableRow& row : table.rows) {
    Cells cells = MakeCells(row, notes);
    std::transform(cells.begin(), cells.end(), cells.begin(), EscapePipes);
    text += fmt::format("| {} |\n", fmt::join(cells, " | "));
  }
  text += "\n" + Count(table) + "\n\n";
  for (const char* legend : kLegend) text += fmt::format("* {}\n", legend);
  for (size_t i = 0; i < notes.texts().size(); ++i) text += fmt::format("* [{}] {}\n", i + 1, notes.texts()[i]);
  return text;
}

}  // namespace ptq::results
