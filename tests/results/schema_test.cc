// The schema's promises, seen through a raw connection as another program would see them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/results/sample_trial.h"

namespace ptq::results {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class SchemaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Store store = Store::Open(path_, Store::Mode::kReadWrite).value();
    ASSERT_TRUE(store.Insert(SampleTrial("f", 4, 3, "float32")).ok());
    TrialRecord mixed = SampleTrial("q", 4, 2, "percentile");
    mixed.mixed = true;
    mixed.allocation_json = kSampleAllocation;
    ASSERT_TRUE(store.Insert(mixed).ok());
    ASSERT_TRUE(store.Insert(SampleTrialWithExtras("x")).ok());
    ASSERT_TRUE(store.InsertSensitivity(SampleSensitivity()).ok());
    ASSERT_TRUE(store.InsertLatency(SampleLatency(mixed.trial_key)).ok());
  }
  std::vector<std::string> Names(const char* type) {
    return RawSqlite(path_).Query(std::string("SELECT name FROM sqlite_schema WHERE type = '") + type +
                                  "' AND name NOT LIKE 'sqlite_%' ORDER BY name");
  }
  const std::string path_ = TestFolder() + "/results.sqlite";
};

// Frozen: outside readers depend on it.  New columns are added at the end only.
TEST_F(SchemaTest, ViewColumnsAreFrozen) {
  EXPECT_THAT(RawSqlite(path_).Query("SELECT name FROM pragma_table_info('v_trial') ORDER BY cid"),
              ElementsAre("experiment", "trial_key", "model", "dataset", "method", "w_bits", "a_bits", "mixed", "seed",
                          "exec_mode", "calib_images", "images", "top1_fraction", "float_top1_fraction", "size_bytes",
                          "calibrate_seconds", "peak_rss_bytes", "latency_ns_median", "status", "reason",
                          "simulated_only", "latency_ratio", "int8_coverage"));
}

TEST_F(SchemaTest, FileSaysWhatItIs) {
  RawSqlite raw(path_);
  EXPECT_THAT(raw.Query("PRAGMA application_id"), ElementsAre("1347703106"));
  EXPECT_THAT(raw.Query("PRAGMA user_version"), ElementsAre("5"));
  EXPECT_THAT(raw.Query("PRAGMA journal_mode"), ElementsAre("wal"));
  EXPECT_EQ(ReadBytes(path_).substr(68, 4), "PTQB");
  EXPECT_THAT(raw.Query("SELECT key FROM meta ORDER BY key"), ElementsAre("created_utc", "created_with", "format"));
  EXPECT_THAT(raw.Query("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict "
                        "AND name NOT LIKE 'sqlite_%'"),
              IsEmpty());
}

TEST_F(SchemaTest, NoTableTakesUpdateDeleteOrReplace) {
  RawSqlite raw(path_);
  ASSERT_EQ(raw.Run("INSERT INTO latency SELECT 1, 1, 1, 1, 1, 1, 'avx2', 'k', 1, 1, 5, 1, 9, zeroblob(8), ''"), "");
  for (const std::string& table : Names("table")) {
    const std::string before = ::testing::PrintToString(raw.Query("SELECT * FROM " + table));
    ASSERT_NE(before, "{}") << table << " is empty: nothing would be tested";
    const std::string column = raw.Query("SELECT name FROM pragma_table_info('" + table + "') LIMIT 1")[0];
    const std::string refusal = table + " is insert only";
    const std::string copy = " INTO " + table + " SELECT * FROM " + table;
    EXPECT_THAT(raw.Run("UPDATE " + table + " SET " + column + " = " + column), HasSubstr(refusal));
    EXPECT_THAT(raw.Run("UPDATE OR REPLACE " + table + " SET " + column + " = " + column), HasSubstr(refusal));
    EXPECT_THAT(raw.Run("DELETE FROM " + table), HasSubstr(refusal));
    EXPECT_THAT(raw.Run("INSERT OR REPLACE" + copy), HasSubstr(refusal));
    EXPECT_THAT(raw.Run("REPLACE" + copy), HasSubstr(refusal));
    EXPECT_THAT(raw.Run("INSERT OR IGNORE" + copy), HasSubstr(refusal));
    EXPECT_THAT(raw.Run("INSERT" + copy + " WHERE true ON CONFLICT DO UPDATE SET " + column + " = 0"),
                HasSubstr(refusal));
    EXPECT_EQ(::testing::PrintToString(raw.Query("SELECT * FROM " + table)), before);
  }
}

// A row may also be replaced through a UNIQUE constraint that is not its primary key.
TEST_F(SchemaTest, NoRowIsReplacedThroughItsOtherKeys) {
  RawSqlite raw(path_);
  for (const char* sql :
       {"REPLACE INTO host SELECT 99, cpu_model, cpu_flags, logical_cores, memory_bytes, os FROM host",
        "REPLACE INTO build SELECT 99, version, revision, compiler, flags, libraries FROM build",
        "REPLACE INTO experiment SELECT 99, name, spec_sha256, spec_text FROM experiment",
        "REPLACE INTO dataset SELECT 99, name, manifest_sha256 FROM dataset",
        "REPLACE INTO dataset_image SELECT dataset_id, 99, image_id, 1 FROM dataset_image LIMIT 1",
        "REPLACE INTO operand SELECT trial_id, 99, op, side, grid, 2, granularity, axis, scale, zero_point FROM "
        "operand "
        "LIMIT 1",
        "REPLACE INTO norm_input SELECT trial_id, 99, norm, grid, 2, granularity, axis, scale, zero_point FROM "
        "norm_input LIMIT 1"}) {
    EXPECT_THAT(raw.Run(sql), HasSubstr("is insert only: the row exists")) << sql;
  }
}

TEST_F(SchemaTest, ValuesOutsideTheirMeaningAreRefused) {
  RawSqlite raw(path_);
  for (const char* column_value :
       {"status = 'maybe'", "mixed = 2", "w_bits = 0", "top1_correct = 5", "top1_correct = NULL", "images = 0",
        "reason = 'x'", "trial_key = ''", "method = ''", "w_bits = 'eight'"}) {
    ASSERT_EQ(raw.Run("BEGIN; DROP TRIGGER trial_no_update"), "");
    EXPECT_THAT(raw.Run(std::string("UPDATE trial SET ") + column_value + " WHERE id = 1"), Not(IsEmpty()))
        << column_value;
    ASSERT_EQ(raw.Run("ROLLBACK"), "");
  }
}

// Tables, columns, types, keys, indexes, triggers.  A difference is a change of the format: raise user_version.
TEST_F(SchemaTest, DumpMatchesGolden) {
  RawSqlite raw(path_);
  std::string dump;
  for (const char* type : {"table", "view"}) {
    for (const std::string& name : Names(type)) {
      dump += std::string(type) + " " + name + "\n";
      for (const std::string& column :
           raw.Query("SELECT name || ' ' || type || CASE WHEN \"notnull\" THEN ' NOT NULL' ELSE '' END || "
                     "CASE WHEN pk THEN ' KEY ' || pk ELSE '' END FROM pragma_table_info('" +
                     name + "') ORDER BY cid")) {
        dump += "  " + column + "\n";
      }
      for (const std::string& key :
           raw.Query("SELECT 'REFERENCES ' || \"table\" || ': ' || \"from\" FROM pragma_foreign_key_list('" + name +
                     "') ORDER BY 1")) {
        dump += "  " + key + "\n";
      }
    }
  }
  for (const char* type : {"index", "trigger"}) {
    for (const std::string& name : Names(type)) dump += std::string(type) + " " + name + "\n";
  }
  ExpectGolden("schema.txt", dump);
}

// The golden texts are the schema that version 1 of the file was released with, and what later versions added.
TEST(SchemaTextTest, ReleasedVersionsAreFrozen) {
  const auto statements = [](const std::string& path) {
    const std::string text = ReadBytes(path);
    return text.substr(text.find("PRAGMA "));
  };
  EXPECT_EQ(statements("results/schema.sql"), statements("tests/results/golden/schema_1.sql"));
  EXPECT_EQ(statements("results/schema_2.sql"), statements("tests/results/golden/schema_2.sql"));
  EXPECT_EQ(statements("results/schema_3.sql"), statements("tests/results/golden/schema_3.sql"));
  EXPECT_EQ(statements("results/schema_4.sql"), statements("tests/results/golden/schema_4.sql"));
}

TEST_F(SchemaTest, EveryQueryOfTheFormatPageRuns) {
  const std::string page = ReadBytes("results/FORMAT.md");
  RawSqlite raw(path_);
  std::vector<size_t> rows;
  for (size_t at = page.find("```sql\n"); at != std::string::npos; at = page.find("```sql\n", at + 1)) {
    const size_t begin = at + 7;
    rows.push_back(raw.Query(page.substr(begin, page.find("```", begin) - begin)).size());
  }
  // three done trials; two operands and two groups of the mixed one; two notes; one row of times; four cells of
  // sensitivity; one image that only the float model gets right, in each of the two quantized trials
  EXPECT_THAT(rows, ElementsAre(3, 2, 2, 2, 1, 4, 2));
}

TEST_F(SchemaTest, TheFormatPageNamesEveryTableAndColumnOfTheView) {
  const std::string page = ReadBytes("results/FORMAT.md");
  for (const std::string& table : Names("table")) EXPECT_THAT(page, HasSubstr("**`" + table + "`**")) << table;
  for (const std::string& column : RawSqlite(path_).Query("SELECT name FROM pragma_table_info('v_trial')")) {
    EXPECT_THAT(page, HasSubstr("`" + column + "`"));
  }
}

}  // namespace
}  // namespace ptq::results
