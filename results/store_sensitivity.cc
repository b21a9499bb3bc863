#include <fmt/format.h>

#include <set>
#include <utility>

#include "results/row_writer.h"
#include "results/sensitivity_record.h"
#include "results/store_connection.h"

namespace ptq::results {
namespace {

constexpr int64_t kFirstSchemaWithSensitivities = 5;

Status Check(const SensitivityRecord& record) {
  if (record.cells.empty()) return InvalidArgument("a sensitivity study has no cells", record.model);
  std::set<std::pair<std::string, int>> seen;
  for (const SensitivityCell& cell : record.cells) {
    if (!seen.insert({cell.unit, cell.num_bits}).second) {
      return InvalidArgument(fmt::format("a sensitivity study has {} at {} bits twice", cell.unit, cell.num_bits),
                             record.model);
    }
    if (cell.changed > record.images || cell.top1_correct > record.images) {
      return InvalidArgument(fmt::format("a sensitivity study counts more images than its {} at {}, {} bits",
                                         record.images, cell.unit, cell.num_bits),
                             record.model);
    }
  }
  return OkStatus();
}

Status StoreCells(const Database& database, int64_t id, const std::vector<SensitivityCell>& cells) {
  PTQ_ASSIGN_OR_RETURN(
      Statement insert,
      database.Prepare("INSERT INTO sensitivity_cell (sensitivity_id, position, unit, num_bits, signal_to_noise_db,"
                       " changed, top1_correct) VALUES (?, ?, ?, ?, ?, ?, ?)"));
  for (size_t i = 0; i < cells.size(); ++i) {
    const SensitivityCell& cell = cells[i];
    insert.BindInt(id).BindInt(static_cast<int64_t>(i)).BindText(cell.unit).BindInt(cell.num_bits);
    cell.signal_to_noise_db ? insert.BindReal(*cell.signal_to_noise_db) : insert.BindNull();
    PTQ_RETURN_IF_ERROR(insert.BindInt(cell.changed).BindInt(cell.top1_correct).Run());
  }
  return OkStatus();
}

Result<std::vector<SensitivityCell>> ReadCells(const Database& database, int64_t id) {
  PTQ_ASSIGN_OR_RETURN(Statement row, database.Prepare("SELECT unit, num_bits, signal_to_noise_db, changed,"
                                                       " top1_correct FROM sensitivity_cell"
                                                       " WHERE sensitivity_id = ? ORDER BY position"));
  row.BindInt(id);
  std::vector<SensitivityCell> cells;
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool found, row.Next());
    if (!found) return cells;
    cells.push_back({row.Text(0), static_cast<int>(row.Int(1)), row.OptionalReal(2), row.Int(3), row.Int(4)});
  }
}

constexpr char kSelect[] =
    "SELECT s.model, s.weights_sha256, d.name, d.manifest_sha256, s.calibration_dataset,"
    " s.calibration_manifest_sha256, s.method, s.parameters, s.grouping, s.finished_utc,"
    " h.cpu_model, h.cpu_flags, h.os, b.version, b.revision, b.compiler, b.flags, b.libraries,"
    " s.images, s.calib_images, s.seed, s.float_top1_correct, h.logical_cores, h.memory_bytes, s.method_version, s.id "
    "FROM sensitivity AS s JOIN dataset AS d ON d.id = s.dataset_id JOIN host AS h ON h.id = s.host_id"
    " JOIN build AS b ON b.id = s.build_id "
    "WHERE s.id IN (SELECT max(id) FROM sensitivity GROUP BY weights_sha256, dataset_id, method, grouping) "
    "ORDER BY s.id";

}  // namespace

Status Store::InsertSensitivity(const SensitivityRecord& record) {
  PTQ_RETURN_IF_ERROR(Check(record));
  const Database& database = connection_->database;
  PTQ_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
  PTQ_ASSIGN_OR_RETURN(const int64_t dataset, RowWriter("dataset")
                                                  .Text("name", record.dataset.name)
                                                  .Text("manifest_sha256", record.dataset.manifest_sha256)
                                                  .FindOrInsert(database));
  PTQ_ASSIGN_OR_RETURN(const int64_t host, StoreHost(database, record.host));
  PTQ_ASSIGN_OR_RETURN(const int64_t build, StoreBuild(database, record.build));
  PTQ_ASSIGN_OR_RETURN(const int64_t id, RowWriter("sensitivity")
                                             .Text("model", record.model)
                                             .Text("weights_sha256", record.weights_sha256)
                                             .Int("dataset_id", dataset)
                                             .Int("images", record.images)
                                             .Text("calibration_dataset", record.calibration_dataset)
                                             .Text("calibration_manifest_sha256", record.calibration_manifest_sha256)
                                             .Int("calib_images", record.calib_images)
                                             .Int("seed", record.seed)
                                             .Text("method", record.method)
                                             .Int("method_version", record.method_version)
                                             .Text("parameters", record.parameters)
                                             .Text("grouping", record.grouping)
                                             .Int("float_top1_correct", record.float_top1_correct)
                                             .Int("host_id", host)
                                             .Int("build_id", build)
                                             .Text("finished_utc", record.finished_utc)
                                             .Insert(database));
  PTQ_RETURN_IF_ERROR(StoreCells(database, id, record.cells));
  return transaction.Commit();
}

Result<std::vector<SensitivityRecord>> Store::Sensitivities() const {
  const Database& database = connection_->database;
  std::vector<SensitivityRecord> records;
  PTQ_ASSIGN_OR_RETURN(const int64_t version, database.QueryInt("PRAGMA user_version"));
  if (version < kFirstSchemaWithSensitivities) return records;
  PTQ_ASSIGN_OR_RETURN(Statement row, database.Prepare(kSelect));
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool found, row.Next());
    if (!found) return records;
    SensitivityRecord record;
    int column = 0;
    for (std::string* text :
         {&record.model, &record.weights_sha256, &record.dataset.name, &record.dataset.manifest_sha256,
          &record.calibration_dataset, &record.calibration_manifest_sha256, &record.method, &record.parameters,
          &record.grouping, &record.finished_utc, &record.host.cpu_model, &record.host.cpu_flags, &record.host.os,
          &record.build.version, &record.build.revision, &record.build.compiler, &record.build.flags,
          &record.build.libraries}) {
      *text = row.Text(column++);
    }
    for (int64_t* number : {&record.images, &record.calib_images, &record.seed, &record.float_top1_correct,
                            &record.host.logical_cores, &record.host.memory_bytes}) {
      *number = row.Int(column++);
    }
    record.method_version = static_cast<int>(row.Int(column++));
    PTQ_ASSIGN_OR_RETURN(record.cells, ReadCells(database, row.Int(column)));
    records.push_back(std::move(record));
  }
}

}  // namespace ptq::results
