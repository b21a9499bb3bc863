// store_latency.cc: the table latency_comparison.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "results/latency_record.h"
#include "results/row_writer.h"
#include "results/store_connection.h"

namespace ptq::results {
namespace {

using nlohmann::json;

constexpr int64_t kFirstSchemaWithComparisons = 4;

// Little-endian bytes of 8-byte values, and back.
std::string ToBytes(const std::vector<int64_t>& values) {
  std::string bytes;
  for (const int64_t value : values) {
    for (int shift = 0; shift < 64; shift += 8) {
      bytes += static_cast<char>((static_cast<uint64_t>(value) >> shift) & 0xff);
    }
  }
  return bytes;
}

std::vector<int64_t> FromBytes(const std::string& bytes) {
  std::vector<int64_t> values(bytes.size() / 8);
  for (size_t i = 0; i < values.size(); ++i) {
    uint64_t bits = 0;
    for (size_t b = 8; b-- > 0;) bits = bits << 8 | static_cast<unsigned char>(bytes[8 * i + b]);
    values[i] = static_cast<int64_t>(bits);
  }
  return values;
}

// [["blocks.0.attn.qkv", true, "kernel", 123], ...]
std::string ToJson(const std::vector<KernelUse>& kernels) {
  json list = json::array();
  for (const KernelUse& use : kernels) {
    list.push_back(json::array({use.op, use.integer, use.kernel, use.multiply_accumulates}));
  }
  return list.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<std::vector<KernelUse>> KernelsFromJson(const std::string& text, const std::string& path) {
  std::vector<KernelUse> kernels;
  const json list = json::parse(text, nullptr, false);
  bool good = list.is_array();
  for (size_t i = 0; good && i < list.size(); ++i) {
    const json& use = list[i];
    good = use.is_array() && use.size() == 4 && use[0].is_string() && use[1].is_boolean() && use[2].is_string() &&
           use[3].is_number_integer();
    if (good) kernels.push_back({use[0], use[1], use[2], use[3]});
  }
  if (!good) return Corrupt("holds a latency row with unreadable kernels; another program changed the file", path);
  return kernels;
}

Status Check(const LatencyRecord& record) {
  if (record.float32.ns.empty() || record.float32.ns.size() != record.integer.ns.size()) {
    return InvalidArgument(fmt::format("a latency row has {} float32 and {} integer times; they come in pairs",
                                       record.float32.ns.size(), record.integer.ns.size()),
                           record.model);
  }
  return OkStatus();
}

// 0 where the record belongs to no trial.
Result<int64_t> TrialOf(const Database& database, const std::string& trial_key) {
  if (trial_key.empty()) return int64_t{0};
  PTQ_ASSIGN_OR_RETURN(Statement find,
                       database.Prepare("SELECT max(id) FROM trial WHERE trial_key = ? AND status = 'done'"));
  PTQ_ASSIGN_OR_RETURN([[maybe_unused]] const bool row, find.BindText(trial_key).Next());
  if (find.IsNull(0)) {
    return InvalidArgument("a latency row names a trial of which no done attempt is stored", trial_key);
  }
  return find.Int(0);
}

void AddTimes(const TimeSample& sample, const std::string& side, RowWriter& row) {
  row.Real(side + "_median_ns", sample.median_ns)
      .Real(side + "_p5_ns", sample.p5_ns)
      .Real(side + "_p95_ns", sample.p95_ns)
      .Blob(side + "_samples", ToBytes(sample.ns));
}

TimeSample ReadTimes(const Statement& row, int column) {
  return {FromBytes(row.Blob(column + 3)), row.Real(column), row.Real(column + 1), row.Real(column + 2)};
}

constexpr char kSelect[] =
    "SELECT c.model, c.weights_sha256, c.plan_sha256, c.plan_text, c.instruction_set, c.affinity, c.finished_utc,"
    " c.batch, c.threads, c.warmup_runs, c.int8_coverage, c.ratio, c.ratio_low, c.ratio_high, c.clock_drift,"
    " c.float_median_ns, c.float_p5_ns, c.float_p95_ns, c.float_samples,"
    " c.integer_median_ns, c.integer_p5_ns, c.integer_p95_ns, c.integer_samples,"
    " h.cpu_model, h.cpu_flags, h.logical_cores, h.memory_bytes, h.os,"
    " b.version, b.revision, b.compiler, b.flags, b.libraries, c.kernels "
    "FROM latency_comparison AS c JOIN host AS h ON h.id = c.host_id JOIN build AS b ON b.id = c.build_id ";

Result<LatencyRecord> ReadRecord(const Statement& row, const std::string& path) {
  LatencyRecord record;
  int column = 0;
  for (std::string* text : {&record.model, &record.weights_sha256, &record.plan_sha256, &record.plan_text,
                            &record.instruction_set, &record.affinity, &record.finished_utc}) {
    *text = row.Text(column++);
  }
  for (int64_t* number : {&record.batch, &record.threads, &record.warmup_runs}) *number = row.Int(column++);
  for (double* number : {&record.int8_coverage, &record.ratio, &record.ratio_interval.low, &record.ratio_interval.high,
                         &record.clock_drift}) {
    *number = row.Real(column++);
  }
  record.float32 = ReadTimes(row, column);
  record.integer = ReadTimes(row, column + 4);
  column += 8;
  record.host = {row.Text(column), row.Text(column + 1), row.Int(column + 2), row.Int(column + 3),
                 row.Text(column + 4)};
  column += 5;
  record.build = {row.Text(column), row.Text(column + 1), row.Text(column + 2), row.Text(column + 3),
                  row.Text(column + 4)};
  column += 5;
  PTQ_ASSIGN_OR_RETURN(record.kernels, KernelsFromJson(row.Text(column), path));
  return record;
}

}  // namespace

TimeSample Summarize(std::vector<int64_t> ns) {
  const std::vector<double> values(ns.begin(), ns.end());
  return {std::move(ns), Quantile(values, 0.5), Quantile(values, 0.05), Quantile(values, 0.95)};
}

Status Store::InsertLatency(const LatencyRecord& record) {
  PTQ_RETURN_IF_ERROR(Check(record));
  const Database& database = connection_->database;
  PTQ_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
  PTQ_ASSIGN_OR_RETURN(const int64_t trial, TrialOf(database, record.trial_key));
  PTQ_ASSIGN_OR_RETURN(const int64_t host, StoreHost(database, record.host));
  PTQ_ASSIGN_OR_RETURN(const int64_t build, StoreBuild(database, record.build));
  RowWriter row("latency_comparison");
  row.PositiveInt("trial_id", trial)
      .Text("model", record.model)
      .Text("weights_sha256", record.weights_sha256)
      .Text("plan_sha256", record.plan_sha256)
      .Text("plan_text", record.plan_text)
      .Int("host_id", host)
      .Int("build_id", build)
      .Int("batch", record.batch)
      .Int("threads", record.threads)
      .Text("instruction_set", record.instruction_set)
      .Text("affinity", record.affinity)
      .Real("int8_coverage", record.int8_coverage)
      .Int("warmup_runs", record.warmup_runs)
      .Int("runs", static_cast<int64_t>(record.float32.ns.size()))
      .Real("ratio", record.ratio)
      .Real("ratio_low", record.ratio_interval.low)
      .Real("ratio_high", record.ratio_interval.high)
      .Real("clock_drift", record.clock_drift)
      .Text("kernels", ToJson(record.kernels))
      .Text("finished_utc", record.finished_utc);
  AddTimes(record.float32, "float", row);
  AddTimes(record.integer, "integer", row);
  PTQ_ASSIGN_OR_RETURN([[maybe_unused]] const int64_t id, row.Insert(database));
  return transaction.Commit();
}

Result<std::vector<LatencyRecord>> Store::Latencies(const std::string& trial_key) const {
  const Database& database = connection_->database;
  std::vector<LatencyRecord> records;
  PTQ_ASSIGN_OR_RETURN(const int64_t version, database.QueryInt("PRAGMA user_version"));
  if (version < kFirstSchemaWithComparisons) return records;
  const char* where = trial_key.empty()
                          ? "WHERE c.trial_id IS NULL AND ? = '' ORDER BY c.id"
                          : "WHERE c.trial_id IN (SELECT id FROM trial WHERE trial_key = ?) ORDER BY c.id";
  PTQ_ASSIGN_OR_RETURN(Statement statement, database.Prepare(std::string(kSelect) + where));
  statement.BindText(trial_key);
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool found, statement.Next());
    if (!found) return records;
    PTQ_ASSIGN_OR_RETURN(LatencyRecord record, ReadRecord(statement, database.path()));
    record.trial_key = trial_key;
    records.push_back(std::move(record));
  }
}

}  // namespace ptq::results
