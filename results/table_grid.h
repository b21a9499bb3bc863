// table_grid.h: the cells of a table, for every format that people read; private to the table's sources.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "results/table.h"
#include "results/text_grid.h"

namespace ptq::results {

// Reasons in the order of their first use; each is printed once below the table.
class Notes {
 public:
  // " [1][3]", or nothing.
  std::string Mark(const std::vector<std::string>& texts);
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::vector<std::string> texts_;
};

constexpr size_t kMeasuredColumn = 5;

TextGrid MakeGrid(const Table& table, Notes& notes);
// "Paper beside ours": the rows with a verdict; no rows where there is none.
TextGrid MakePublishedGrid(const Table& table, Notes& notes);
// "12 rows: 10 measured, 2 not run."
std::string CountRows(const Table& table);
extern const std::array<const char*, 9> kLegend;

}  // namespace ptq::results
