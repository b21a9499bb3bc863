#include "results/sensitivity_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "core/base/nearest_name.h"
#include "results/text_grid.h"

namespace ptq::results {
namespace {

std::string CellText(const SensitivityCell& cell) {
  return cell.signal_to_noise_db ? fmt::format("{:.1f} dB, {}", *cell.signal_to_noise_db, cell.changed) : "equal";
}

TextGrid MakeGrid(const SensitivityRecord& record) {
  std::set<int, std::greater<>> widths;
  for (const SensitivityCell& cell : record.cells) widths.insert(cell.num_bits);
  TextGrid grid;
  grid.header = {"part"};
  for (const int bits : widths) grid.header.push_back(fmt::format("{} bits", bits));
  grid.first_right_aligned = 1;
  for (const SensitivityCell& cell : record.cells) {
    if (grid.rows.empty() || grid.rows.back()[0] != cell.unit) {
      grid.rows.emplace_back(1 + widths.size(), "-");
      grid.rows.back()[0] = cell.unit;
    }
    const auto column = std::distance(widths.begin(), widths.find(cell.num_bits));
    grid.rows.back()[1 + column] = CellText(cell);
  }
  return grid;
}

std::string Caption(const SensitivityRecord& record) {
  return fmt::format(
      "{}, each {} quantized alone by {}@{}: signal to quantization noise of the logits, and first answers changed of "
      "{} images of {}; float32 has {} of them right\n",
      record.model, record.grouping, record.method, record.method_version, record.images, record.dataset.name,
      record.float_top1_correct);
}

std::string Csv(const SensitivityRecord& record) {
  std::string text = "unit,num_bits,signal_to_noise_db,changed,top1_correct\r\n";
  for (const SensitivityCell& cell : record.cells) {
    text += fmt::format("{},{},{},{},{}\r\n", cell.unit, cell.num_bits,
                        cell.signal_to_noise_db ? fmt::format("{:.4f}", *cell.signal_to_noise_db) : "", cell.changed,
                        cell.top1_correct);
  }
  return text;
}

}  // namespace

Result<SensitivityFormat> ParseSensitivityFormat(const std::string& name) {
  if (name == "table") return SensitivityFormat::kText;
  if (name == "markdown") return SensitivityFormat::kMarkdown;
  if (name == "csv") return SensitivityFormat::kCsv;
  return InvalidArgument(fmt::format("unknown format '{}'{}; give table, markdown or csv", name,
                                     DidYouMean(name, {"table", "markdown", "csv"})));
}

std::string Render(const SensitivityRecord& record, SensitivityFormat format) {
  switch (format) {
    case SensitivityFormat::kText:
      return Caption(record) + "\n" + RenderGrid(MakeGrid(record));
    case SensitivityFormat::kMarkdown:
      return Caption(record) + "\n" + RenderMarkdownGrid(MakeGrid(record));
    case SensitivityFormat::kCsv:
      return Csv(record);
  }
  return "";
}

}  // namespace ptq::results
