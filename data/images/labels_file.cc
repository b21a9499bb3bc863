#include "data/images/labels_file.h"

#include <charconv>

namespace ptq::data {
namespace {

constexpr std::string_view kBlanks = " \t\r\v\f";

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

struct Line {
  std::string_view text;  // trimmed
  std::string where;      // file:line
};

std::vector<Line> SplitLines(std::string_view text, const std::string& where) {
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
  std::vector<Line> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back({Trim(text.substr(0, end)), where + ":" + std::to_string(lines.size() + 1)});
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

Result<int64_t> ParseClass(std::string_view word, int64_t classes, const std::string& where) {
  int64_t label = -1;
  const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), label);
  if (code != std::errc() || end != word.data() + word.size()) {
    return Corrupt("'" + std::string(word) + "' is not a class number", where);
  }
  if (label < 0 || (classes > 0 && label >= classes)) {
    return Corrupt("class " + std::string(word) + " is outside 0.." + (classes > 0 ? std::to_string(classes - 1) : "") +
                       "; classes are counted from 0",
                   where);
  }
  return label;
}

bool IsPlainRelativePath(std::string_view path) {
  while (true) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

Result<std::vector<Sample>> ParseImageList(std::string_view text, int64_t classes, const std::string& where) {
  std::vector<Sample> samples;
  for (const Line& line : SplitLines(text, where)) {
    if (line.text.empty()) continue;
    const size_t blank = line.text.find_last_of(kBlanks);
    if (blank == std::string_view::npos) {
      return Corrupt("expected 'path class', found '" + std::string(line.text) + "'", line.where);
    }
    const std::string_view path = Trim(line.text.substr(0, blank));
    if (path.find('\0') != std::string_view::npos || !IsPlainRelativePath(path)) {
      return Corrupt(
          "the path '" + std::string(path) + "' must lead into the data set's folder without '.', '..' or '//'",
          line.where);
    }
    PTQ_ASSIGN_OR_RETURN(const int64_t label, ParseClass(line.text.substr(blank + 1), classes, line.where));
    samples.push_back({std::string(path), label});
  }
  return samples;
}

Result<std::vector<int64_t>> ParseClassLines(std::string_view text, int64_t classes, const std::string& where) {
  std::vector<Line> lines = SplitLines(text, where);
  while (!lines.empty() && lines.back().text.empty()) lines.pop_back();
  std::vector<int64_t> labels;
  for (const Line& line : lines) {
    PTQ_ASSIGN_OR_RETURN(const int64_t label, ParseClass(line.text, classes, line.where));
    labels.push_back(label);
  }
  return labels;
}

}  // namespace ptq::data
