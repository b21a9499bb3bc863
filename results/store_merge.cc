#include "results/store_merge.h"

#include <fmt/format.h>

#include <filesystem>
#include <vector>

#include "results/store_connection.h"

namespace ptq::results {
namespace {

namespace fs = std::filesystem;

// Rows that are equal in all but their id are one row.  `map_<table>` holds the id of either file.
constexpr const char* kShared[] = {"host", "build", "experiment", "dataset"};
// What belongs to one trial, by trial_id.
constexpr const char* kOfTrial[] = {"calibration_image", "operand",    "prediction",    "allocation", "note",
                                    "simulated_only",    "norm_input", "operand_extra", "affinity"};

Status MergeShared(const Database& database, const std::string& table) {
  PTQ_ASSIGN_OR_RETURN(const std::vector<std::string> columns, ColumnsOf(database, table));
  std::vector<std::string> values, equal;
  for (const std::string& column : columns) {
    if (column == "id") continue;
    values.push_back(column);
    equal.push_back(fmt::format("ours.{0} = theirs.{0}", column));
  }
  return database.Execute(
      fmt::format("INSERT INTO main.{0} ({1}) SELECT {1} FROM source.{0} AS theirs "
                  "WHERE NOT EXISTS (SELECT 1 FROM main.{0} AS ours WHERE {2});"
                  "CREATE TEMP TABLE map_{0} AS SELECT theirs.id AS old, ours.id AS new "
                  "FROM source.{0} AS theirs JOIN main.{0} AS ours ON {2};"
                  "CREATE UNIQUE INDEX temp.map_{0}_old ON map_{0} (old);",
                  table, fmt::join(values, ", "), fmt::join(equal, " AND ")));
}

Status CheckImages(const Database& database, const std::string& source) {
  PTQ_ASSIGN_OR_RETURN(
      Statement check,
      database.Prepare("SELECT dataset.name FROM temp.map_dataset AS map JOIN main.dataset ON dataset.id = map.new "
                       "WHERE EXISTS (SELECT 1 FROM main.dataset_image WHERE dataset_id = map.new)"
                       " AND EXISTS (SELECT 1 FROM source.dataset_image WHERE dataset_id = map.old)"
                       " AND (SELECT count(*) FROM main.dataset_image AS ours JOIN source.dataset_image AS theirs"
                       "  USING (position, image_id, label) WHERE ours.dataset_id = map.new"
                       "  AND theirs.dataset_id = map.old)"
                       " <> max((SELECT count(*) FROM main.dataset_image WHERE dataset_id = map.new),"
                       "  (SELECT count(*) FROM source.dataset_image WHERE dataset_id = map.old))"));
  PTQ_ASSIGN_OR_RETURN(const bool differs, check.Next());
  if (!differs) return OkStatus();
  return InvalidArgument(fmt::format("the images of data set {} are not those of the file that this one is to be "
                                     "merged into, though name and hash are equal; nothing was merged",
                                     check.Text(0)),
                         source);
}

Status MergeImages(const Database& database) {
  return database.Execute(
      "CREATE TEMP TABLE without_images AS SELECT old, new FROM temp.map_dataset AS map "
      "WHERE NOT EXISTS (SELECT 1 FROM main.dataset_image WHERE dataset_id = map.new);"
      "INSERT INTO main.dataset_image (dataset_id, position, image_id, label) "
      "SELECT map.new, position, image_id, label FROM source.dataset_image "
      "JOIN temp.without_images AS map ON map.old = dataset_id;");
}

// Copies the rows of a table that `rows` selects from `source.<table> AS theirs`; ids become those of the target.
Status CopyRows(const Database& database, const std::string& table, const std::string& rows) {
  PTQ_ASSIGN_OR_RETURN(const std::vector<std::string> columns, ColumnsOf(database, table));
  std::vector<std::string> names, values;
  for (const std::string& column : columns) {
    const bool keeps_id = table == "trial" || table == "sensitivity";  // others refer to it
    if (column == "id" && !keeps_id) continue;                         // counted up by SQLite
    names.push_back(column);
    const bool refers = column.size() > 3 && column.substr(column.size() - 3) == "_id" && column != "image_id";
    if (column == "id") {
      values.push_back(fmt::format("(SELECT new FROM temp.map_{} WHERE old = theirs.id)", table));
    } else if (refers) {
      values.push_back(fmt::format("(SELECT new FROM temp.map_{} WHERE old = theirs.{})",
                                   column.substr(0, column.size() - 3), column));
    } else {
      values.push_back("theirs." + column);
    }
  }
  return database.Execute(fmt::format("INSERT INTO main.{0} ({1}) SELECT {2} FROM source.{0} AS theirs {3}", table,
                                      fmt::join(names, ", "), fmt::join(values, ", "), rows));
}

Status MergeTrials(const Database& database) {
  PTQ_RETURN_IF_ERROR(database.Execute(
      "CREATE TEMP TABLE known AS SELECT theirs.id AS old, max(ours.id) AS new FROM source.trial AS theirs "
      "JOIN main.trial AS ours ON ours.trial_key = theirs.trial_key AND (ours.status = 'done' OR"
      " (ours.status = theirs.status AND ours.started_utc = theirs.started_utc"
      "  AND ours.finished_utc = theirs.finished_utc)) GROUP BY theirs.id;"
      "CREATE TEMP TABLE map_trial (old INTEGER PRIMARY KEY, new INTEGER NOT NULL, added INTEGER NOT NULL);"
      "INSERT INTO temp.map_trial SELECT old, new, 0 FROM temp.known;"
      "INSERT INTO temp.map_trial SELECT id, (SELECT coalesce(max(id), 0) FROM main.trial)"
      " + row_number() OVER (ORDER BY id), 1 FROM source.trial "
      "WHERE id NOT IN (SELECT old FROM temp.known);"));
  PTQ_RETURN_IF_ERROR(CopyRows(database, "trial", "JOIN temp.map_trial ON old = theirs.id WHERE added ORDER BY new"));
  for (const char* table : kOfTrial) {
    PTQ_RETURN_IF_ERROR(CopyRows(database, table, "JOIN temp.map_trial ON old = theirs.trial_id WHERE added"));
  }
  return OkStatus();
}

Status MergeLatencies(const Database& database) {
  PTQ_RETURN_IF_ERROR(database.Execute(
      "CREATE TEMP TABLE known_latency AS SELECT theirs.id AS id FROM source.latency_comparison AS theirs "
      "JOIN main.latency_comparison AS ours ON ours.model = theirs.model"
      " AND ours.trial_id IS (SELECT new FROM temp.map_trial WHERE old = theirs.trial_id)"
      " AND ours.weights_sha256 = theirs.weights_sha256 AND ours.plan_sha256 = theirs.plan_sha256"
      " AND ours.batch = theirs.batch AND ours.threads = theirs.threads"
      " AND ours.finished_utc = theirs.finished_utc AND ours.ratio = theirs.ratio;"));
  return CopyRows(database, "latency_comparison",
                  "WHERE theirs.id NOT IN (SELECT id FROM temp.known_latency) ORDER BY theirs.id");
}

Status MergeSensitivities(const Database& database) {
  PTQ_RETURN_IF_ERROR(database.Execute(
      "CREATE TEMP TABLE map_sensitivity (old INTEGER PRIMARY KEY, new INTEGER NOT NULL);"
      "INSERT INTO temp.map_sensitivity SELECT id, (SELECT coalesce(max(id), 0) FROM main.sensitivity)"
      " + row_number() OVER (ORDER BY id) FROM source.sensitivity AS theirs "
      "WHERE NOT EXISTS (SELECT 1 FROM main.sensitivity AS ours WHERE ours.weights_sha256 = theirs.weights_sha256"
      " AND ours.method = theirs.method AND ours.grouping = theirs.grouping"
      " AND ours.finished_utc = theirs.finished_utc);"));
  PTQ_RETURN_IF_ERROR(CopyRows(database, "sensitivity", "JOIN temp.map_sensitivity ON old = theirs.id ORDER BY new"));
  return CopyRows(database, "sensitivity_cell", "JOIN temp.map_sensitivity ON old = theirs.sensitivity_id");
}

Status Merge(const Database& database, const std::string& source) {
  for (const char* table : kShared) PTQ_RETURN_IF_ERROR(MergeShared(database, table));
  PTQ_RETURN_IF_ERROR(CheckImages(database, source));
  PTQ_RETURN_IF_ERROR(MergeImages(database));
  PTQ_RETURN_IF_ERROR(MergeTrials(database));
  PTQ_RETURN_IF_ERROR(MergeLatencies(database));
  return MergeSensitivities(database);
}

}  // namespace

Result<MergeSummary> MergeResults(const std::string& target, const std::string& source) {
  std::error_code error;
  if (fs::equivalent(target, source, error)) {
    return InvalidArgument("a results file cannot be merged into itself; name two files", source);
  }
  int64_t source_version = 0;
  {
    PTQ_ASSIGN_OR_RETURN(const Database look, OpenResults(source, Store::Mode::kReadOnly));
    PTQ_ASSIGN_OR_RETURN(source_version, look.QueryInt("PRAGMA user_version"));
  }
  if (source_version != CurrentSchema()) {
    return Unsupported(fmt::format("has schema {}, and only files of schema {} can be merged; any `run` with --db and "
                                   "this file brings it up to date",
                                   source_version, CurrentSchema()),
                       source);
  }
  PTQ_ASSIGN_OR_RETURN(const Database database, OpenResults(target, Store::Mode::kReadWrite));
  PTQ_ASSIGN_OR_RETURN(Statement attach, database.Prepare("ATTACH DATABASE ? AS source"));
  PTQ_RETURN_IF_ERROR(attach.BindText(fs::absolute(source, error).string()).Run());
  PTQ_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
  PTQ_ASSIGN_OR_RETURN(const int64_t latencies_before, database.QueryInt("SELECT count(*) FROM latency_comparison"));
  PTQ_RETURN_IF_ERROR(Merge(database, source));
  MergeSummary summary;
  PTQ_ASSIGN_OR_RETURN(summary.trials_added, database.QueryInt("SELECT count(*) FROM temp.map_trial WHERE added"));
  PTQ_ASSIGN_OR_RETURN(summary.trials_kept, database.QueryInt("SELECT count(*) FROM temp.map_trial WHERE NOT added"));
  PTQ_ASSIGN_OR_RETURN(const int64_t latencies_now, database.QueryInt("SELECT count(*) FROM main.latency_comparison"));
  summary.latencies_added = latencies_now - latencies_before;
  PTQ_ASSIGN_OR_RETURN(summary.sensitivities_added, database.QueryInt("SELECT count(*) FROM temp.map_sensitivity"));
  PTQ_RETURN_IF_ERROR(transaction.Commit());
  return summary;
}

}  // namespace ptq::results
