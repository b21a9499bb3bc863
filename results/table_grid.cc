#include "results/table_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "results/table_row.h"

namespace ptq::results {
namespace {

constexpr size_t kFirstRightAligned = 4;
constexpr const char* kHeader[] = {"model",  "dataset", "method", "W/A",     "paper %",  "measured %", "95 %", "p",
                                   "change", "images",  "seeds",  "size MB", "paper MB", "calib s",    "grids"};

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

std::string AdjustedP(const TableRow& row) {
  if (!row.adjusted_p.has_value()) return "-";
  return *row.adjusted_p < 0.001 ? "<.001" : fmt::format("{:.3f}", *row.adjusted_p);
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
          AdjustedP(row),
          change,
          Images(figures),
          Seeds(row, figures),
          Megabytes(figures.size_bytes),
          Megabytes(figures.paper_size_bytes),
          figures.calibrate_seconds.has_value() ? fmt::format("{:.1f}", *figures.calibrate_seconds) : "-",
          Grids(figures)};
}

bool SameGroup(const TableRow& a, const TableRow& b) { return a.model == b.model && a.dataset == b.dataset; }

// "93.45 +- 0.12 (3 seeds, 2000 images)"
std::string Ours(const TableRow& row, const RowFigures& figures) {
  const std::string seeds = Seeds(row, figures);
  return fmt::format("{} ({} seed{}, {} images)", Measured(figures), seeds, seeds == "1" ? "" : "s", Images(figures));
}

}  // namespace

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

TextGrid MakePublishedGrid(const Table& table, Notes& notes) {
  TextGrid grid;
  grid.header = {"model", "dataset", "method", "W/A", "paper %", "ours %", "ours - float32", "verdict"};
  grid.first_right_aligned = kFirstRightAligned;
  for (const TableRow& row : table.rows) {
    if (row.verdict.empty()) continue;
    const RowFigures figures = Reduce(row);
    grid.rows.push_back({row.model, row.dataset, row.method, BitsLabel(row), Published(row, figures, notes),
                         Ours(row, figures),
                         figures.change_fraction.has_value() ? Change(*figures.change_fraction) : "-",
                         row.verdict + notes.Mark({row.verdict_reason})});
  }
  return grid;
}

std::string Notes::Mark(const std::vector<std::string>& texts) {
  std::string marks;
  for (const std::string& text : texts) {
    const auto found = std::find(texts_.begin(), texts_.end(), text);
    const auto number = found - texts_.begin() + 1;
    if (found == texts_.end()) texts_.push_back(text);
    marks += fmt::format("[{}]", number);
  }
  return marks.empty() ? "" : " " + marks;
}

std::string CountRows(const Table& table) {
  std::array<int, 4> counts = {};
  for (const TableRow& row : table.rows) ++counts[static_cast<size_t>(Reduce(row).status)];
  std::string text = fmt::format("{} rows: {} measured", table.rows.size(), counts[0]);
  if (counts[1] > 0) text += fmt::format(", {} failed", counts[1]);
  if (counts[2] > 0) text += fmt::format(", {} unsupported", counts[2]);
  if (counts[3] > 0) text += fmt::format(", {} not run", counts[3]);
  return text + ".";
}

const std::array<const char*, 9> kLegend = {
    "measured: top-1 in percent of the images counted in the row; with two seeds or more the mean +- sample standard "
    "deviation.",
    "95 %: interval of the accuracy, of one trial by itself (Wilson) or over seeds and images (docs/statistics.md).",
    "\"*\": better, image by image, than every other row at these bits; \"~\": the best there, or not to be told from "
    "it.",
    "p: of being as good as the best row at these bits (McNemar; over seeds a sign-flip test), Holm-adjusted over the "
    "table.",
    "change: measured minus float32 on the same images with the same weights, in percentage points.",
    "size MB: weights at their bits, all else float32, scales included; paper MB: every parameter at low bits, no "
    "scales.",
    "grids: int: integer kernels could run every grid of the plan; sim: one of them exists in simulation alone; int8: "
    "integer kernels ran it.",
    "verdict: given only where model, weights and images are the paper's by hash; agrees: the published figure lies in "
    "our 95 % interval.",
    "paper %: as published; \"-\" in a column: no such figure for this row."};

}  // namespace ptq::results
