#include "results/published_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <string_view>

#include "core/base/nearest_name.h"

namespace ptq::results {
namespace {

enum Column { kModel, kDataset, kMethod, kWBits, kABits, kMixed, kSizeMb, kTop1, kSource, kConfidence, kColumns };

const std::array<std::string, kColumns> kNames = {"model", "dataset", "method", "w_bits", "a_bits",
                                                  "mixed", "size_mb", "top1",   "source", "confidence"};
constexpr std::array<const char*, 5> kConfidences = {"src_confirmed", "src", "src_quoted", "mem_second_hand", "mem"};

using Fields = std::vector<std::string>;

// One line of RFC 4180 without line breaks inside quotes.  Absent where a quote is out of place.
std::optional<Fields> SplitLine(std::string_view line) {
  Fields fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted) {
      if (c != '"') {
        fields.back() += c;
      } else if (i + 1 < line.size() && line[i + 1] == '"') {
        fields.back() += line[++i];
      } else if (i + 1 < line.size() && line[i + 1] != ',') {
        return std::nullopt;
      } else {
        quoted = false;
      }
    } else if (c == ',') {
      fields.emplace_back();
    } else if (c == '"') {
      if (!fields.back().empty()) return std::nullopt;
      quoted = true;
    } else {
      fields.back() += c;
    }
  }
  if (quoted) return std::nullopt;
  return fields;
}

// Where each column stands in the file, by Column.
using Layout = std::array<size_t, kColumns>;

Result<Layout> ReadHeader(const Fields& header, const std::string& where) {
  Layout layout;
  layout.fill(header.size());
  for (size_t i = 0; i < header.size(); ++i) {
    const auto name = std::find(kNames.begin(), kNames.end(), header[i]);
    if (name == kNames.end()) {
      return Corrupt(fmt::format("unknown column '{}'{}; the columns are {}", header[i],
                                 DidYouMean(header[i], {kNames.begin(), kNames.end()}), fmt::join(kNames, ",")),
                     where);
    }
    size_t& place = layout[static_cast<size_t>(name - kNames.begin())];
    if (place != header.size()) return Corrupt(fmt::format("column '{}' stands twice; remove one", *name), where);
    place = i;
  }
  for (size_t column = 0; column < kColumns; ++column) {
    if (layout[column] == header.size()) {
      return Corrupt(fmt::format("column '{}' is missing; the columns are {}", kNames[column], fmt::join(kNames, ",")),
                     where);
    }
  }
  return layout;
}

template <typename T>
std::optional<T> ParseNumber(const std::string& text) {
  T value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

Error BadField(Column column, const std::string& text, const char* wanted, const std::string& where) {
  return Corrupt(fmt::format("column '{}' holds '{}'; give {}", kNames[column], text, wanted), where);
}

Result<int> ParseBits(Column column, const std::string& text, const std::string& where) {
  const std::optional<int> bits = ParseNumber<int>(text);
  if (!bits.has_value() || *bits < 1 || *bits > 32) return BadField(column, text, "a whole number from 1 to 32", where);
  return *bits;
}

Result<PublishedRow> ReadRow(const Fields& fields, const Layout& layout, const std::string& where) {
  const auto field = [&](Column column) -> const std::string& { return fields[layout[column]]; };
  for (const Column column : {kModel, kDataset, kMethod, kSource}) {
    if (field(column).empty()) return BadField(column, "", "a text that is not empty", where);
  }
  PublishedRow row;
  row.model = field(kModel);
  row.dataset = field(kDataset);
  row.method = field(kMethod);
  row.source = field(kSource);
  row.confidence = field(kConfidence);
  PTQ_ASSIGN_OR_RETURN(row.w_bits, ParseBits(kWBits, field(kWBits), where));
  PTQ_ASSIGN_OR_RETURN(row.a_bits, ParseBits(kABits, field(kABits), where));
  if (field(kMixed) != "0" && field(kMixed) != "1") return BadField(kMixed, field(kMixed), "0 or 1", where);
  row.mixed = field(kMixed) == "1";
  if (!field(kSizeMb).empty()) {
    row.size_mb = ParseNumber<double>(field(kSizeMb));
    if (!row.size_mb.has_value() || !std::isfinite(*row.size_mb) || *row.size_mb <= 0) {
      return BadField(kSizeMb, field(kSizeMb), "a size above 0 in 10^6 bytes, or nothing", where);
    }
  }
  const std::optional<double> top1 = ParseNumber<double>(field(kTop1));
  if (!top1.has_value() || !(*top1 >= 0 && *top1 <= 100)) {
    return BadField(kTop1, field(kTop1), "a percentage from 0 to 100", where);
  }
  row.top1_percent = *top1;
  if (std::find(kConfidences.begin(), kConfidences.end(), row.confidence) == kConfidences.end()) {
    return BadField(kConfidence, row.confidence, "src_confirmed, src, src_quoted, mem_second_hand or mem", where);
  }
  return row;
}

}  // namespace

Result<std::vector<PublishedRow>> ParsePublished(const std::string& text, const std::string& path) {
  std::vector<PublishedRow> rows;
  std::optional<Layout> layout;
  std::string_view rest = text;
  if (rest.substr(0, 3) == "\xEF\xBB\xBF") rest.remove_prefix(3);  // byte order mark
  for (int number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) continue;
    const std::string where = fmt::format("{}:{}", path, number);
    const std::optional<Fields> fields = SplitLine(line);
    if (!fields.has_value()) {
      return Corrupt("a quote is out of place; quote a whole field and double the quotes in it", where);
    }
    if (!layout.has_value()) {
      PTQ_ASSIGN_OR_RETURN(layout, ReadHeader(*fields, where));
      continue;
    }
    if (fields->size() != kColumns) {
      return Corrupt(fmt::format("has {} fields where the header has {}; quote a field that holds a comma",
                                 fields->size(), static_cast<int>(kColumns)),
                     where);
    }
    PTQ_ASSIGN_OR_RETURN(PublishedRow row, ReadRow(*fields, *layout, where));
    rows.push_back(std::move(row));
  }
  if (!layout.has_value()) {
    return Corrupt(fmt::format("is empty; the first line names the columns {}", fmt::join(kNames, ",")), path);
  }
  return rows;
}

Result<std::vector<PublishedRow>> ReadPublished(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const int number = errno;
    if (number == ENOENT || number == ENOTDIR) {
      return NotFound("the file of published values is absent; check the name", path);
    }
    return IoError(fmt::format("cannot open the file of published values ({})", std::strerror(number)), path);
  }
  std::string text;
  std::array<char, 1 << 16> chunk;
  while (file.read(chunk.data(), chunk.size()) || file.gcount() > 0) {
    text.append(chunk.data(), static_cast<size_t>(file.gcount()));
  }
  if (file.bad()) return IoError("cannot read the file of published values; is it a folder?", path);
  return ParsePublished(text, path);
}

bool IsPrintable(const PublishedRow& row) { return row.confidence.rfind("src", 0) == 0; }

}  // namespace ptq::results
