#include "results/store_merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "results/store_export.h"
#include "tests/results/sample_trial.h"

namespace ptq::results {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TrialRecord Failed(const std::string& text) {
  TrialRecord trial = SampleTrial(text, 4, 0, "percentile");
  trial.status = TrialStatus::kFailed;
  trial.reason = "it said \"no\", twice";
  trial.predictions.clear();
  trial.operands.clear();
  return trial;
}

class StoreMergeTest : public ::testing::Test {
 protected:
  // Two done trials, one of them with all that a plan can hold, an allocation and a latency; a failed one.
  void FillSource() {
    Store store = Store::Open(source_, Store::Mode::kReadWrite).value();
    TrialRecord extras = SampleTrialWithExtras("extras");
    extras.allocation_json = kSampleAllocation;
    for (const TrialRecord& trial : {SampleTrial("float", 4, 3, "float32"), Failed("failed"), extras}) {
      ASSERT_TRUE(store.Insert(trial).ok());
    }
    ASSERT_TRUE(store.InsertLatency(SampleLatency(extras.trial_key)).ok());
    ASSERT_TRUE(store.InsertLatency(SampleLatency("")).ok());
    ASSERT_TRUE(store.InsertSensitivity(SampleSensitivity()).ok());
  }
  void Insert(const std::string& path, const TrialRecord& trial) {
    ASSERT_TRUE(Store::Open(path, Store::Mode::kReadWrite).value().Insert(trial).ok());
  }
  static std::vector<std::string> Problems(const std::string& path) {
    return Store::Open(path, Store::Mode::kReadOnly).value().Verify(data::Sha256).value();
  }
  // Every row of every table, ids as they are.
  static std::string Content(const std::string& path) {
    RawSqlite raw(path);
    std::string text;
    for (const std::string& table : raw.Query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")) {
      std::string columns;
      for (const std::string& column : raw.Query("SELECT name FROM pragma_table_info('" + table + "')")) {
        columns += (columns.empty() ? "quote(" : ", quote(") + column + ")";
      }
      for (const std::string& row : raw.Query("SELECT " + columns + " FROM " + table + " ORDER BY 1, 2")) {
        text += table + ": " + row + "\n";
      }
    }
    return text;
  }
  const std::string folder_ = TestFolder(), target_ = folder_ + "/target.sqlite", source_ = folder_ + "/source.sqlite";
};

TEST_F(StoreMergeTest, IntoNothingIsACopyAndTwiceChangesNothing) {
  FillSource();
  const Result<MergeSummary> merged = MergeResults(target_, source_);
  ASSERT_TRUE(merged.ok()) << merged.error().ToString();
  EXPECT_EQ(merged->trials_added, 3);
  EXPECT_EQ(merged->trials_kept, 0);
  EXPECT_EQ(merged->latencies_added, 2);
  EXPECT_EQ(merged->sensitivities_added, 1);
  EXPECT_EQ(Content(target_), Content(source_)) << "every row of every table";
  EXPECT_THAT(Problems(target_), IsEmpty());
  const MergeSummary again = MergeResults(target_, source_).value();
  EXPECT_EQ(again.trials_added, 0);
  EXPECT_EQ(again.trials_kept, 3);
  EXPECT_EQ(again.latencies_added, 0);
  EXPECT_EQ(again.sensitivities_added, 0);
  EXPECT_EQ(Content(target_), Content(source_));
}

TEST_F(StoreMergeTest, IdsBecomeThoseOfTheTarget) {
  FillSource();
  for (int i = 0; i < 3; ++i) {
    TrialRecord own = SampleTrial("own" + std::to_string(i), 7 + i, 5, "kl");
    own.host.cpu_model = "another" + std::to_string(i);
    own.build.revision = "r" + std::to_string(i);
    own.experiment = "e" + std::to_string(i);
    Insert(target_, own);
  }
  ASSERT_EQ(MergeResults(target_, source_)->trials_added, 3);
  EXPECT_THAT(Problems(target_), IsEmpty());
  const Store ours = Store::Open(target_, Store::Mode::kReadOnly).value();
  const Store theirs = Store::Open(source_, Store::Mode::kReadOnly).value();
  EXPECT_EQ(ours.Trials()->size(), 6U);
  const std::string key = data::Sha256("extras");
  EXPECT_EQ(ours.EvaluatedImages(key)->image_ids, theirs.EvaluatedImages(key)->image_ids);
  EXPECT_EQ(ours.Predictions(key)->size(), 4U);
  EXPECT_EQ(ours.Operands(key)->at(1).scale, theirs.Operands(key)->at(1).scale);
  EXPECT_EQ(ours.NormInputs(key)->at(0).correction, theirs.NormInputs(key)->at(0).correction);
  EXPECT_EQ(*ours.Allocation(key), kSampleAllocation);
  EXPECT_EQ(ours.Latencies(key)->size(), 1U);
  EXPECT_EQ(ours.Latencies(key)->at(0).host.cpu_model, "cpu");
  RawSqlite raw(target_);
  const std::string of = " JOIN trial t ON t.id = (SELECT max(id) FROM trial WHERE method = 'lapq') WHERE x.id = t.";
  EXPECT_EQ(raw.Query("SELECT x.cpu_model FROM host x" + of + "host_id")[0], "cpu");
  EXPECT_EQ(raw.Query("SELECT x.revision FROM build x" + of + "build_id")[0], "abc");
  EXPECT_EQ(raw.Query("SELECT x.name FROM experiment x" + of + "experiment_id")[0], "table1");
}

TEST_F(StoreMergeTest, ADoneTrialOfTheTargetStaysAndAFailedOneIsReplaced) {
  FillSource();
  TrialRecord mine = SampleTrial("float", 4, 3, "float32"), failed = SampleTrialWithExtras("extras");
  mine.started_utc = "2026-02-01T12:00:00Z";
  Insert(target_, mine);
  failed = Failed("extras");
  Insert(target_, failed);
  Insert(target_, SampleTrial("failed", 4, 2, "percentile"));
  const MergeSummary merged = MergeResults(target_, source_).value();
  EXPECT_EQ(merged.trials_added, 1) << "extras, which had failed";
  EXPECT_EQ(merged.trials_kept, 2);
  EXPECT_EQ(merged.latencies_added, 2);
  const Store store = Store::Open(target_, Store::Mode::kReadOnly).value();
  EXPECT_EQ(store.Find(data::Sha256("extras")).value()->status, TrialStatus::kDone);
  EXPECT_EQ(store.Find(data::Sha256("failed")).value()->status, TrialStatus::kDone);
  EXPECT_EQ(RawSqlite(target_).Query("SELECT started_utc FROM trial WHERE method = 'float32'"),
            std::vector<std::string>{"2026-02-01T12:00:00Z"});
  EXPECT_THAT(Problems(target_), IsEmpty());
}

TEST_F(StoreMergeTest, OtherImagesUnderOneHashAreRefusedAndNothingIsMerged) {
  FillSource();
  TrialRecord other = SampleTrial("other", 4, 3, "kl");
  other.dataset.labels[2] = 9;
  Insert(target_, other);
  const std::string before = Content(target_);
  const Result<MergeSummary> merged = MergeResults(target_, source_);
  ASSERT_FALSE(merged.ok());
  EXPECT_EQ(merged.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(merged.error().message, HasSubstr("data set set4"));
  EXPECT_EQ(Content(target_), before);
}

TEST_F(StoreMergeTest, WhatIsNoSourceIsRefused) {
  FillSource();
  EXPECT_EQ(MergeResults(source_, source_).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(MergeResults(target_, folder_ + "/absent.sqlite").error().code, ErrorCode::kNotFound);
  WriteBytes(folder_ + "/foreign", std::string(5000, 'x'));
  EXPECT_EQ(MergeResults(target_, folder_ + "/foreign").error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(std::filesystem::exists(target_)) << "a refused merge makes no file";
  ASSERT_EQ(RawSqlite(source_).Run("PRAGMA user_version = 3"), "");
  const Result<MergeSummary> older = MergeResults(target_, source_);
  ASSERT_FALSE(older.ok());
  EXPECT_EQ(older.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(older.error().message, HasSubstr("schema 3"));
  EXPECT_FALSE(std::filesystem::exists(target_));
}

TEST_F(StoreMergeTest, ExportsEveryRowOfTheView) {
  FillSource();
  const auto json = nlohmann::json::parse(ExportTrials(source_, "json").value());
  ASSERT_EQ(json["trials"].size(), 3U);
  EXPECT_EQ(json["trials"][0]["method"], "float32");
  EXPECT_EQ(json["trials"][0]["top1_fraction"], 0.75);
  EXPECT_EQ(json["trials"][1]["reason"], "it said \"no\", twice");
  EXPECT_TRUE(json["trials"][1]["top1_fraction"].is_null());
  EXPECT_EQ(json["trials"][2]["w_bits"], 8);
  const std::string csv = ExportTrials(source_, "csv").value();
  EXPECT_THAT(csv, HasSubstr("experiment,trial_key,model,"));
  EXPECT_THAT(csv, HasSubstr(",\"failed\",\"it said \"\"no\"\", twice\","));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4);
  EXPECT_EQ(ExportTrials(source_, "xml").error().code, ErrorCode::kInvalidArgument);
  Store::Open(target_, Store::Mode::kReadWrite).value();
  EXPECT_EQ(nlohmann::json::parse(ExportTrials(target_, "json").value())["trials"].size(), 0U);
}

}  // namespace
}  // namespace ptq::results
