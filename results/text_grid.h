// text_grid.h: cells as aligned text or as Markdown; private to the sources of tables.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace ptq::results {

struct TextGrid {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  // as many cells as in the header
  std::vector<size_t> rules;                   // rows that a rule stands before, ascending
  size_t first_right_aligned = 0;              // this column and all behind it
};

// Columns two blanks apart, a rule under the header.  Widths count code points, so that a title outside ASCII keeps the
// columns straight.
std::string RenderGrid(const TextGrid& grid);
std::string RenderMarkdownGrid(const TextGrid& grid);

}  // namespace ptq::results
