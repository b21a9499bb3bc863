#include "results/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/results/sample_trial.h"

namespace ptq::results {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StoreTest : public ::testing::Test {
 protected:
  Store Open(Store::Mode mode = Store::Mode::kReadWrite) { return Store::Open(path_, mode).value(); }
  std::vector<std::string> Query(const std::string& sql) { return RawSqlite(path_).Query(sql); }
  const std::string path_ = TestFolder() + "/results.sqlite";
};

TEST_F(StoreTest, KeepsEveryFieldOfASummary) {
  Store store = Open();
  TrialRecord trial = SampleTrial("a", 20, 15, "percentile");
  trial.mixed = true;
  trial.seed = -7;
  trial.a_bits = 6;
  ASSERT_TRUE(store.Insert(trial).ok());
  const auto found = store.Find(trial.trial_key).value();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->experiment, "table1");
  EXPECT_EQ(found->trial_key, trial.trial_key);
  EXPECT_EQ(found->model, "deit_tiny");
  EXPECT_EQ(found->dataset, "set20");
  EXPECT_EQ(found->method, "percentile");
  EXPECT_EQ(found->w_bits, 8);
  EXPECT_EQ(found->a_bits, 6);
  EXPECT_TRUE(found->mixed);
  EXPECT_EQ(found->seed, -7);
  EXPECT_EQ(found->exec_mode, "simulated");
  EXPECT_EQ(found->calib_images, 3);
  EXPECT_EQ(found->images, 20);
  EXPECT_EQ(found->top1_fraction, 0.75);
  EXPECT_EQ(found->float_top1_fraction, std::nullopt);
  EXPECT_EQ(found->size_bytes, 5.5e6);
  EXPECT_EQ(found->calibrate_seconds, 1.25);
  EXPECT_EQ(found->peak_rss_bytes, 3221225472.0);
  EXPECT_EQ(found->latency_ns_median, std::nullopt);
  EXPECT_EQ(found->status, TrialStatus::kDone);
  EXPECT_EQ(found->reason, "");
  EXPECT_EQ(found->calibration_dataset, "calib");
  EXPECT_EQ(found->parameters, "percentile=0.999");
  EXPECT_EQ(found->scheme, "W8A8");
  EXPECT_EQ(found->method_version, 1);
  EXPECT_EQ(found->paper_size_bytes, 5.4e6);
}

TEST_F(StoreTest, GivesOperandsBackBitForBit) {
  Store store = Open();
  TrialRecord trial = SampleTrial("a", 4, 2, "percentile");
  trial.operands[1].scale = {1.17549435e-38f, -0.1f, 3.40282347e38f};
  trial.operands[1].zero_point = {std::numeric_limits<int32_t>::min(), -1, std::numeric_limits<int32_t>::max()};
  ASSERT_TRUE(store.Insert(trial).ok());
  const auto operands = store.Operands(trial.trial_key).value();
  ASSERT_THAT(operands, SizeIs(2));
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(operands[i].op, trial.operands[i].op);
    EXPECT_EQ(operands[i].side, trial.operands[i].side);
    EXPECT_EQ(operands[i].grid, trial.operands[i].grid);
    EXPECT_EQ(operands[i].num_bits, trial.operands[i].num_bits);
    EXPECT_EQ(operands[i].granularity, trial.operands[i].granularity);
    EXPECT_EQ(operands[i].axis, trial.operands[i].axis);
    EXPECT_EQ(operands[i].scale, trial.operands[i].scale);
    EXPECT_EQ(operands[i].zero_point, trial.operands[i].zero_point);
  }
  EXPECT_THAT(store.Operands("no such key").value(), IsEmpty());
}

TEST_F(StoreTest, KeepsWhatFewPlansHave) {
  Store store = Open();
  const TrialRecord trial = SampleTrialWithExtras("a");
  ASSERT_TRUE(store.Insert(trial).ok());
  ASSERT_TRUE(store.Insert(SampleTrial("b", 4, 2, "percentile")).ok());
  const auto expect_equal = [](const std::vector<OperandRecord>& actual, const std::vector<OperandRecord>& expected) {
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) {
      EXPECT_EQ(actual[i].name(), expected[i].name());
      EXPECT_EQ(actual[i].grid, expected[i].grid);
      EXPECT_EQ(actual[i].num_bits, expected[i].num_bits);
      EXPECT_EQ(actual[i].granularity, expected[i].granularity);
      EXPECT_EQ(actual[i].axis, expected[i].axis);
      EXPECT_EQ(actual[i].scale, expected[i].scale);
      EXPECT_EQ(actual[i].zero_point, expected[i].zero_point);
      EXPECT_EQ(actual[i].second_scale, expected[i].second_scale);
      EXPECT_EQ(actual[i].channel_bits, expected[i].channel_bits);
      EXPECT_EQ(actual[i].correction, expected[i].correction);
    }
  };
  expect_equal(store.Operands(trial.trial_key).value(), trial.operands);
  expect_equal(store.NormInputs(trial.trial_key).value(), trial.norm_inputs);
  EXPECT_EQ(trial.operands[0].name(), "head.left");
  EXPECT_EQ(trial.norm_inputs[0].name(), "blocks.0.norm1");
  const TrialSummary with = *store.Find(trial.trial_key).value();
  EXPECT_EQ(with.notes, trial.notes);
  EXPECT_EQ(with.simulated_only, trial.simulated_only);
  const TrialSummary without = store.Trials().value()[1];
  EXPECT_THAT(without.notes, IsEmpty());
  EXPECT_THAT(without.simulated_only, IsEmpty());
  EXPECT_THAT(store.NormInputs(without.trial_key).value(), IsEmpty());
  EXPECT_THAT(Query("SELECT simulated_only FROM v_trial ORDER BY method"), ElementsAre("1", "0"));
  EXPECT_THAT(Query("SELECT operand, field, hex(content) FROM operand_extra ORDER BY operand, field"),
              ElementsAre("blocks.0.norm1|correction|0000803F00000040", "head.left|second_scale|0000003E",
                          "head.right|channel_bits|080000000000000006000000",
                          "head.right|correction|0000003F000080BE00000000"));
}

TEST_F(StoreTest, KeepsTheAllocationOfTheLatestDoneRow) {
  Store store = Open();
  TrialRecord trial = SampleTrial("a", 4, 2, "percentile");
  ASSERT_TRUE(store.Insert(trial).ok());
  EXPECT_EQ(store.Allocation(trial.trial_key).value(), std::nullopt);
  EXPECT_THAT(Query("SELECT count(*) FROM allocation"), ElementsAre("0"));
  trial.allocation_json = kSampleAllocation;
  ASSERT_TRUE(store.Insert(trial).ok());
  EXPECT_EQ(store.Allocation(trial.trial_key).value(), kSampleAllocation);
  TrialRecord failed = trial;
  failed.status = TrialStatus::kFailed;
  failed.reason = "out of memory";
  failed.predictions.clear();
  failed.operands.clear();
  failed.allocation_json.clear();
  ASSERT_TRUE(store.Insert(failed).ok());
  EXPECT_EQ(store.Allocation(trial.trial_key).value(), kSampleAllocation);
  EXPECT_THAT(store.Operands(trial.trial_key).value(), SizeIs(2));
  EXPECT_EQ(store.Allocation("no such key").value(), std::nullopt);
}

TEST_F(StoreTest, KeepsPredictionsInOrderAndCountsTopFive) {
  Store store = Open();
  const TrialRecord trial = SampleTrial("a", 20, 15, "percentile");
  ASSERT_TRUE(store.Insert(trial).ok());
  const auto predictions = store.Predictions(trial.trial_key).value();
  ASSERT_THAT(predictions, SizeIs(20));
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(predictions[i].top, trial.predictions[i].top) << i;
  EXPECT_THAT(Query("SELECT images, top1_correct, top5_correct FROM trial"), ElementsAre("20|15|20"));
}

TEST_F(StoreTest, AnAbsentClassIsNeverARightAnswer) {
  Store store = Open();
  TrialRecord trial = SampleTrial("a", 2, 2, "percentile");
  trial.dataset.labels = {-1, 1};
  trial.predictions[0].top = {-1, -1, -1, -1, -1};
  ASSERT_TRUE(store.Insert(trial).ok());
  EXPECT_THAT(Query("SELECT top1_correct, top5_correct FROM trial"), ElementsAre("1|1"));
  EXPECT_THAT(store.Verify(data::Sha256).value(), IsEmpty());
}

TEST_F(StoreTest, KeepsProvenanceOnceAndBlobsLittleEndian) {
  Store store = Open();
  ASSERT_TRUE(store.Insert(SampleTrial("a", 4, 2, "percentile")).ok());
  ASSERT_TRUE(store.Insert(SampleTrial("b", 4, 3, "percentile")).ok());
  EXPECT_THAT(Query("SELECT * FROM host"), ElementsAre("1|cpu|avx2 sse2|8|17179869184|Linux 6.1"));
  EXPECT_THAT(Query("SELECT * FROM build"), ElementsAre("1|0.1.0|abc|g++ 12|-O3|LibTorch"));
  EXPECT_THAT(Query("SELECT id, name, spec_text, spec_sha256 FROM experiment"),
              ElementsAre("1|table1|name = \"table1\"\n|" + data::Sha256("name = \"table1\"\n")));
  EXPECT_THAT(Query("SELECT * FROM dataset"), ElementsAre("1|set4|m4"));
  EXPECT_THAT(Query("SELECT position, image_id, label FROM dataset_image"),
              ElementsAre("0|image0|0", "1|image1|1", "2|image2|2", "3|image3|3"));
  EXPECT_THAT(Query("SELECT position, image_id FROM calibration_image WHERE trial_id = 2"),
              ElementsAre("0|c0", "1|c1", "2|c2"));
  EXPECT_THAT(Query("SELECT op, side, grid, num_bits, granularity, axis, hex(scale), hex(zero_point) FROM operand "
                    "WHERE trial_id = 1"),
              ElementsAre("head|left|affine|8|per_tensor|NULL|0000003F|03000000",
                          "head|right|symmetric_full|8|per_channel|0|0000803F000000C00000803E|"
                          "00000000FFFFFFFF02010000"));
  EXPECT_THAT(Query("SELECT trial_text, weights_sha256, geometry, preprocessing, calibration_dataset, "
                    "calibration_manifest_sha256, method_version, parameters, scheme, numerics_version, threads, "
                    "paper_size_bytes, evaluate_seconds, started_utc, finished_utc FROM trial WHERE id = 2"),
              ElementsAre("b|w1|d192 l12|resize 256 crop 224|calib|c1|1|percentile=0.999|W8A8|1|2|5400000.0|2.5|"
                          "2026-01-31T12:00:00Z|2026-01-31T12:00:04Z"));
}

TEST_F(StoreTest, FiguresThatWereNotMeasuredAreNull) {
  Store store = Open();
  TrialRecord trial = SampleTrial("a", 4, 2, "percentile");
  trial.size_bytes = std::nan("");
  trial.calibrate_seconds = 0;
  trial.evaluate_seconds = std::numeric_limits<double>::infinity();
  trial.peak_rss_bytes = 0;
  ASSERT_TRUE(store.Insert(trial).ok());
  EXPECT_THAT(Query("SELECT size_bytes, calibrate_seconds, evaluate_seconds, peak_rss_bytes FROM trial"),
              ElementsAre("NULL|NULL|NULL|NULL"));
}

TEST_F(StoreTest, ReopenedFileHoldsTheSameAndReadersSeeIt) {
  const TrialRecord trial = SampleTrial("a", 4, 2, "percentile");
  {
    Store store = Open();
    ASSERT_TRUE(store.Insert(trial).ok());
    EXPECT_THAT(Open(Store::Mode::kReadOnly).Trials().value(), SizeIs(1));  // beside the writer
  }
  EXPECT_TRUE(Open().Find(trial.trial_key).value().has_value());
  EXPECT_TRUE(Open(Store::Mode::kReadOnly).Find(trial.trial_key).value().has_value());
  EXPECT_FALSE(Open().Find("no such key").value().has_value());
}

TEST_F(StoreTest, FloatAccuracyIsJoinedByWeightsImagesAndPreprocessing) {
  Store store = Open();
  const TrialRecord quantized = SampleTrial("q", 10, 5, "percentile");
  TrialRecord other_weights = SampleTrial("w", 10, 1, "float32");
  other_weights.weights_sha256 = "w2";
  TrialRecord other_preprocessing = SampleTrial("p", 10, 2, "float32");
  other_preprocessing.preprocessing = "resize 248";
  const TrialRecord other_images = SampleTrial("i", 20, 3, "float32");
  TrialRecord failed = SampleTrial("f", 10, 4, "float32");
  failed.status = TrialStatus::kFailed;
  failed.reason = "out of memory";
  failed.predictions.clear();
  for (const TrialRecord& trial : {quantized, other_weights, other_preprocessing, other_images, failed}) {
    ASSERT_TRUE(store.Insert(trial).ok());
  }
  EXPECT_EQ(store.Find(quantized.trial_key).value()->float_top1_fraction, std::nullopt);
  TrialRecord match = SampleTrial("m", 10, 8, "float32");
  match.dataset.name = "the same images under another name";
  ASSERT_TRUE(store.Insert(match).ok());
  EXPECT_EQ(store.Find(quantized.trial_key).value()->float_top1_fraction, 0.8);
  EXPECT_EQ(store.Find(match.trial_key).value()->float_top1_fraction, 0.8);
  ASSERT_TRUE(store.Insert(failed).ok());  // later, and not done
  EXPECT_EQ(store.Find(quantized.trial_key).value()->float_top1_fraction, 0.8);
  ASSERT_TRUE(store.Insert(SampleTrial("again", 10, 9, "float32")).ok());
  EXPECT_EQ(store.Find(quantized.trial_key).value()->float_top1_fraction, 0.9);
}

TEST_F(StoreTest, ARetryIsANewRowAndTheViewShowsTheLatest) {
  Store store = Open();
  TrialRecord trial = SampleTrial("a", 10, 5, "percentile");
  trial.status = TrialStatus::kFailed;
  trial.reason = "out of memory";
  const auto predictions = trial.predictions;
  trial.predictions.clear();
  ASSERT_TRUE(store.Insert(trial).ok());
  ASSERT_TRUE(store.Insert(SampleTrial("b", 10, 6, "percentile")).ok());
  auto found = store.Find(trial.trial_key).value();
  EXPECT_EQ(found->status, TrialStatus::kFailed);
  EXPECT_EQ(found->reason, "out of memory");
  EXPECT_EQ(found->images, 0);
  EXPECT_EQ(found->top1_fraction, std::nullopt);
  EXPECT_THAT(store.Predictions(trial.trial_key).value(), IsEmpty());

  trial.status = TrialStatus::kDone;
  trial.reason.clear();
  trial.predictions = predictions;
  ASSERT_TRUE(store.Insert(trial).ok());
  found = store.Find(trial.trial_key).value();
  EXPECT_EQ(found->status, TrialStatus::kDone);
  EXPECT_EQ(found->top1_fraction, 0.5);
  const auto trials = store.Trials().value();
  ASSERT_THAT(trials, SizeIs(2));  // by insertion: b, then the retry of a
  EXPECT_EQ(trials[0].trial_key, data::Sha256("b"));
  EXPECT_EQ(trials[1].trial_key, trial.trial_key);
  EXPECT_THAT(Query("SELECT count(*) FROM trial"), ElementsAre("3"));
  EXPECT_THAT(store.Predictions(trial.trial_key).value(), SizeIs(10));
}

TEST_F(StoreTest, AFailureBeforeTheImagesWereKnownDoesNotBlockLaterTrials) {
  Store store = Open();
  TrialRecord trial = SampleTrial("a", 10, 5, "percentile");
  TrialRecord failed = trial;
  failed.status = TrialStatus::kUnsupported;
  failed.reason = "4 bits are not supported";
  failed.predictions.clear();
  failed.dataset.image_ids.clear();
  failed.dataset.labels.clear();
  ASSERT_TRUE(store.Insert(failed).ok());
  ASSERT_TRUE(store.Insert(trial).ok());
  ASSERT_TRUE(store.Insert(failed).ok());
  EXPECT_THAT(Query("SELECT count(*) FROM dataset_image"), ElementsAre("10"));
  EXPECT_THAT(store.Verify(data::Sha256).value(), IsEmpty());
}

class RefusedTrialTest : public StoreTest {
 protected:
  // Expects the trial to be refused with `sentence` and to leave nothing.
  void ExpectRefused(const TrialRecord& trial, const std::string& sentence) {
    Store store = Open();
    const Status status = store.Insert(trial);
    ASSERT_FALSE(status.ok()) << sentence;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(status.error().ToString(), HasSubstr(sentence));
    for (const char* table : {"trial", "experiment", "dataset", "dataset_image", "host", "build", "prediction",
                              "operand", "calibration_image"}) {
      EXPECT_THAT(Query(std::string("SELECT count(*) FROM ") + table), ElementsAre("0")) << table;
    }
    EXPECT_TRUE(store.Insert(SampleTrial("sound", 4, 2, "percentile")).ok()) << "the store is usable afterwards";
  }
};

TEST_F(RefusedTrialTest, MissingPrediction) {
  TrialRecord trial = SampleTrial("a", 4, 2, "percentile");
  trial.predictions.pop_back();
  ExpectRefused(trial, "3 predictions for the 4 images");
}

TEST_F(RefusedTrialTest, MissingLabel) {
  TrialRecord trial = SampleTrial("a", 4, 2, "percentile");
  trial.dataset.labels.pop_back();
  ExpectRefused(trial, "3 labels for 4 images");
}

TEST_F(RefusedTrialTest, NoImages) { ExpectRefused(SampleTrial("a", 0, 0, "percentile"), "no evaluated images"); }

TEST_F(RefusedTrialTest, DoneWithAReason) {
  TrialRecord trial = SampleTrial("a", 4, 2, "percentile");
  trial.reason = "x";
  ExpectRefused(trial, "gives a reason for failing: x");
}

TEST_F(RefusedTrialTest, FailedWithoutAReason) {
  TrialRecord trial = SampleTrial("a", 4, 2, "percentile");
  trial.status = TrialStatus::kFailed;
  trial.predictions.clear();
  ExpectRefused(trial, "failed gives no reason");
}

TEST_F(RefusedTrialTest, FailedWithPredictions) {
  TrialRecord trial = SampleTrial("a", 4, 2, "percentile");
  trial.status = TrialStatus::kFailed;
  trial.reason = "x";
  ExpectRefused(trial, "failed has predictions");
}

// The fault is met late, when the trial's other rows are already in the transaction.
TEST_F(RefusedTrialTest, AnOperandTwiceLeavesNothing) {
  TrialRecord trial = SampleTrial("a", 4, 2, "percentile");
  trial.operands.push_back(trial.operands[0]);
  ExpectRefused(trial, "operand is insert only");
}

TEST_F(RefusedTrialTest, AnUnknownSideLeavesNothing) {
  TrialRecord trial = SampleTrial("a", 4, 2, "percentile");
  trial.operands[1].side = "middle";
  ExpectRefused(trial, "refused a row");
}

TEST_F(RefusedTrialTest, ANoteOfTwoLinesLeavesNothing) {
  TrialRecord trial = SampleTrial("a", 4, 2, "percentile");
  trial.notes["evaluations"] = "1\n2";
  ExpectRefused(trial, "refused a row");
}

TEST_F(StoreTest, OneManifestHashHasOneListOfImages) {
  Store store = Open();
  ASSERT_TRUE(store.Insert(SampleTrial("a", 4, 2, "percentile")).ok());
  TrialRecord renamed = SampleTrial("b", 4, 2, "percentile");
  renamed.dataset.image_ids[3] = "another";
  TrialRecord relabelled = SampleTrial("b", 4, 2, "percentile");
  relabelled.dataset.labels[0] = 7;
  TrialRecord longer = SampleTrial("b", 5, 2, "percentile");
  longer.dataset.name = "set4";
  longer.dataset.manifest_sha256 = "m4";
  for (const TrialRecord& trial : {renamed, relabelled, longer}) {
    const Status status = store.Insert(trial);
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(status.error().message, HasSubstr("already stored with other images"));
  }
  EXPECT_THAT(Query("SELECT count(*) FROM trial"), ElementsAre("1"));
}

TEST_F(StoreTest, VerifyFindsWhatDoesNotFit) {
  {
    Store store = Open();
    ASSERT_TRUE(store.Insert(SampleTrial("a", 4, 2, "percentile")).ok());
    ASSERT_TRUE(store.Insert(SampleTrial("f", 4, 3, "float32")).ok());
    EXPECT_THAT(store.Verify(data::Sha256).value(), IsEmpty());
    TrialRecord wrong_key = SampleTrial("b", 4, 2, "percentile");
    wrong_key.trial_key = "not the hash";
    wrong_key.spec_sha256 = std::string(64, '0');
    ASSERT_TRUE(store.Insert(wrong_key).ok());
    EXPECT_THAT(store.Verify(nullptr).value(), IsEmpty());
    EXPECT_THAT(store.Verify(data::Sha256).value(),
                ElementsAre(HasSubstr("trial 3 claims the hash not the hash"), HasSubstr("experiment 2 claims")));
  }
  RawSqlite raw(path_);
  ASSERT_EQ(raw.Run("DROP TRIGGER trial_no_update; UPDATE trial SET top1_correct = 3 WHERE id = 1"), "");
  ASSERT_EQ(raw.Run("DROP TRIGGER prediction_no_delete; DELETE FROM prediction WHERE trial_id = 2 AND position = 0"),
            "");
  ASSERT_EQ(raw.Run("DROP TRIGGER calibration_image_no_delete; DELETE FROM calibration_image WHERE trial_id = 3"), "");
  ASSERT_EQ(raw.Run("DROP TRIGGER host_no_delete; PRAGMA foreign_keys = OFF; DELETE FROM host"), "");
  EXPECT_THAT(Open(Store::Mode::kReadOnly).Verify(nullptr).value(),
              ElementsAre(HasSubstr("3 rows of table trial point at absent rows of host"),
                          HasSubstr("claims 3 top-1 and 4 top-5 hits; its predictions hold 2 and 4"),
                          HasSubstr("has 3 predictions for 4 evaluated images"), HasSubstr("trial 2"),
                          HasSubstr("names 0 of its 3 calibration images")));
}

TEST_F(StoreTest, ARecordComesBackAsItWasGiven) {
  Store store = Store::Open(path_, Store::Mode::kReadWrite).value();
  const TrialRecord given = SampleTrialWithExtras("whole");
  ASSERT_TRUE(store.Insert(given).ok());
  const TrialRecord read = store.Record(given.trial_key).value().value();
  EXPECT_EQ(read.trial_text, given.trial_text);
  EXPECT_EQ(read.spec_text, given.spec_text);
  EXPECT_EQ(read.geometry, given.geometry);
  EXPECT_EQ(read.dataset.labels, given.dataset.labels);
  EXPECT_EQ(read.calibration_ids, given.calibration_ids);
  EXPECT_EQ(read.parameters, given.parameters);
  EXPECT_EQ(read.w_bits, 8);
  EXPECT_EQ(read.seed, given.seed);
  EXPECT_EQ(read.operands.size(), 2U);
  EXPECT_EQ(read.norm_inputs.size(), 2U);
  EXPECT_EQ(read.notes, given.notes);
  EXPECT_EQ(read.predictions.size(), 4U);
  EXPECT_EQ(read.evaluate_seconds, 2.5);
  EXPECT_EQ(read.peak_rss_bytes, int64_t{3} << 30);
  EXPECT_EQ(read.finished_utc, given.finished_utc);
  EXPECT_EQ(read.threads, 2);
  EXPECT_EQ(read.affinity, "0-1");
  EXPECT_EQ(read.host.cpu_flags, given.host.cpu_flags);
  EXPECT_EQ(read.host.memory_bytes, given.host.memory_bytes);
  EXPECT_EQ(read.build.libraries, given.build.libraries);
  EXPECT_FALSE(store.Record(data::Sha256("absent")).value().has_value());
}

TEST_F(StoreTest, SensitivitiesComeBackTheLatestOfEach) {
  Store store = Store::Open(path_, Store::Mode::kReadWrite).value();
  SensitivityRecord record = SampleSensitivity();
  ASSERT_TRUE(store.InsertSensitivity(record).ok());
  record.cells[1].changed = 4;
  ASSERT_TRUE(store.InsertSensitivity(record).ok());
  record.grouping = "block";
  ASSERT_TRUE(store.InsertSensitivity(record).ok());
  const std::vector<SensitivityRecord> read = store.Sensitivities().value();
  ASSERT_EQ(read.size(), 2U);
  ASSERT_EQ(read[0].cells.size(), 4U);
  EXPECT_EQ(read[0].cells[1].unit, "blocks.0.mlp.fc1");
  EXPECT_EQ(read[0].cells[1].changed, 4);
  EXPECT_EQ(read[0].cells[1].signal_to_noise_db, 9.25);
  EXPECT_FALSE(read[0].cells[2].signal_to_noise_db.has_value());
  EXPECT_EQ(read[0].float_top1_correct, 8);
  EXPECT_EQ(read[1].grouping, "block");
  record.cells.push_back(record.cells[0]);
  EXPECT_EQ(store.InsertSensitivity(record).error().code, ErrorCode::kInvalidArgument);
  record.cells.clear();
  EXPECT_EQ(store.InsertSensitivity(record).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace ptq::results
