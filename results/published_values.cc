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

enum Column {
  kModel,
  kDataset,
  kMethod,
  kWBits,
  kABits,
  kMixed,
  kSizeMb,
  kTop1,
  kSource,
  kConfidence,
  kSimilarity,
  kRanking,
  kBiasCorrection,
  kColumns
};

const std::array<std::string, kColumns> kNames = {"model",      "dataset", "method",         "w_bits", "a_bits",
                                                  "mixed",      "size_mb", "top1",           "source", "confidence",
                                                  "similarity", "ranking", "bias_correction"};
// An ablation has these in place of `method`: which parts of one method are on.
constexpr std::array<Column, 3> kParts = {kSimilarity, kRanking, kBiasCorrection};
constexpr char kColumnRule[] =
    "the columns are model,dataset,method,w_bits,a_bits,mixed,size_mb,top1,source,confidence, or "
    "similarity,ranking,bias_correction in place of method";
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

constexpr size_t kNowhere = static_cast<size_t>(-1);

// Where each column stands in the file, by Column.
struct Layout {
  std::array<size_t, kColumns> place;
  size_t fields = 0;
  bool is_ablation() const { return place[kMethod] == kNowhere; }
};

Result<Layout> ReadHeader(const Fields& header, const std::string& where) {
  Layout layout;
  layout.place.fill(kNowhere);
  layout.fields = header.size();
  for (size_t i = 0; i < header.size(); ++i) {
    const auto name = std::find(kNames.begin(), kNames.end(), header[i]);
    if (name == kNames.end()) {
      return Corrupt(fmt::format("unknown column '{}'{}; {}", header[i],
                                 DidYouMean(header[i], {kNames.begin(), kNames.end()}), kColumnRule),
                     where);
    }
    size_t& place = layout.place[static_cast<size_t>(name - kNames.begin())];
    if (place != kNowhere) return Corrupt(fmt::format("column '{}' stands twice; remove one", *name), where);
    place = i;
  }
  const bool has_part =
      std::any_of(kParts.begin(), kParts.end(), [&](Column c) { return layout.place[c] != kNowhere; });
  for (size_t column = 0; column < kColumns; ++column) {
    const bool is_part = std::find(kParts.begin(), kParts.end(), column) != kParts.end();
    const bool wanted = is_part ? has_part : column != kMethod || !has_part;
    if (wanted == (layout.place[column] != kNowhere)) continue;
    return Corrupt(fmt::format("column '{}' {}; {}", kNames[column],
                               wanted ? "is missing" : "stands beside the parts of a method", kColumnRule),
                   where);
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

Result<bool> ParseFlag(Column column, const std::string& text, const std::string& where) {
  if (text != "0" && text != "1") return BadField(column, text, "0 or 1", where);
  return text == "1";
}

// "Similarity + ranking": the parts that are on; "FP32" for the float model, which has none.
Result<std::string> NameOfParts(const Fields& fields, const Layout& layout, bool is_float, const std::string& where) {
  std::array<bool, kParts.size()> on = {};
  for (size_t i = 0; i < kParts.size(); ++i) {
    PTQ_ASSIGN_OR_RETURN(on[i], ParseFlag(kParts[i], fields[layout.place[kParts[i]]], where));
  }
  const auto [similarity, ranking, bias] = on;
  if (similarity == is_float || (is_float && (ranking || bias))) {
    return BadField(kSimilarity, similarity ? "1" : "0", "1, and for the float model (32/32) 0 in every part", where);
  }
  if (is_float) return std::string("FP32");
  return std::string("Similarity") + (ranking ? " + ranking" : "") + (bias ? " + bias" : "");
}

Result<PublishedRow> ReadRow(const Fields& fields, const Layout& layout, const std::string& where) {
  const auto field = [&](Column column) -> const std::string& { return fields[layout.place[column]]; };
  for (const Column column : {kModel, kDataset, kMethod, kSource}) {
    if (layout.place[column] != kNowhere && field(column).empty()) {
      return BadField(column, "", "a text that is not empty", where);
    }
  }
  PublishedRow row;
  row.model = field(kModel);
  row.dataset = field(kDataset);
  row.source = field(kSource);
  row.confidence = field(kConfidence);
  PTQ_ASSIGN_OR_RETURN(row.w_bits, ParseBits(kWBits, field(kWBits), where));
  PTQ_ASSIGN_OR_RETURN(row.a_bits, ParseBits(kABits, field(kABits), where));
  PTQ_ASSIGN_OR_RETURN(row.mixed, ParseFlag(kMixed, field(kMixed), where));
  if (layout.is_ablation()) {
    const bool is_float = row.w_bits == 32 && row.a_bits == 32;
    PTQ_ASSIGN_OR_RETURN(row.method, NameOfParts(fields, layout, is_float, where));
  } else {
    row.method = field(kMethod);
  }
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
    if (fields->size() != layout->fields) {
      return Corrupt(fmt::format("has {} fields where the header has {}; quote a field that holds a comma",
                                 fields->size(), layout->fields),
                     where);
    }
    PTQ_ASSIGN_OR_RETURN(PublishedRow row, ReadRow(*fields, *layout, where));
    rows.push_back(std::move(row));
  }
  if (!layout.has_value()) {
    return Corrupt(fmt::format("is empty; the first line names the columns: {}", kColumnRule), path);
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
