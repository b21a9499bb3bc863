// table_latex.cc: the table as a LaTeX document; its longtable can be cut out (booktabs, longtable).
#include <fmt/format.h>

#include "results/table_grid.h"
#include "results/table_row.h"

namespace ptq::results {
namespace {

// Outside ASCII every byte sequence becomes "?": not every LaTeX knows every letter.
std::string Escape(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '\\':
        escaped += "$\\backslash$";
        break;
      case '~':
        escaped += "$\\sim$";
        break;
      case '^':
        escaped += "$\\hat{}$";
        break;
      case '<':
        escaped += "$<$";
        break;
      case '>':
        escaped += "$>$";
        break;
      case '[':  // behind a line's end it would begin an argument
        escaped += "{[}";
        break;
      case '$':  // \\$ asks for a font of symbols that small installations lack
        escaped += "{\\char36}";
        break;
      case '&':
      case '%':
      case '#':
      case '_':
      case '{':
      case '}':
        escaped += '\\';
        escaped += c;
        break;
      default:
        if ((byte & 0xc0) == 0x80) break;  // the rest of a letter
        escaped += byte >= 0x80 || byte < 0x20 ? '?' : c;
    }
  }
  return escaped;
}

std::string PlusMinus(std::string cell) {
  const size_t at = cell.find(" +- ");
  return at == std::string::npos ? cell : cell.replace(at, 4, " $\\pm$ ");
}

std::string Line(const std::vector<std::string>& cells) { return fmt::format("{} \\\\\n", fmt::join(cells, " & ")); }

std::string LongTable(const TextGrid& grid) {
  std::string columns(grid.first_right_aligned, 'l');
  columns += std::string(grid.header.size() - grid.first_right_aligned, 'r');
  std::vector<std::string> header;
  for (const std::string& cell : grid.header) header.push_back(Escape(cell));
  std::string text = fmt::format(
      "\\begin{{longtable}}{{{}}}\n\\toprule\n{}\\midrule\n\\endhead\n\\bottomrule\n"
      "\\endlastfoot\n",
      columns, Line(header));
  size_t rule = 0;
  for (size_t i = 0; i < grid.rows.size(); ++i) {
    if (rule < grid.rules.size() && grid.rules[rule] == i) {
      text += "\\midrule\n";
      ++rule;
    }
    text += Line(grid.rows[i]);
  }
  return text + "\\end{longtable}\n";
}

// Cells as LaTeX; a sole winner is bold.
TextGrid Escaped(TextGrid grid) {
  for (auto& cells : grid.rows) {
    for (std::string& cell : cells) cell = PlusMinus(Escape(cell));
  }
  return grid;
}

}  // namespace

std::string RenderLatex(const Table& table) {
  Notes notes;
  TextGrid grid = Escaped(MakeGrid(table, notes));
  for (size_t i = 0; i < table.rows.size(); ++i) {
    if (table.rows[i].standing != Standing::kBest) continue;
    grid.rows[i][kMeasuredColumn] = fmt::format("\\textbf{{{}}}", grid.rows[i][kMeasuredColumn]);
  }
  const TextGrid beside = Escaped(MakePublishedGrid(table, notes));
  std::string text =
      "% Run LaTeX three times: longtable learns the widths of its columns.\n"
      "\\documentclass{article}\n\\usepackage[a4paper,landscape,margin=10mm]{geometry}\n\\usepackage{booktabs,"
      "longtable}\n"
      "\\setlength{\\tabcolsep}{3pt}\n\\setlength{\\parindent}{0pt}\n\\begin{document}\n\\scriptsize\n";
  if (!table.title.empty()) text += fmt::format("{{\\normalsize {}}}\n\n", Escape(table.title));
  text += LongTable(grid) + Escape(CountRows(table)) + "\n";
  if (!beside.rows.empty()) text += "\n{\\normalsize Paper beside ours}\n\n" + LongTable(beside);
  for (const char* legend : kLegend) text += fmt::format("\n{}\n", Escape(legend));
  for (size_t i = 0; i < notes.texts().size(); ++i) {
    text += fmt::format("\n{{[}}{}] {}\n", i + 1, Escape(notes.texts()[i]));
  }
  return text + "\\end{document}\n";
}

}  // namespace ptq::results
