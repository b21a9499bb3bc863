#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "results/store_connection.h"

namespace ptq::results {
namespace {

constexpr char kSelect[] =
    "SELECT v.experiment, v.trial_key, v.model, v.dataset, v.method, v.w_bits, v.a_bits, v.mixed, v.seed, v.exec_mode, "
    "v.calib_images, v.images, v.top1_fraction, v.float_top1_fraction, v.size_bytes, v.calibrate_seconds, "
    "v.peak_rss_bytes, v.latency_ns_median, v.status, v.reason, t.calibration_dataset, t.parameters, t.scheme, "
    "t.method_version, t.paper_size_bytes, (SELECT revision FROM build WHERE build.id = t.build_id), t.weights_sha256, "
    "(SELECT manifest_sha256 FROM dataset WHERE dataset.id = t.dataset_id)";
// Lists as lines; neither grids nor notes hold a line's end.
constexpr char kSelectNotes[] =
    ", (SELECT group_concat(grid, char(10)) FROM simulated_only WHERE trial_id = t.id)"
    ", (SELECT group_concat(name || '=' || value, char(10)) FROM note WHERE trial_id = t.id)";
constexpr char kFrom[] =
    " FROM v_trial AS v JOIN trial AS t "
    "ON t.id = (SELECT max(id) FROM trial WHERE trial.trial_key = v.trial_key) ";

constexpr int64_t kFirstSchemaWithAllocations = 2;
constexpr int64_t kFirstSchemaWithNotes = 3;

// Selects of the latest done row of a key.
constexpr char kOfLatestDone[] =
    " WHERE trial_id = (SELECT max(id) FROM trial WHERE trial_key = ? AND status = 'done') ";

// 4-byte values from little-endian bytes.
template <typename T>
std::vector<T> FromLittleEndian(const std::string& bytes) {
  static_assert(sizeof(T) == 4);
  std::vector<T> values(bytes.size() / 4);
  for (size_t i = 0; i < values.size(); ++i) {
    uint32_t bits = 0;
    for (size_t b = 4; b-- > 0;) bits = bits << 8 | static_cast<unsigned char>(bytes[4 * i + b]);
    std::memcpy(&values[i], &bits, 4);
  }
  return values;
}

Result<TrialStatus> ParseStatus(const std::string& name, const std::string& path) {
  for (const TrialStatus status : {TrialStatus::kDone, TrialStatus::kFailed, TrialStatus::kUnsupported}) {
    if (name == Name(status)) return status;
  }
  return Corrupt(fmt::format("holds a trial with the unknown status '{}'; another program changed the file", name),
                 path);
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

Result<bool> IsAtLeast(const Database& database, int64_t schema) {
  PTQ_ASSIGN_OR_RETURN(const int64_t version, database.QueryInt("PRAGMA user_version"));
  return version >= schema;
}

// The select of TrialSummary's fields, as far as the file has them.
Result<std::string> SelectSummaries(const Database& database) {
  PTQ_ASSIGN_OR_RETURN(const bool has_notes, IsAtLeast(database, kFirstSchemaWithNotes));
  return kSelect + std::string(has_notes ? kSelectNotes : ", NULL, NULL") + kFrom;
}

Result<TrialSummary> ReadSummary(const Statement& row, const std::string& path) {
  TrialSummary summary;
  int column = 0;
  for (std::string* text :
       {&summary.experiment, &summary.trial_key, &summary.model, &summary.dataset, &summary.method}) {
    *text = row.Text(column++);
  }
  summary.w_bits = static_cast<int>(row.Int(column++));
  summary.a_bits = static_cast<int>(row.Int(column++));
  summary.mixed = row.Int(column++) != 0;
  summary.seed = row.Int(column++);
  summary.exec_mode = row.Text(column++);
  summary.calib_images = row.Int(column++);
  summary.images = row.Int(column++);
  for (std::optional<double>* value :
       {&summary.top1_fraction, &summary.float_top1_fraction, &summary.size_bytes, &summary.calibrate_seconds,
        &summary.peak_rss_bytes, &summary.latency_ns_median}) {
    *value = row.OptionalReal(column++);
  }
  PTQ_ASSIGN_OR_RETURN(summary.status, ParseStatus(row.Text(column++), path));
  for (std::string* text : {&summary.reason, &summary.calibration_dataset, &summary.parameters, &summary.scheme}) {
    *text = row.Text(column++);
  }
  summary.method_version = static_cast<int>(row.Int(column++));
  summary.paper_size_bytes = row.OptionalReal(column++);
  summary.revision = row.Text(column++);
  summary.weights_sha256 = row.Text(column++);
  summary.dataset_manifest_sha256 = row.Text(column++);
  summary.simulated_only = Lines(row.Text(column++));
  std::sort(summary.simulated_only.begin(), summary.simulated_only.end());
  for (const std::string& note : Lines(row.Text(column++))) {
    const size_t equals = std::min(note.find('='), note.size());
    summary.notes[note.substr(0, equals)] = note.substr(std::min(equals + 1, note.size()));
  }
  return summary;
}

Result<std::vector<TrialSummary>> ReadSummaries(Statement statement, const std::string& path) {
  std::vector<TrialSummary> summaries;
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool row, statement.Next());
    if (!row) return summaries;
    PTQ_ASSIGN_OR_RETURN(TrialSummary summary, ReadSummary(statement, path));
    summaries.push_back(std::move(summary));
  }
}

// Adds the rows of operand_extra to the operands that they belong to.
Status ReadExtras(const Database& database, const std::string& trial_key, std::vector<OperandRecord>& operands) {
  PTQ_ASSIGN_OR_RETURN(const bool has_extras, IsAtLeast(database, kFirstSchemaWithNotes));
  if (!has_extras) return OkStatus();
  PTQ_ASSIGN_OR_RETURN(
      Statement row,
      database.Prepare(std::string("SELECT operand, field, content FROM operand_extra") + kOfLatestDone));
  row.BindText(trial_key);
  std::map<std::string, OperandRecord*> by_name;
  for (OperandRecord& operand : operands) by_name[operand.name()] = &operand;
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool found, row.Next());
    if (!found) return OkStatus();
    const auto operand = by_name.find(row.Text(0));
    if (operand == by_name.end()) continue;  // of the other table
    const std::string field = row.Text(1);
    if (field == "second_scale") operand->second->second_scale = FromLittleEndian<float>(row.Blob(2));
    if (field == "channel_bits") operand->second->channel_bits = FromLittleEndian<int32_t>(row.Blob(2));
    if (field == "correction") operand->second->correction = FromLittleEndian<float>(row.Blob(2));
  }
}

// `name`: the columns of op and side.
Result<std::vector<OperandRecord>> ReadOperands(const Database& database, const std::string& name,
                                                const std::string& table, const std::string& trial_key) {
  PTQ_ASSIGN_OR_RETURN(Statement row, database.Prepare("SELECT " + name +
                                                       ", grid, num_bits, granularity, axis, scale, zero_point FROM " +
                                                       table + kOfLatestDone + "ORDER BY position"));
  row.BindText(trial_key);
  std::vector<OperandRecord> operands;
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool found, row.Next());
    if (!found) break;
    operands.push_back({row.Text(0), row.Text(1), row.Text(2), static_cast<int>(row.Int(3)), row.Text(4),
                        row.IsNull(5) ? -1 : static_cast<int>(row.Int(5)), FromLittleEndian<float>(row.Blob(6)),
                        FromLittleEndian<int32_t>(row.Blob(7))});
  }
  PTQ_RETURN_IF_ERROR(ReadExtras(database, trial_key, operands));
  return operands;
}

}  // namespace

Result<std::optional<TrialSummary>> Store::Find(const std::string& trial_key) const {
  const Database& database = connection_->database;
  PTQ_ASSIGN_OR_RETURN(const std::string select, SelectSummaries(database));
  PTQ_ASSIGN_OR_RETURN(Statement statement, database.Prepare(select + "WHERE v.trial_key = ?"));
  statement.BindText(trial_key);
  PTQ_ASSIGN_OR_RETURN(std::vector<TrialSummary> found, ReadSummaries(std::move(statement), database.path()));
  if (found.empty()) return std::optional<TrialSummary>();
  return std::optional<TrialSummary>(std::move(found.front()));
}

Result<std::vector<TrialSummary>> Store::Trials() const {
  const Database& database = connection_->database;
  PTQ_ASSIGN_OR_RETURN(const std::string select, SelectSummaries(database));
  PTQ_ASSIGN_OR_RETURN(Statement statement, database.Prepare(select + "ORDER BY t.id"));
  return ReadSummaries(std::move(statement), database.path());
}

Result<std::vector<Prediction>> Store::Predictions(const std::string& trial_key) const {
  PTQ_ASSIGN_OR_RETURN(Statement statement, connection_->database.Prepare(
                                                std::string("SELECT top1, top2, top3, top4, top5 FROM prediction") +
                                                kOfLatestDone + "ORDER BY position"));
  statement.BindText(trial_key);
  std::vector<Prediction> predictions;
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool row, statement.Next());
    if (!row) return predictions;
    Prediction prediction;
    for (int i = 0; i < 5; ++i) prediction.top[i] = static_cast<int32_t>(statement.Int(i));
    predictions.push_back(prediction);
  }
}

Result<DatasetRecord> Store::EvaluatedImages(const std::string& trial_key) const {
  PTQ_ASSIGN_OR_RETURN(
      Statement statement,
      connection_->database.Prepare(
          "SELECT dataset.name, dataset.manifest_sha256, image.image_id, image.label FROM trial"
          " JOIN dataset ON dataset.id = trial.dataset_id JOIN dataset_image AS image ON image.dataset_id = dataset.id "
          "WHERE trial.id = (SELECT max(id) FROM trial WHERE trial_key = ? AND status = 'done') "
          "ORDER BY image.position"));
  statement.BindText(trial_key);
  DatasetRecord dataset;
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool row, statement.Next());
    if (!row) return dataset;
    if (dataset.image_ids.empty()) {
      dataset.name = statement.Text(0);
      dataset.manifest_sha256 = statement.Text(1);
    }
    dataset.image_ids.push_back(statement.Text(2));
    dataset.labels.push_back(statement.Int(3));
  }
}

Result<std::vector<OperandRecord>> Store::Operands(const std::string& trial_key) const {
  return ReadOperands(connection_->database, "op, side", "operand", trial_key);
}

Result<std::vector<OperandRecord>> Store::NormInputs(const std::string& trial_key) const {
  PTQ_ASSIGN_OR_RETURN(const bool has_them, IsAtLeast(connection_->database, kFirstSchemaWithNotes));
  if (!has_them) return std::vector<OperandRecord>();
  return ReadOperands(connection_->database, "norm, ''", "norm_input", trial_key);
}

Result<std::optional<std::string>> Store::Allocation(const std::string& trial_key) const {
  const Database& database = connection_->database;
  PTQ_ASSIGN_OR_RETURN(const bool has_them, IsAtLeast(database, kFirstSchemaWithAllocations));
  if (!has_them) return std::optional<std::string>();
  PTQ_ASSIGN_OR_RETURN(Statement statement,
                       database.Prepare(std::string("SELECT content FROM allocation") + kOfLatestDone));
  PTQ_ASSIGN_OR_RETURN(const bool found, statement.BindText(trial_key).Next());
  if (!found) return std::optional<std::string>();
  return std::optional<std::string>(statement.Text(0));
}

}  // namespace ptq::results
