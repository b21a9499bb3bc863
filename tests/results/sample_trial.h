// sample_trial.h: small trials and files for the tests of the store.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "data/files/sha256.h"
#include "results/latency_record.h"
#include "results/sensitivity_record.h"
#include "results/store.h"

namespace ptq::results {

// A fresh folder for the running test.
inline std::string TestFolder() {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  const auto folder =
      std::filesystem::path(::testing::TempDir()) / (std::string(test->test_suite_name()) + "_" + test->name());
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder.string();
}

inline std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void WriteBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// A done trial on `images` images of which the model gets the first `right` right; label of image i: i % 10.
inline TrialRecord SampleTrial(const std::string& text, int images, int right, const std::string& method) {
  TrialRecord trial;
  trial.trial_text = text;
  trial.trial_key = data::Sha256(text);
  trial.experiment = "table1";
  trial.spec_text = "name = \"table1\"\n";
  trial.spec_sha256 = data::Sha256(trial.spec_text);
  trial.model = "deit_tiny";
  trial.weights_sha256 = "w1";
  trial.geometry = "d192 l12";
  trial.preprocessing = "resize 256 crop 224";
  trial.dataset.name = "set" + std::to_string(images);
  trial.dataset.manifest_sha256 = "m" + std::to_string(images);
  trial.method = method;
  trial.exec_mode = "simulated";
  trial.size_bytes = 5.5e6;
  trial.paper_size_bytes = 5.4e6;
  trial.calibrate_seconds = 1.25;
  trial.evaluate_seconds = 2.5;
  trial.peak_rss_bytes = int64_t{3} << 30;
  trial.started_utc = "2026-01-31T12:00:00Z";
  trial.finished_utc = "2026-01-31T12:00:04Z";
  trial.threads = 2;
  trial.affinity = "0-1";
  trial.host = {"cpu", "avx2 sse2", 8, int64_t{16} << 30, "Linux 6.1"};
  trial.build = {"0.1.0", "abc", "g++ 12", "-O3", "LibTorch"};
  for (int i = 0; i < images; ++i) {
    const int32_t label = i % 10;
    trial.dataset.image_ids.push_back("image" + std::to_string(i));
    trial.dataset.labels.push_back(label);
    Prediction prediction;
    // a wrong answer keeps the label in second place
    prediction.top = {label, label + 10, 30, 31, 32};
    if (i >= right) std::swap(prediction.top[0], prediction.top[1]);
    trial.predictions.push_back(prediction);
  }
  if (method == "float32") {
    trial.exec_mode = "float32";
    trial.calibrate_seconds = 0;
    return trial;
  }
  trial.w_bits = trial.a_bits = 8;
  trial.parameters = "percentile=0.999";
  trial.scheme = "W8A8";
  trial.calibration_dataset = "calib";
  trial.calibration_manifest_sha256 = "c1";
  trial.calibration_ids = {"c0", "c1", "c2"};
  trial.operands = {{"head", "left", "affine", 8, "per_tensor", -1, {0.5f}, {3}},
                    {"head", "right", "symmetric_full", 8, "per_channel", 0, {1.0f, -2.0f, 0.25f}, {0, -1, 258}}};
  return trial;
}

// What a plan can hold besides: grids that only simulate, channels of different widths, LayerNorm inputs, notes.
inline TrialRecord SampleTrialWithExtras(const std::string& text) {
  TrialRecord trial = SampleTrial(text, 4, 2, "lapq");
  trial.operands[0].grid = "twin_signed";
  trial.operands[0].second_scale = {0.125f};
  trial.operands[1].channel_bits = {8, 0, 6};
  trial.operands[1].correction = {0.5f, -0.25f, 0.0f};
  trial.norm_inputs = {{"blocks.0.norm1", "", "affine", 8, "per_channel", 2, {0.5f, 0.25f}, {3, -4}},
                       {"norm", "", "log2", 4, "per_tensor", -1, {1.0f}, {0}}};
  trial.norm_inputs[0].correction = {1.0f, 2.0f};
  trial.simulated_only = {"log2", "twin_signed"};
  trial.notes = {{"evaluations", "412"}, {"path", "a=b, c"}};
  return trial;
}

// What a mixed-precision method would say of two groups.
constexpr char kSampleAllocation[] =
    R"({"budget_bytes":9.0,"candidate_bits":[4,6],"chosen":1,"front":[{"bits":[4,4],"omega":3.0,"size_bytes":4.0},)"
    R"({"bits":[6,4],"omega":2.0,"size_bytes":5.0}],"groups":[)"
    R"({"kind":"op","name":"head","nuclear_norm":1.5,"omega":[2.0,1.0],"parameters":4},)"
    R"({"kind":"mlp","name":"blocks.0.mlp","nuclear_norm":0.5,"omega":[1.0,0.5],"parameters":4}],"target_bits":4})";

// Five rounds of a comparison in which integers are twice as fast.
inline LatencyRecord SampleLatency(const std::string& trial_key) {
  LatencyRecord record;
  record.trial_key = trial_key;
  record.model = "deit_tiny";
  record.weights_sha256 = "w1";
  record.plan_sha256 = data::Sha256("plan");
  record.plan_text = "percentile@1 W8A8";
  record.host = {"cpu", "avx2 sse2", 8, int64_t{16} << 30, "Linux 6.1"};
  record.build = {"0.1.0", "abc", "g++ 12", "-O3", "LibTorch"};
  record.batch = record.threads = 1;
  record.instruction_set = "avx2";
  record.affinity = "0-3,8";
  record.int8_coverage = 0.75;
  record.warmup_runs = 5;
  record.float32 = Summarize({8000000, 9000000, 8200000, 8100000, 8400000});
  record.integer = Summarize({4000000, 4500000, 4100000, 4100000, 4200000});
  record.ratio = 2;
  record.ratio_interval = {1.9, 2.1};
  record.clock_drift = 0.015625;
  record.kernels = {{"blocks.0.attn.qkv", true, "brg:\"x\"", 1000}, {"head", false, "jit:gemm f32", int64_t{1} << 40}};
  record.finished_utc = "2026-01-31T12:00:09Z";
  return record;
}

// Two parts of a model at two widths on ten images.
inline SensitivityRecord SampleSensitivity() {
  SensitivityRecord record;
  record.model = "deit_tiny";
  record.weights_sha256 = "w1";
  record.dataset = {"set10", "m10", {}, {}};
  record.images = 10;
  record.calibration_dataset = "calib";
  record.calibration_manifest_sha256 = "c1";
  record.calib_images = 3;
  record.method = "min_max";
  record.grouping = "op";
  record.float_top1_correct = 8;
  record.cells = {{"blocks.0.mlp.fc1", 8, 41.5, 0, 8},
                  {"blocks.0.mlp.fc1", 4, 9.25, 3, 6},
                  {"head", 8, {}, 0, 8},
                  {"head", 4, 15.5, 1, 7}};
  record.host = {"cpu", "avx2 sse2", 8, int64_t{16} << 30, "Linux 6.1"};
  record.build = {"0.1.0", "abc", "g++ 12", "-O3", "LibTorch"};
  record.finished_utc = "2026-01-31T12:00:19Z";
  return record;
}

// A raw connection, as any other program would open the file.
class RawSqlite {
 public:
  explicit RawSqlite(const std::string& path) { EXPECT_EQ(sqlite3_open(path.c_str(), &connection_), SQLITE_OK); }
  ~RawSqlite() { sqlite3_close(connection_); }
  RawSqlite(const RawSqlite&) = delete;
  RawSqlite& operator=(const RawSqlite&) = delete;
  sqlite3* get() { return connection_; }

  // Empty on success, else SQLite's message.
  std::string Run(const std::string& sql) {
    char* message = nullptr;
    sqlite3_exec(connection_, sql.c_str(), nullptr, nullptr, &message);
    const std::string text = message == nullptr ? "" : message;
    sqlite3_free(message);
    return text;
  }

  // Rows with fields joined by '|'; NULL prints as "NULL".
  std::vector<std::string> Query(const std::string& sql) {
    std::vector<std::string> rows;
    char* message = nullptr;
    sqlite3_exec(
        connection_, sql.c_str(),
        [](void* out, int count, char** values, char**) {
          std::string row;
          for (int i = 0; i < count; ++i) row += (i > 0 ? "|" : "") + std::string(values[i] ? values[i] : "NULL");
          static_cast<std::vector<std::string>*>(out)->push_back(row);
          return 0;
        },
        &rows, &message);
    EXPECT_EQ(message, nullptr) << sql << ": " << message;
    sqlite3_free(message);
    return rows;
  }

 private:
  sqlite3* connection_ = nullptr;
};

// What a process leaves that dies while a file is made: some of its pages, and a journal of how they were before.
inline void WriteCutOffFile(const std::string& path) {
  const std::string whole = path + ".whole";
  {
    RawSqlite raw(whole);
    // a cache of one page: what is written goes to the file before the transaction ends, and the journal before that
    ASSERT_EQ(raw.Run("PRAGMA cache_size = 1; BEGIN; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(40000))"), "");
    std::filesystem::copy_file(whole, path);
    std::filesystem::copy_file(whole + "-journal", path + "-journal");
    ASSERT_EQ(raw.Run("ROLLBACK"), "");
  }
  std::filesystem::remove(whole);
  ASSERT_GT(std::filesystem::file_size(path), 0U);
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open_v2(path.c_str(), &reader, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
  sqlite3_exec(reader, "SELECT count(*) FROM sqlite_schema", nullptr, nullptr, nullptr);
  EXPECT_EQ(sqlite3_extended_errcode(reader), SQLITE_READONLY_ROLLBACK) << "nothing would be tested";
  sqlite3_close(reader);
}

// Compares with tests/results/golden/<name>.  To renew one after a wanted change, copy the file that a failing test
// leaves under bazel-testlogs/tests/results/results_test/test.outputs (outputs.zip), having read the difference.
inline void ExpectGolden(const std::string& name, const std::string& actual) {
  const std::string expected = ReadBytes("tests/results/golden/" + name);
  EXPECT_EQ(actual, expected) << "golden file " << name;
  const char* outputs = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  if (actual != expected && outputs != nullptr) WriteBytes(std::string(outputs) + "/" + name, actual);
}

}  // namespace ptq::results
