#include "results/text_grid.h"

#include <fmt/format.h>

#include <algorithm>

namespace ptq::results {
namespace {

size_t Width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string Pad(const std::string& text, size_t width, bool right) {
  const std::string blanks(width - std::min(width, Width(text)), ' ');
  return right ? blanks + text : text + blanks;
}

std::string Line(const std::vector<std::string>& cells, const std::vector<size_t>& widths, size_t first_right_aligned) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += "  ";
    line += Pad(cells[i], widths[i], i >= first_right_aligned);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string EscapePipes(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

std::string RenderGrid(const TextGrid& grid) {
  std::vector<size_t> widths;
  size_t total = 2 * (grid.header.size() - 1);
  for (size_t i = 0; i < grid.header.size(); ++i) {
    size_t width = Width(grid.header[i]);
    for (const auto& cells : grid.rows) width = std::max(width, Width(cells[i]));
    widths.push_back(width);
    total += width;
  }
  const std::string rule = std::string(total, '-') + "\n";
  std::string text = Line(grid.header, widths, grid.first_right_aligned) + rule;
  for (size_t i = 0; i < grid.rows.size(); ++i) {
    if (std::binary_search(grid.rules.begin(), grid.rules.end(), i)) text += rule;
    text += Line(grid.rows[i], widths, grid.first_right_aligned);
  }
  return text;
}

std::string RenderMarkdownGrid(const TextGrid& grid) {
  std::string text = fmt::format("| {} |\n", fmt::join(grid.header, " | "));
  for (size_t i = 0; i < grid.header.size(); ++i) text += i < grid.first_right_aligned ? "|---" : "|---:";
  text += "|\n";
  for (std::vector<std::string> cells : grid.rows) {
    std::transform(cells.begin(), cells.end(), cells.begin(), EscapePipes);
    text += fmt::format("| {} |\n", fmt::join(cells, " | "));
  }
  return text;
}

}  // namespace ptq::results
