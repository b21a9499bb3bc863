// table_data.cc: the table for programs, as CSV and JSON.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "results/table_row.h"

namespace ptq::results {
namespace {

// RFC 4180.
std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::string CsvPercent(const std::optional<double>& fraction) {
  return fraction.has_value() ? fmt::format("{:.4f}", *fraction * 100) : "";
}

std::string CsvNumber(const std::optional<double>& value, double unit, int digits) {
  return value.has_value() ? fmt::format("{:.{}f}", *value / unit, digits) : "";
}

std::string AllReasons(const RowFigures& figures) {
  std::vector<std::string> reasons = figures.reasons;
  reasons.insert(reasons.end(), figures.caveats.begin(), figures.caveats.end());
  return fmt::format("{}", fmt::join(reasons, "; "));
}

// The length of the well-formed UTF-8 sequence at text[i] (RFC 3629); 0 where there is none.
size_t SequenceLength(const std::string& text, size_t i) {
  const auto byte = [&](size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
  const unsigned first = byte(i), second = byte(i + 1);
  const auto tail = [](unsigned b) { return (b & 0xc0) == 0x80; };
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return tail(second) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool shortest = first != 0xe0 || second >= 0xa0, no_surrogate = first != 0xed || second < 0xa0;
    return tail(second) && shortest && no_surrogate && tail(byte(i + 2)) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool shortest = first != 0xf0 || second >= 0x90, in_range = first != 0xf4 || second < 0x90;
    return tail(second) && shortest && in_range && tail(byte(i + 2)) && tail(byte(i + 3)) ? 4 : 0;
  }
  return 0;
}

// A JSON string; bytes that are not UTF-8 become U+FFFD.
std::string Quote(const std::string& text) {
  std::string quoted = "\"";
  for (size_t i = 0; i < text.size();) {
    const size_t length = SequenceLength(text, i);
    const auto c = static_cast<unsigned char>(text[i]);
    if (length == 0) {
      quoted += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += text[i];
    } else if (c < 0x20) {
      quoted += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      quoted.append(text, i, length);
    }
    i += length == 0 ? 1 : length;
  }
  return quoted + "\"";
}

// Twelve digits: more than any count of images resolves, and 79.8 % prints as 0.798.
std::string Number(const std::optional<double>& value) {
  return value.has_value() && std::isfinite(*value) ? fmt::format("{:.12g}", *value) : "null";
}

std::string Bool(bool value) { return value ? "true" : "false"; }

struct Member {
  const char* name;
  std::string value;  // JSON
};

std::string Object(std::initializer_list<Member> members) {
  std::vector<std::string> texts;
  for (const Member& member : members) texts.push_back(fmt::format("\"{}\": {}", member.name, member.value));
  return fmt::format("{{{}}}", fmt::join(texts, ", "));
}

std::string Strings(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  for (const std::string& text : texts) quoted.push_back(Quote(text));
  return fmt::format("[{}]", fmt::join(quoted, ", "));
}

std::string Texts(const std::map<std::string, std::string>& texts) {
  std::vector<std::string> members;
  for (const auto& [name, text] : texts) members.push_back(Quote(name) + ": " + Quote(text));
  return fmt::format("{{{}}}", fmt::join(members, ", "));
}

std::string JsonTrial(const TrialSummary& trial) {
  return Object({{"experiment", Quote(trial.experiment)},
                 {"trial_key", Quote(trial.trial_key)},
                 {"model", Quote(trial.model)},
                 {"dataset", Quote(trial.dataset)},
                 {"method", Quote(trial.method)},
                 {"seed", fmt::format("{}", trial.seed)},
                 {"revision", Quote(trial.revision)},
                 {"exec_mode", Quote(trial.exec_mode)},
                 {"calib_images", fmt::format("{}", trial.calib_images)},
                 {"images", fmt::format("{}", trial.images)},
                 {"top1_fraction", Number(trial.top1_fraction)},
                 {"float_top1_fraction", Number(trial.float_top1_fraction)},
                 {"status", Quote(Name(trial.status))},
                 {"reason", Quote(trial.reason)},
                 {"simulated_only", Strings(trial.simulated_only)},
                 {"notes", Texts(trial.notes)}});
}

std::string JsonPublished(const TableRow& row, const RowFigures& figures) {
  if (!figures.published_fraction.has_value()) return "null";
  return Object({{"top1_fraction", Number(figures.published_fraction)},
                 {"source", Quote(row.published->source)},
                 {"confidence", Quote(row.published->confidence)}});
}

std::string JsonLatency(const LatencyRecord& record) {
  return Object({{"batch", fmt::format("{}", record.batch)},
                 {"threads", fmt::format("{}", record.threads)},
                 {"runs", fmt::format("{}", record.integer.ns.size())},
                 {"float_median_ns", Number(record.float32.median_ns)},
                 {"float_p5_ns", Number(record.float32.p5_ns)},
                 {"float_p95_ns", Number(record.float32.p95_ns)},
                 {"integer_median_ns", Number(record.integer.median_ns)},
                 {"integer_p5_ns", Number(record.integer.p5_ns)},
                 {"integer_p95_ns", Number(record.integer.p95_ns)},
                 {"ratio", Number(record.ratio)},
                 {"ratio_low", Number(record.ratio_interval.low)},
                 {"ratio_high", Number(record.ratio_interval.high)},
                 {"int8_coverage", Number(record.int8_coverage)},
                 {"clock_drift", Number(record.clock_drift)},
                 {"instruction_set", Quote(record.instruction_set)},
                 {"affinity", Quote(record.affinity)},
                 {"cpu_model", Quote(record.host.cpu_model)}});
}

std::string JsonInterval(const std::optional<Interval>& interval) {
  if (!interval.has_value()) return "null";
  return fmt::format("[{}, {}]", Number(interval->low), Number(interval->high));
}

std::string CsvStanding(const TableRow& row) {
  const auto bound = [&row](double Interval::*end) {
    return row.interval.has_value() ? CsvPercent((*row.interval).*end) : std::string();
  };
  return fmt::format(",{},{},{}", bound(&Interval::low), bound(&Interval::high), Name(row.standing));
}

// Of the first setting, milliseconds; empty fields where there is none.
std::string CsvLatency(const TableRow& row) {
  if (row.latencies.empty()) return ",,,,,,,,";
  const LatencyRecord& record = row.latencies.front();
  return fmt::format(",{},{},{:.6f},{:.6f},{:.4f},{:.4f},{:.4f},{:.4f}", record.batch, record.threads,
                     record.float32.median_ns / 1e6, record.integer.median_ns / 1e6, record.ratio,
                     record.ratio_interval.low, record.ratio_interval.high, record.int8_coverage);
}

std::string CsvVerdict(const TableRow& row) {
  return fmt::format(",{},{}", row.adjusted_p.has_value() ? fmt::format("{:.6g}", *row.adjusted_p) : "",
                     CsvField(row.verdict));
}

bool HasLatencies(const Table& table) {
  return std::any_of(table.rows.begin(), table.rows.end(), [](const TableRow& row) { return !row.latencies.empty(); });
}

std::string JsonRow(const TableRow& row) {
  const RowFigures figures = Reduce(row);
  std::vector<std::string> trials;
  for (const TrialSummary& trial : row.trials) trials.push_back(JsonTrial(trial));
  std::vector<std::string> latencies;
  for (const LatencyRecord& record : row.latencies) latencies.push_back(JsonLatency(record));
  return Object({{"model", Quote(row.model)},
                 {"dataset", Quote(row.dataset)},
                 {"method", Quote(row.method)},
                 {"w_bits", fmt::format("{}", row.w_bits)},
                 {"a_bits", fmt::format("{}", row.a_bits)},
                 {"mixed", Bool(row.mixed)},
                 {"published", JsonPublished(row, figures)},
                 {"status", Quote(Name(figures.status))},
                 {"top1_fraction", Number(figures.measured_fraction)},
                 {"top1_sd_fraction", Number(figures.measured_sd)},
                 {"change_fraction", Number(figures.change_fraction)},
                 {"images", fmt::format("{}", figures.max_images)},
                 {"seeds", fmt::format("{}", figures.done)},
                 {"size_bytes", Number(figures.size_bytes)},
                 {"paper_size_bytes", Number(figures.paper_size_bytes)},
                 {"calibrate_seconds", Number(figures.calibrate_seconds)},
                 {"reasons", Strings(figures.reasons)},
                 {"caveats", Strings(figures.caveats)},
                 {"trials", fmt::format("[{}]", fmt::join(trials, ", "))},
                 {"grids", figures.grids == RowGrids::kNone ? "null" : Quote(Name(figures.grids))},
                 {"simulated_only", Strings(figures.simulated_only)},
                 {"notes", Texts(figures.notes)},
                 {"latencies", fmt::format("[{}]", fmt::join(latencies, ", "))},
                 {"interval", JsonInterval(row.interval)},
                 {"standing", row.standing == Standing::kNone ? "null" : Quote(Name(row.standing))},
                 {"adjusted_p", Number(row.adjusted_p)},
                 {"verdict", row.verdict.empty() ? "null" : Quote(row.verdict)},
                 {"verdict_reason", Quote(row.verdict_reason)}});
}

}  // namespace

std::string RenderCsv(const Table& table) {
  const bool timed = HasLatencies(table);
  std::string text =
      "model,dataset,method,w_bits,a_bits,mixed,published_percent,measured_percent,sd_points,change_points,images,"
      "seeds,size_mb,calibrate_seconds,status,reason,paper_size_mb,grids,notes,published_source,low_percent,"
      "high_percent,standing";
  if (timed) {
    text +=
        ",latency_batch,latency_threads,float_ms,int8_ms,latency_ratio,latency_ratio_low,latency_ratio_high,"
        "int8_coverage";
  }
  text += ",adjusted_p,verdict\r\n";
  for (const TableRow& row : table.rows) {
    const RowFigures figures = Reduce(row);
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}{}{}{}\r\n", CsvField(row.model),
                        CsvField(row.dataset), CsvField(row.method), row.w_bits, row.a_bits, row.mixed ? 1 : 0,
                        CsvPercent(figures.published_fraction), CsvPercent(figures.measured_fraction),
                        CsvPercent(figures.measured_sd), CsvPercent(figures.change_fraction), figures.max_images,
                        figures.done, CsvNumber(figures.size_bytes, 1e6, 6), CsvNumber(figures.calibrate_seconds, 1, 3),
                        Name(figures.status), CsvField(AllReasons(figures)),
                        CsvNumber(figures.paper_size_bytes, 1e6, 6), Name(figures.grids), CsvField(PlanRemark(figures)),
                        figures.published_fraction.has_value() ? CsvField(row.published->source) : "", CsvStanding(row),
                        timed ? CsvLatency(row) : "", CsvVerdict(row));
  }
  return text;
}

std::string RenderJson(const Table& table) {
  std::vector<std::string> rows;
  for (const TableRow& row : table.rows) rows.push_back("    " + JsonRow(row));
  return fmt::format("{{\n  \"schema_version\": 1,\n  \"title\": {},\n  \"rows\": [\n{}\n  ]\n}}\n", Quote(table.title),
                     fmt::join(rows, ",\n"));
}

}  // namespace ptq::results
