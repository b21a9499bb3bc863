#include <fmt/format.h>

#include <utility>

#include "results/store_connection.h"

namespace ptq::results {
namespace {

constexpr int64_t kFirstSchemaWithAffinity = 5;

constexpr char kSelect[] =
    "SELECT t.trial_key, t.trial_text, e.name, e.spec_text, e.spec_sha256, t.model, t.weights_sha256, t.geometry,"
    " t.preprocessing, d.name, d.manifest_sha256, t.calibration_dataset, t.calibration_manifest_sha256, t.method,"
    " t.parameters, t.scheme, t.exec_mode, t.reason, t.started_utc, t.finished_utc,"
    " h.cpu_model, h.cpu_flags, h.os, b.version, b.revision, b.compiler, b.flags, b.libraries,"
    " t.method_version, t.w_bits, t.a_bits, t.mixed, t.numerics_version, t.threads,"
    " t.seed, ifnull(t.peak_rss_bytes, 0), h.logical_cores, h.memory_bytes,"
    " ifnull(t.size_bytes, 0), ifnull(t.paper_size_bytes, 0), ifnull(t.calibrate_seconds, 0),"
    " ifnull(t.evaluate_seconds, 0), t.id "
    "FROM trial AS t JOIN experiment AS e ON e.id = t.experiment_id JOIN dataset AS d ON d.id = t.dataset_id"
    " JOIN host AS h ON h.id = t.host_id JOIN build AS b ON b.id = t.build_id "
    "WHERE t.id = (SELECT max(id) FROM trial WHERE trial_key = ?)";

// All but the lists and what a summary has; returns the row's id.
int64_t ReadFields(const Statement& row, TrialRecord& record) {
  int column = 0;
  for (std::string* text : {&record.trial_key,
                            &record.trial_text,
                            &record.experiment,
                            &record.spec_text,
                            &record.spec_sha256,
                            &record.model,
                            &record.weights_sha256,
                            &record.geometry,
                            &record.preprocessing,
                            &record.dataset.name,
                            &record.dataset.manifest_sha256,
                            &record.calibration_dataset,
                            &record.calibration_manifest_sha256,
                            &record.method,
                            &record.parameters,
                            &record.scheme,
                            &record.exec_mode,
                            &record.reason,
                            &record.started_utc,
                            &record.finished_utc,
                            &record.host.cpu_model,
                            &record.host.cpu_flags,
                            &record.host.os,
                            &record.build.version,
                            &record.build.revision,
                            &record.build.compiler,
                            &record.build.flags,
                            &record.build.libraries}) {
    *text = row.Text(column++);
  }
  record.method_version = static_cast<int>(row.Int(column++));
  record.w_bits = static_cast<int>(row.Int(column++));
  record.a_bits = static_cast<int>(row.Int(column++));
  record.mixed = row.Int(column++) != 0;
  record.numerics_version = static_cast<int>(row.Int(column++));
  record.threads = static_cast<int>(row.Int(column++));
  for (int64_t* number :
       {&record.seed, &record.peak_rss_bytes, &record.host.logical_cores, &record.host.memory_bytes}) {
    *number = row.Int(column++);
  }
  for (double* number :
       {&record.size_bytes, &record.paper_size_bytes, &record.calibrate_seconds, &record.evaluate_seconds}) {
    *number = row.Real(column++);
  }
  return row.Int(column);
}

Result<std::vector<std::string>> ReadCalibrationIds(const Database& database, int64_t trial_id) {
  PTQ_ASSIGN_OR_RETURN(Statement row,
                       database.Prepare("SELECT image_id FROM calibration_image WHERE trial_id = ? ORDER BY position"));
  row.BindInt(trial_id);
  std::vector<std::string> ids;
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool found, row.Next());
    if (!found) return ids;
    ids.push_back(row.Text(0));
  }
}

Result<std::string> ReadAffinity(const Database& database, int64_t trial_id) {
  PTQ_ASSIGN_OR_RETURN(const int64_t version, database.QueryInt("PRAGMA user_version"));
  if (version < kFirstSchemaWithAffinity) return std::string();
  PTQ_ASSIGN_OR_RETURN(Statement row, database.Prepare("SELECT cpus FROM affinity WHERE trial_id = ?"));
  PTQ_ASSIGN_OR_RETURN(const bool found, row.BindInt(trial_id).Next());
  return found ? row.Text(0) : std::string();
}

}  // namespace

Result<std::optional<TrialRecord>> Store::Record(const std::string& trial_key) const {
  const Database& database = connection_->database;
  PTQ_ASSIGN_OR_RETURN(const std::optional<TrialSummary> summary, Find(trial_key));
  if (!summary) return std::optional<TrialRecord>();
  PTQ_ASSIGN_OR_RETURN(Statement row, database.Prepare(kSelect));
  PTQ_ASSIGN_OR_RETURN(const bool found, row.BindText(trial_key).Next());
  if (!found) return std::optional<TrialRecord>();
  TrialRecord record;
  const int64_t id = ReadFields(row, record);
  record.status = summary->status;
  record.simulated_only = summary->simulated_only;
  record.notes = summary->notes;
  PTQ_ASSIGN_OR_RETURN(record.calibration_ids, ReadCalibrationIds(database, id));
  PTQ_ASSIGN_OR_RETURN(record.affinity, ReadAffinity(database, id));
  if (record.status == TrialStatus::kDone) {
    PTQ_ASSIGN_OR_RETURN(record.dataset, EvaluatedImages(trial_key));
    PTQ_ASSIGN_OR_RETURN(record.operands, Operands(trial_key));
    PTQ_ASSIGN_OR_RETURN(record.norm_inputs, NormInputs(trial_key));
    PTQ_ASSIGN_OR_RETURN(const std::optional<std::string> allocation, Allocation(trial_key));
    record.allocation_json = allocation.value_or("");
    PTQ_ASSIGN_OR_RETURN(record.predictions, Predictions(trial_key));
  }
  return std::optional<TrialRecord>(std::move(record));
}

}  // namespace ptq::results
