// store.h: the SQLite file that keeps what was measured.
//
// Insert only: one transaction per finished trial, never an update.  Schema: results/schema*.sql; in prose, with the
// stable view v_trial for outside readers: results/FORMAT.md.  Opened in WAL mode, so readers never block a run.
// One thread at a time per Store; several processes may open the same file.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "results/trial_record.h"

namespace ptq::results {

struct LatencyRecord;      // latency_record.h
struct SensitivityRecord;  // sensitivity_record.h

class Store {
 public:
  enum class Mode { kReadWrite, kReadOnly };

  // kReadWrite creates the file and its folder, and adds to a file of an older schema what it lacks.  Errors: Io
  // (permission, full disk), NotFound (read-only, absent), Corrupt (not SQLite, or not ptqbench's), Unsupported (a
  // newer schema; nothing is touched).
  static Result<Store> Open(const std::string& path, Mode mode);
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  // Stores a finished trial whole or not at all.  A key may be stored again (a retry): v_trial shows the latest.
  // InvalidArgument: predictions do not match the images, no reason, a manifest hash stored with other images.
  Status Insert(const TrialRecord& trial);

  // The latest row of a key.
  Result<std::optional<TrialSummary>> Find(const std::string& trial_key) const;
  // All rows of v_trial, ordered by the time of insertion.
  Result<std::vector<TrialSummary>> Trials() const;
  // The stored predictions of the latest done row of a key; empty where there is none.
  Result<std::vector<Prediction>> Predictions(const std::string& trial_key) const;
  // The images and labels that the same row was evaluated on, in the predictions' order; empty where there is none.
  Result<DatasetRecord> EvaluatedImages(const std::string& trial_key) const;
  // The operands of the same row, in the plan's order.
  Result<std::vector<OperandRecord>> Operands(const std::string& trial_key) const;
  // The quantized inputs of LayerNorms of the same row, likewise; empty where the file is older than such records.
  Result<std::vector<OperandRecord>> NormInputs(const std::string& trial_key) const;
  // TrialRecord::allocation_json of the same row; empty where there is none, or the file is older than such records.
  Result<std::optional<std::string>> Allocation(const std::string& trial_key) const;

  // The latest row of a key whole, as it was given to Insert; what the file's schema is too old for stays empty.
  Result<std::optional<TrialRecord>> Record(const std::string& trial_key) const;

  // Stores one comparison of float32 and integer times.  InvalidArgument: no pairs of times, or a trial_key of which no
  // done trial is stored.
  Status InsertLatency(const LatencyRecord& record);
  // Those of a trial, oldest first; of an empty key those without a trial.
  Result<std::vector<LatencyRecord>> Latencies(const std::string& trial_key) const;

  // Stores a finished sensitivity study.  InvalidArgument: no cells, a cell twice, or more right than there are images.
  Status InsertSensitivity(const SensitivityRecord& record);
  // The latest of each model's weights, data set, method and grouping, oldest first; none in a file older than them.
  Result<std::vector<SensitivityRecord>> Sensitivities() const;

  // integrity_check, foreign keys, predictions as many as images and in agreement with the stored accuracy, every key
  // the SHA-256 of its text (lower-case hex; null: unchecked).  A sentence per problem; empty: all is well.
  using HashFunction = std::string (*)(std::string_view);
  Result<std::vector<std::string>> Verify(HashFunction sha256) const;

 private:
  struct Connection;
  explicit Store(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> connection_;
};

}  // namespace ptq::results
