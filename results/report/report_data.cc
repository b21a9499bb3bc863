#include "results/report/report_data.h"

#include <algorithm>
#include <optional>

#include "results/table_row.h"

namespace ptq::results {
namespace {

using nlohmann::json;

// Equal values once, each with its place.
class Pool {
 public:
  size_t Place(const json& value) {
    const auto [found, is_new] = places_.emplace(Dump(value), values_.size());
    if (is_new) values_.push_back(value);
    return found->second;
  }
  const json& values() const { return values_; }

 private:
  json values_ = json::array();
  std::map<std::string, size_t> places_;  // by JSON text
};

struct Pools {
  Pool hosts, builds, specs, plans;
};

json OrNull(const std::optional<double>& value) { return value.has_value() ? json(*value) : json(); }
json PositiveOrNull(double value) { return value > 0 ? json(value) : json(); }
json TextOrNull(const std::string& text) { return text.empty() ? json() : json(text); }

json HostData(const HostRecord& host) {
  return {{"cpu_model", host.cpu_model},
          {"cpu_flags", host.cpu_flags},
          {"logical_cores", host.logical_cores},
          {"memory_bytes", host.memory_bytes},
          {"os", host.os}};
}

json BuildData(const BuildRecord& build) {
  return {{"version", build.version},
          {"revision", build.revision},
          {"compiler", build.compiler},
          {"flags", build.flags},
          {"libraries", build.libraries}};
}

json ImagesData(const std::string& name, const std::string& manifest_sha256, size_t images) {
  return {{"name", name}, {"manifest_sha256", manifest_sha256}, {"images", images}};
}

json ChannelBits(const OperandRecord& operand) {
  if (operand.channel_bits.empty()) return json();
  const auto [low, high] = std::minmax_element(operand.channel_bits.begin(), operand.channel_bits.end());
  return {*low, *high};
}

json OperandsData(const std::vector<OperandRecord>& operands) {
  json data = json::array();
  for (const OperandRecord& operand : operands) {
    data.push_back({{"op", operand.op},
                    {"side", operand.side},
                    {"grid", operand.grid},
                    {"num_bits", operand.num_bits},
                    {"granularity", operand.granularity},
                    {"channel_bits", ChannelBits(operand)}});
  }
  return data;
}

json PlanPlace(const TrialRecord& trial, Pool& plans) {
  if (trial.operands.empty() && trial.norm_inputs.empty()) return json();
  return plans.Place({{"operands", OperandsData(trial.operands)}, {"norm_inputs", OperandsData(trial.norm_inputs)}});
}

json TrialData(const TrialRecord& trial, Pools& pools) {
  return {{"trial_key", trial.trial_key},
          {"trial_text", trial.trial_text},
          {"experiment", trial.experiment},
          {"spec", pools.specs.Place(trial.spec_text)},
          {"spec_sha256", trial.spec_sha256},
          {"model", trial.model},
          {"weights_sha256", trial.weights_sha256},
          {"geometry", trial.geometry},
          {"preprocessing", trial.preprocessing},
          {"dataset", ImagesData(trial.dataset.name, trial.dataset.manifest_sha256, trial.dataset.image_ids.size())},
          {"calibration",
           ImagesData(trial.calibration_dataset, trial.calibration_manifest_sha256, trial.calibration_ids.size())},
          {"method", trial.method},
          {"method_version", trial.method_version},
          {"parameters", trial.parameters},
          {"scheme", trial.scheme},
          {"w_bits", trial.w_bits},
          {"a_bits", trial.a_bits},
          {"mixed", trial.mixed},
          {"seed", trial.seed},
          {"exec_mode", trial.exec_mode},
          {"numerics_version", trial.numerics_version},
          {"status", Name(trial.status)},
          {"reason", trial.reason},
          {"plan", PlanPlace(trial, pools.plans)},
          {"simulated_only", trial.simulated_only},
          {"notes", trial.notes},
          {"size_bytes", PositiveOrNull(trial.size_bytes)},
          {"paper_size_bytes", PositiveOrNull(trial.paper_size_bytes)},
          {"calibrate_seconds", PositiveOrNull(trial.calibrate_seconds)},
          {"evaluate_seconds", PositiveOrNull(trial.evaluate_seconds)},
          {"peak_rss_bytes", trial.peak_rss_bytes > 0 ? json(trial.peak_rss_bytes) : json()},
          {"started_utc", trial.started_utc},
          {"finished_utc", trial.finished_utc},
          {"threads", trial.threads},
          {"affinity", trial.affinity},
          {"host", pools.hosts.Place(HostData(trial.host))},
          {"build", pools.builds.Place(BuildData(trial.build))}};
}

json PublishedData(const TableRow& row, const RowFigures& figures) {
  if (!figures.published_fraction.has_value()) return json();
  return {{"top1_fraction", *figures.published_fraction},
          {"source", row.published->source},
          {"confidence", row.published->confidence},
          {"elsewhere", row.published_elsewhere}};
}

json LatencyData(const LatencyRecord& record, Pool& hosts) {
  return {{"batch", record.batch},
          {"threads", record.threads},
          {"runs", record.integer.ns.size()},
          {"float_median_ns", record.float32.median_ns},
          {"float_p5_ns", record.float32.p5_ns},
          {"float_p95_ns", record.float32.p95_ns},
          {"integer_median_ns", record.integer.median_ns},
          {"integer_p5_ns", record.integer.p5_ns},
          {"integer_p95_ns", record.integer.p95_ns},
          {"ratio", record.ratio},
          {"ratio_low", record.ratio_interval.low},
          {"ratio_high", record.ratio_interval.high},
          {"int8_coverage", record.int8_coverage},
          {"clock_drift", record.clock_drift},
          {"drifting", record.clock_drift > kMaxClockDrift},
          {"instruction_set", record.instruction_set},
          {"affinity", record.affinity},
          {"host", hosts.Place(HostData(record.host))}};
}

json SummaryData(const TrialSummary& trial) {
  return {{"trial_key", trial.trial_key},
          {"seed", trial.seed},
          {"status", Name(trial.status)},
          {"reason", trial.reason},
          {"images", trial.images},
          {"top1_fraction", OrNull(trial.top1_fraction)},
          {"float_top1_fraction", OrNull(trial.float_top1_fraction)},
          {"revision", trial.revision}};
}

// What was measured of the row.
json FiguresData(const TableRow& row, const RowFigures& figures) {
  return {{"status", Name(figures.status)},
          {"published", PublishedData(row, figures)},
          {"top1_fraction", OrNull(figures.measured_fraction)},
          {"top1_sd_fraction", OrNull(figures.measured_sd)},
          {"change_fraction", OrNull(figures.change_fraction)},
          {"min_images", figures.min_images},
          {"images", figures.max_images},
          {"seeds", figures.done},
          {"seeds_asked", row.trials.size()},
          {"size_bytes", OrNull(figures.size_bytes)},
          {"paper_size_bytes", OrNull(figures.paper_size_bytes)},
          {"calibrate_seconds", OrNull(figures.calibrate_seconds)},
          {"grids", TextOrNull(Name(figures.grids))},
          {"simulated_only", figures.simulated_only},
          {"notes", figures.notes},
          {"remark", PlanRemark(figures)},
          {"reasons", figures.reasons},
          {"caveats", figures.caveats},
          {"collapsed", figures.collapsed},
          {"uncommitted", figures.uncommitted}};
}

json RowData(const TableRow& row, Pools& pools) {
  json data = FiguresData(row, Reduce(row));
  data.update({{"model", row.model},
               {"dataset", row.dataset},
               {"method", row.method},
               {"bits", BitsLabel(row)},
               {"w_bits", row.w_bits},
               {"a_bits", row.a_bits},
               {"mixed", row.mixed},
               {"interval", row.interval.has_value() ? json({row.interval->low, row.interval->high}) : json()},
               {"standing", TextOrNull(Name(row.standing))},
               {"adjusted_p", OrNull(row.adjusted_p)},
               {"verdict", TextOrNull(row.verdict)},
               {"verdict_reason", row.verdict_reason},
               {"warning", row.warning}});
  data["latencies"] = json::array();
  for (const LatencyRecord& record : row.latencies) data["latencies"].push_back(LatencyData(record, pools.hosts));
  data["trials"] = json::array();
  for (const TrialSummary& trial : row.trials) data["trials"].push_back(SummaryData(trial));
  return data;
}

// The model's title in the table; its name where no row has it.
std::string ModelTitle(const std::string& model, const Table& table) {
  for (const TableRow& row : table.rows) {
    for (const TrialSummary& trial : row.trials) {
      if (trial.model == model) return row.model;
    }
  }
  return model;
}

json CellsData(const std::vector<SensitivityCell>& cells) {
  json data = json::array();
  for (const SensitivityCell& cell : cells) {
    data.push_back({{"unit", cell.unit},
                    {"num_bits", cell.num_bits},
                    {"signal_to_noise_db", OrNull(cell.signal_to_noise_db)},
                    {"changed", cell.changed},
                    {"top1_correct", cell.top1_correct}});
  }
  return data;
}

json SensitivityData(const SensitivityRecord& record, const Table& table, Pools& pools) {
  return {
      {"title", ModelTitle(record.model, table)},
      {"model", record.model},
      {"weights_sha256", record.weights_sha256},
      {"dataset", ImagesData(record.dataset.name, record.dataset.manifest_sha256, record.images)},
      {"calibration", ImagesData(record.calibration_dataset, record.calibration_manifest_sha256, record.calib_images)},
      {"seed", record.seed},
      {"method", record.method},
      {"method_version", record.method_version},
      {"parameters", record.parameters},
      {"grouping", record.grouping},
      {"float_top1_correct", record.float_top1_correct},
      {"cells", CellsData(record.cells)},
      {"host", pools.hosts.Place(HostData(record.host))},
      {"build", pools.builds.Place(BuildData(record.build))},
      {"finished_utc", record.finished_utc}};
}

}  // namespace

json ReportData(const Report& report) {
  Pools pools;
  json data = {{"schema_version", 1},
               {"title", report.table.title},
               {"created_utc", report.created_utc},
               {"spec_text", report.spec_text},
               {"latencies_missing", report.table.latencies_missing},
               {"rows", json::array()},
               {"trials", json::object()},
               {"sensitivities", json::array()}};
  for (const TableRow& row : report.table.rows) data["rows"].push_back(RowData(row, pools));
  for (const auto& [key, trial] : report.trials) data["trials"][key] = TrialData(trial, pools);
  for (const SensitivityRecord& record : report.sensitivities) {
    data["sensitivities"].push_back(SensitivityData(record, report.table, pools));
  }
  data["hosts"] = pools.hosts.values();
  data["builds"] = pools.builds.values();
  data["specs"] = pools.specs.values();
  data["plans"] = pools.plans.values();
  return data;
}

std::string Dump(const json& data) { return data.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace ptq::results
