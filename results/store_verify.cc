#include <fmt/format.h>

#include <utility>

#include "results/store_connection.h"

namespace ptq::results {
namespace {

using Problems = std::vector<std::string>;

Status CheckIntegrity(const Database& database, Problems& problems) {
  PTQ_ASSIGN_OR_RETURN(Statement check, database.Prepare("PRAGMA integrity_check"));
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool row, check.Next());
    if (!row) return OkStatus();
    if (check.Text(0) != "ok") problems.push_back(fmt::format("the file is damaged: {}", check.Text(0)));
  }
}

Status CheckForeignKeys(const Database& database, Problems& problems) {
  PTQ_ASSIGN_OR_RETURN(
      Statement check,
      database.Prepare("SELECT \"table\", \"parent\", count(*) FROM pragma_foreign_key_check GROUP BY 1, 2"));
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool row, check.Next());
    if (!row) return OkStatus();
    problems.push_back(
        fmt::format("{} rows of table {} point at absent rows of {}", check.Int(2), check.Text(0), check.Text(1)));
  }
}

// Counts and accuracies of done trials against their stored predictions.
Status CheckOutcomes(const Database& database, Problems& problems) {
  PTQ_ASSIGN_OR_RETURN(
      Statement check,
      database.Prepare(
          "SELECT trial.id, trial.trial_key, trial.images, trial.top1_correct, trial.top5_correct,"
          " (SELECT count(*) FROM dataset_image WHERE dataset_id = trial.dataset_id), count(prediction.position),"
          " coalesce(sum(label >= 0 AND label = top1), 0),"
          " coalesce(sum(label >= 0 AND label IN (top1, top2, top3, top4, top5)), 0) "
          "FROM trial LEFT JOIN prediction ON prediction.trial_id = trial.id"
          " LEFT JOIN dataset_image AS image ON image.dataset_id = trial.dataset_id"
          " AND image.position = prediction.position "
          "GROUP BY trial.id ORDER BY trial.id"));
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool row, check.Next());
    if (!row) return OkStatus();
    const std::string name = fmt::format("trial {} (key {})", check.Int(0), check.Text(1));
    const int64_t images = check.Int(2), of_dataset = check.Int(5), predictions = check.Int(6);
    if (predictions != images) {
      problems.push_back(fmt::format("{} has {} predictions for {} evaluated images", name, predictions, images));
    }
    if (images == 0) continue;
    if (of_dataset != images) {
      problems.push_back(fmt::format("{} evaluated {} images of a data set of {}", name, images, of_dataset));
    }
    if (check.Int(3) != check.Int(7) || check.Int(4) != check.Int(8)) {
      problems.push_back(fmt::format("{} claims {} top-1 and {} top-5 hits; its predictions hold {} and {}", name,
                                     check.Int(3), check.Int(4), check.Int(7), check.Int(8)));
    }
  }
}

Status CheckCalibration(const Database& database, Problems& problems) {
  PTQ_ASSIGN_OR_RETURN(
      Statement check,
      database.Prepare("SELECT id, trial_key, calib_images, (SELECT count(*) FROM calibration_image WHERE trial_id = "
                       "trial.id) AS stored FROM trial WHERE stored <> calib_images ORDER BY id"));
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool row, check.Next());
    if (!row) return OkStatus();
    problems.push_back(fmt::format("trial {} (key {}) names {} of its {} calibration images", check.Int(0),
                                   check.Text(1), check.Int(3), check.Int(2)));
  }
}

// sql: id, claimed hash, text.
Status CheckHashes(const Database& database, Store::HashFunction sha256, const char* sql, const char* what,
                   Problems& problems) {
  PTQ_ASSIGN_OR_RETURN(Statement check, database.Prepare(sql));
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool row, check.Next());
    if (!row) return OkStatus();
    const std::string actual = sha256(check.Text(2));
    if (actual == check.Text(1)) continue;
    problems.push_back(
        fmt::format("{} {} claims the hash {}; its text has {}", what, check.Int(0), check.Text(1), actual));
  }
}

}  // namespace

Result<std::vector<std::string>> Store::Verify(HashFunction sha256) const {
  const Database& database = connection_->database;
  Problems problems;
  PTQ_RETURN_IF_ERROR(CheckIntegrity(database, problems));
  if (!problems.empty()) return problems;  // what follows would read the damage
  PTQ_RETURN_IF_ERROR(CheckForeignKeys(database, problems));
  PTQ_RETURN_IF_ERROR(CheckOutcomes(database, problems));
  PTQ_RETURN_IF_ERROR(CheckCalibration(database, problems));
  if (sha256 == nullptr) return problems;
  PTQ_RETURN_IF_ERROR(
      CheckHashes(database, sha256, "SELECT id, trial_key, trial_text FROM trial ORDER BY id", "trial", problems));
  PTQ_RETURN_IF_ERROR(CheckHashes(
      database, sha256, "SELECT id, spec_sha256, spec_text FROM experiment WHERE spec_sha256 <> '' ORDER BY id",
      "experiment", problems));
  return problems;
}

}  // namespace ptq::results
