#include "results/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "results/row_writer.h"
#include "results/store_connection.h"

namespace ptq::results {
namespace {

// Little-endian bytes of 4-byte values.
template <typename T>
std::string LittleEndian(const std::vector<T>& values) {
  static_assert(sizeof(T) == 4);
  std::string bytes;
  bytes.reserve(values.size() * 4);
  for (const T value : values) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, 4);
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>((bits >> shift) & 0xff);
  }
  return bytes;
}

Status CheckDone(const TrialRecord& trial) {
  if (trial.dataset.image_ids.empty()) return InvalidArgument("a done trial has no evaluated images", trial.trial_key);
  if (trial.predictions.size() != trial.dataset.image_ids.size()) {
    return InvalidArgument(fmt::format("a done trial has {} predictions for the {} images of data set '{}'",
                                       trial.predictions.size(), trial.dataset.image_ids.size(), trial.dataset.name),
                           trial.trial_key);
  }
  if (!trial.reason.empty()) {
    return InvalidArgument(fmt::format("a done trial gives a reason for failing: {}", trial.reason), trial.trial_key);
  }
  return OkStatus();
}

Status Check(const TrialRecord& trial) {
  if (trial.dataset.labels.size() != trial.dataset.image_ids.size()) {
    return InvalidArgument(fmt::format("data set '{}' has {} labels for {} images", trial.dataset.name,
                                       trial.dataset.labels.size(), trial.dataset.image_ids.size()),
                           trial.trial_key);
  }
  if (trial.status == TrialStatus::kDone) return CheckDone(trial);
  if (!trial.predictions.empty()) {
    return InvalidArgument(fmt::format("a trial that is {} has predictions", Name(trial.status)), trial.trial_key);
  }
  if (trial.reason.empty()) {
    return InvalidArgument(fmt::format("a trial that is {} gives no reason", Name(trial.status)), trial.trial_key);
  }
  return OkStatus();
}

struct Correct {
  int64_t top1 = 0, top5 = 0;
};

Correct Count(const TrialRecord& trial) {
  Correct correct;
  for (size_t i = 0; i < trial.predictions.size(); ++i) {
    const int64_t label = trial.dataset.labels[i];
    const auto& top = trial.predictions[i].top;
    if (label < 0) continue;  // -1 marks an absent class and never a right answer
    correct.top1 += top[0] == label ? 1 : 0;
    correct.top5 += std::find(top.begin(), top.end(), label) != top.end() ? 1 : 0;
  }
  return correct;
}

Status InsertImages(const Database& database, int64_t dataset_id, const DatasetRecord& dataset) {
  PTQ_ASSIGN_OR_RETURN(
      Statement insert,
      database.Prepare("INSERT INTO dataset_image (dataset_id, position, image_id, label) VALUES (?, ?, ?, ?)"));
  for (size_t i = 0; i < dataset.image_ids.size(); ++i) {
    insert.BindInt(dataset_id).BindInt(static_cast<int64_t>(i));
    PTQ_RETURN_IF_ERROR(insert.BindText(dataset.image_ids[i]).BindInt(dataset.labels[i]).Run());
  }
  return OkStatus();
}

// The id of the data set; its images are stored with the first trial that knows them and compared by every later one.
Result<int64_t> StoreDataset(const Database& database, const DatasetRecord& dataset) {
  PTQ_ASSIGN_OR_RETURN(const int64_t id, RowWriter("dataset")
                                             .Text("name", dataset.name)
                                             .Text("manifest_sha256", dataset.manifest_sha256)
                                             .FindOrInsert(database));
  if (dataset.image_ids.empty()) return id;
  PTQ_ASSIGN_OR_RETURN(
      Statement stored,
      database.Prepare("SELECT image_id, label FROM dataset_image WHERE dataset_id = ? ORDER BY position"));
  stored.BindInt(id);
  size_t count = 0;
  bool equal = true;
  while (true) {
    PTQ_ASSIGN_OR_RETURN(const bool row, stored.Next());
    if (!row) break;
    equal = equal && count < dataset.image_ids.size() && stored.Text(0) == dataset.image_ids[count] &&
            stored.Int(1) == dataset.labels[count];
    ++count;
  }
  if (count == 0) {
    PTQ_RETURN_IF_ERROR(InsertImages(database, id, dataset));
    return id;
  }
  if (!equal || count != dataset.image_ids.size()) {
    return InvalidArgument(
        fmt::format("data set '{}' with manifest {} is already stored with other images; the manifest hash must change "
                    "when the images do",
                    dataset.name, dataset.manifest_sha256),
        database.path());
  }
  return id;
}

Result<int64_t> StoreExperiment(const Database& database, const TrialRecord& trial) {
  return RowWriter("experiment")
      .Text("name", trial.experiment)
      .Text("spec_sha256", trial.spec_sha256)
      .Text("spec_text", trial.spec_text)
      .FindOrInsert(database);
}

void DescribeRequest(const TrialRecord& trial, RowWriter& row) {
  row.Text("trial_key", trial.trial_key)
      .Text("trial_text", trial.trial_text)
      .Text("model", trial.model)
      .Text("weights_sha256", trial.weights_sha256)
      .Text("geometry", trial.geometry)
      .Text("preprocessing", trial.preprocessing)
      .Text("calibration_dataset", trial.calibration_dataset)
      .Text("calibration_manifest_sha256", trial.calibration_manifest_sha256)
      .Int("calib_images", static_cast<int64_t>(trial.calibration_ids.size()))
      .Text("method", trial.method)
      .Int("method_version", trial.method_version)
      .Text("parameters", trial.parameters)
      .Text("scheme", trial.scheme)
      .Int("w_bits", trial.w_bits)
      .Int("a_bits", trial.a_bits)
      .Int("mixed", trial.mixed ? 1 : 0)
      .Int("seed", trial.seed)
      .Text("exec_mode", trial.exec_mode)
      .Int("numerics_version", trial.numerics_version)
      .Int("threads", trial.threads);
}

void DescribeOutcome(const TrialRecord& trial, RowWriter& row) {
  row.Text("status", Name(trial.status))
      .Text("reason", trial.reason)
      .Int("images", static_cast<int64_t>(trial.predictions.size()))
      .PositiveReal("size_bytes", trial.size_bytes)
      .PositiveReal("paper_size_bytes", trial.paper_size_bytes)
      .PositiveReal("calibrate_seconds", trial.calibrate_seconds)
      .PositiveReal("evaluate_seconds", trial.evaluate_seconds)
      .PositiveInt("peak_rss_bytes", trial.peak_rss_bytes)
      .Text("started_utc", trial.started_utc)
      .Text("finished_utc", trial.finished_utc);
  if (trial.status == TrialStatus::kDone) {
    const Correct correct = Count(trial);
    row.Int("top1_correct", correct.top1).Int("top5_correct", correct.top5);
  }
}

Result<int64_t> StoreTrial(const Database& database, const TrialRecord& trial) {
  PTQ_ASSIGN_OR_RETURN(const int64_t experiment, StoreExperiment(database, trial));
  PTQ_ASSIGN_OR_RETURN(const int64_t dataset, StoreDataset(database, trial.dataset));
  PTQ_ASSIGN_OR_RETURN(const int64_t host, StoreHost(database, trial.host));
  PTQ_ASSIGN_OR_RETURN(const int64_t build, StoreBuild(database, trial.build));
  RowWriter row("trial");
  row.Int("experiment_id", experiment).Int("dataset_id", dataset).Int("host_id", host).Int("build_id", build);
  DescribeRequest(trial, row);
  DescribeOutcome(trial, row);
  return row.Insert(database);
}

Status StoreCalibration(const Database& database, int64_t trial_id, const std::vector<std::string>& ids) {
  PTQ_ASSIGN_OR_RETURN(
      Statement insert,
      database.Prepare("INSERT INTO calibration_image (trial_id, position, image_id) VALUES (?, ?, ?)"));
  for (size_t i = 0; i < ids.size(); ++i) {
    PTQ_RETURN_IF_ERROR(insert.BindInt(trial_id).BindInt(static_cast<int64_t>(i)).BindText(ids[i]).Run());
  }
  return OkStatus();
}

Status StoreOperands(const Database& database, int64_t trial_id, const std::vector<OperandRecord>& operands) {
  PTQ_ASSIGN_OR_RETURN(
      Statement insert,
      database.Prepare("INSERT INTO operand (trial_id, position, op, side, grid, num_bits, granularity, axis, "
                       "scale, zero_point) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  for (size_t i = 0; i < operands.size(); ++i) {
    const OperandRecord& operand = operands[i];
    insert.BindInt(trial_id).BindInt(static_cast<int64_t>(i)).BindText(operand.op).BindText(operand.side);
    insert.BindText(operand.grid).BindInt(operand.num_bits).BindText(operand.granularity);
    operand.axis < 0 ? insert.BindNull() : insert.BindInt(operand.axis);
    insert.BindBlob(LittleEndian(operand.scale)).BindBlob(LittleEndian(operand.zero_point));
    PTQ_RETURN_IF_ERROR(insert.Run());
  }
  return OkStatus();
}

Status StoreNormInputs(const Database& database, int64_t trial_id, const std::vector<OperandRecord>& norm_inputs) {
  PTQ_ASSIGN_OR_RETURN(
      Statement insert,
      database.Prepare("INSERT INTO norm_input (trial_id, position, norm, grid, num_bits, granularity, axis, scale, "
                       "zero_point) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  for (size_t i = 0; i < norm_inputs.size(); ++i) {
    const OperandRecord& input = norm_inputs[i];
    insert.BindInt(trial_id).BindInt(static_cast<int64_t>(i)).BindText(input.op);
    insert.BindText(input.grid).BindInt(input.num_bits).BindText(input.granularity);
    input.axis < 0 ? insert.BindNull() : insert.BindInt(input.axis);
    insert.BindBlob(LittleEndian(input.scale)).BindBlob(LittleEndian(input.zero_point));
    PTQ_RETURN_IF_ERROR(insert.Run());
  }
  return OkStatus();
}

// What few operands have, a row each.
Status StoreExtras(const Database& database, int64_t trial_id, const std::vector<OperandRecord>& operands) {
  PTQ_ASSIGN_OR_RETURN(
      Statement insert,
      database.Prepare("INSERT INTO operand_extra (trial_id, operand, field, content) VALUES (?, ?, ?, ?)"));
  for (const OperandRecord& operand : operands) {
    for (const auto& [field, content] : {std::pair{"second_scale", LittleEndian(operand.second_scale)},
                                         std::pair{"channel_bits", LittleEndian(operand.channel_bits)},
                                         std::pair{"correction", LittleEndian(operand.correction)}}) {
      if (content.empty()) continue;
      PTQ_RETURN_IF_ERROR(insert.BindInt(trial_id).BindText(operand.name()).BindText(field).BindBlob(content).Run());
    }
  }
  return OkStatus();
}

Status StoreNotes(const Database& database, int64_t trial_id, const TrialRecord& trial) {
  PTQ_ASSIGN_OR_RETURN(Statement note, database.Prepare("INSERT INTO note (trial_id, name, value) VALUES (?, ?, ?)"));
  for (const auto& [name, value] : trial.notes) {
    PTQ_RETURN_IF_ERROR(note.BindInt(trial_id).BindText(name).BindText(value).Run());
  }
  PTQ_ASSIGN_OR_RETURN(Statement grid, database.Prepare("INSERT INTO simulated_only (trial_id, grid) VALUES (?, ?)"));
  for (const std::string& name : trial.simulated_only) {
    PTQ_RETURN_IF_ERROR(grid.BindInt(trial_id).BindText(name).Run());
  }
  return OkStatus();
}

Status StoreAllocation(const Database& database, int64_t trial_id, const std::string& json) {
  if (json.empty()) return OkStatus();
  PTQ_ASSIGN_OR_RETURN(Statement insert, database.Prepare("INSERT INTO allocation (trial_id, content) VALUES (?, ?)"));
  return insert.BindInt(trial_id).BindText(json).Run();
}

Status StoreAffinity(const Database& database, int64_t trial_id, const std::string& cpus) {
  if (cpus.empty()) return OkStatus();
  PTQ_ASSIGN_OR_RETURN(Statement insert, database.Prepare("INSERT INTO affinity (trial_id, cpus) VALUES (?, ?)"));
  return insert.BindInt(trial_id).BindText(cpus).Run();
}

Status StorePredictions(const Database& database, int64_t trial_id, const std::vector<Prediction>& predictions) {
  PTQ_ASSIGN_OR_RETURN(Statement insert,
                       database.Prepare("INSERT INTO prediction (trial_id, position, top1, top2, top3, top4, top5) "
                                        "VALUES (?, ?, ?, ?, ?, ?, ?)"));
  for (size_t i = 0; i < predictions.size(); ++i) {
    insert.BindInt(trial_id).BindInt(static_cast<int64_t>(i));
    for (const int32_t label : predictions[i].top) insert.BindInt(label);
    PTQ_RETURN_IF_ERROR(insert.Run());
  }
  return OkStatus();
}

}  // namespace

Result<int64_t> StoreHost(const Database& database, const HostRecord& host) {
  return RowWriter("host")
      .Text("cpu_model", host.cpu_model)
      .Text("cpu_flags", host.cpu_flags)
      .Int("logical_cores", host.logical_cores)
      .Int("memory_bytes", host.memory_bytes)
      .Text("os", host.os)
      .FindOrInsert(database);
}

Result<int64_t> StoreBuild(const Database& database, const BuildRecord& build) {
  return RowWriter("build")
      .Text("version", build.version)
      .Text("revision", build.revision)
      .Text("compiler", build.compiler)
      .Text("flags", build.flags)
      .Text("libraries", build.libraries)
      .FindOrInsert(database);
}

const char* Name(TrialStatus status) {
  switch (status) {
    case TrialStatus::kDone:
      return "done";
    case TrialStatus::kFailed:
      return "failed";
    case TrialStatus::kUnsupported:
      return "unsupported";
  }
  return "";
}

Store::Store(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Result<Store> Store::Open(const std::string& path, Mode mode) {
  PTQ_ASSIGN_OR_RETURN(Database database, OpenResults(path, mode));
  return Store(std::make_unique<Connection>(Connection{std::move(database)}));
}

Status Store::Insert(const TrialRecord& trial) {
  PTQ_RETURN_IF_ERROR(Check(trial));
  const Database& database = connection_->database;
  PTQ_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
  PTQ_ASSIGN_OR_RETURN(const int64_t id, StoreTrial(database, trial));
  PTQ_RETURN_IF_ERROR(StoreCalibration(database, id, trial.calibration_ids));
  PTQ_RETURN_IF_ERROR(StoreOperands(database, id, trial.operands));
  PTQ_RETURN_IF_ERROR(StoreNormInputs(database, id, trial.norm_inputs));
  PTQ_RETURN_IF_ERROR(StoreExtras(database, id, trial.operands));
  PTQ_RETURN_IF_ERROR(StoreExtras(database, id, trial.norm_inputs));
  PTQ_RETURN_IF_ERROR(StoreNotes(database, id, trial));
  PTQ_RETURN_IF_ERROR(StoreAllocation(database, id, trial.allocation_json));
  PTQ_RETURN_IF_ERROR(StoreAffinity(database, id, trial.affinity));
  PTQ_RETURN_IF_ERROR(StorePredictions(database, id, trial.predictions));
  return transaction.Commit();
}

}  // namespace ptq::results
