// Times in the store, and as a table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "results/latency_table.h"
#include "tests/results/sample_trial.h"

namespace ptq::results {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class LatencyStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(store_.Insert(trial_).ok()); }
  const std::string path_ = TestFolder() + "/results.sqlite";
  Store store_ = Store::Open(path_, Store::Mode::kReadWrite).value();
  const TrialRecord trial_ = SampleTrial("a", 4, 2, "percentile");
};

void ExpectEqual(const TimeSample& actual, const TimeSample& expected) {
  EXPECT_EQ(actual.ns, expected.ns);
  EXPECT_EQ(actual.median_ns, expected.median_ns);
  EXPECT_EQ(actual.p5_ns, expected.p5_ns);
  EXPECT_EQ(actual.p95_ns, expected.p95_ns);
}

TEST(TimeSampleTest, HasItsFigures) {
  const TimeSample sample = Summarize({50, 10, 40, 20, 30});
  EXPECT_EQ(sample.median_ns, 30);
  EXPECT_DOUBLE_EQ(sample.p5_ns, 12);
  EXPECT_DOUBLE_EQ(sample.p95_ns, 48);
  EXPECT_THAT(sample.ns, ElementsAre(50, 10, 40, 20, 30));
}

TEST_F(LatencyStoreTest, KeepsEveryField) {
  LatencyRecord record = SampleLatency(trial_.trial_key);
  record.float32.ns[0] = int64_t{1} << 40;  // more than 4 bytes hold
  ASSERT_TRUE(store_.InsertLatency(record).ok());
  const std::vector<LatencyRecord> read = store_.Latencies(trial_.trial_key).value();
  ASSERT_THAT(read, SizeIs(1));
  const LatencyRecord& same = read[0];
  EXPECT_EQ(same.trial_key, record.trial_key);
  EXPECT_EQ(same.model, record.model);
  EXPECT_EQ(same.weights_sha256, record.weights_sha256);
  EXPECT_EQ(same.plan_sha256, record.plan_sha256);
  EXPECT_EQ(same.plan_text, record.plan_text);
  EXPECT_EQ(same.host.cpu_model, "cpu");
  EXPECT_EQ(same.host.cpu_flags, "avx2 sse2");
  EXPECT_EQ(same.host.logical_cores, 8);
  EXPECT_EQ(same.host.memory_bytes, int64_t{16} << 30);
  EXPECT_EQ(same.host.os, "Linux 6.1");
  EXPECT_EQ(same.build.version, "0.1.0");
  EXPECT_EQ(same.build.libraries, "LibTorch");
  EXPECT_EQ(same.batch, 1);
  EXPECT_EQ(same.threads, 1);
  EXPECT_EQ(same.instruction_set, "avx2");
  EXPECT_EQ(same.affinity, "0-3,8");
  EXPECT_EQ(same.int8_coverage, 0.75);
  EXPECT_EQ(same.warmup_runs, 5);
  ExpectEqual(same.float32, record.float32);
  ExpectEqual(same.integer, record.integer);
  EXPECT_EQ(same.ratio, 2);
  EXPECT_EQ(same.ratio_interval.low, 1.9);
  EXPECT_EQ(same.ratio_interval.high, 2.1);
  EXPECT_EQ(same.clock_drift, 0.015625);
  EXPECT_EQ(same.finished_utc, record.finished_utc);
  ASSERT_THAT(same.kernels, SizeIs(2));
  EXPECT_EQ(same.kernels[0].op, "blocks.0.attn.qkv");
  EXPECT_TRUE(same.kernels[0].integer);
  EXPECT_EQ(same.kernels[0].kernel, "brg:\"x\"");
  EXPECT_FALSE(same.kernels[1].integer);
  EXPECT_EQ(same.kernels[1].multiply_accumulates, int64_t{1} << 40);
  RawSqlite raw(path_);
  EXPECT_THAT(raw.Query("SELECT runs, hex(substr(integer_samples, 1, 8)), kernels FROM latency_comparison"),
              ElementsAre("5|00093D0000000000|[[\"blocks.0.attn.qkv\",true,\"brg:\\\"x\\\"\",1000],[\"head\",false,"
                          "\"jit:gemm f32\",1099511627776]]"));
  EXPECT_THAT(raw.Query("SELECT count(*) FROM host"), ElementsAre("1")) << "the trial's own";
  EXPECT_THAT(store_.Verify(data::Sha256).value(), IsEmpty());
}

TEST_F(LatencyStoreTest, TheViewShowsTheNewestOfBatchOneOnOneThread) {
  const std::string sql = "SELECT latency_ns_median, latency_ratio, int8_coverage FROM v_trial";
  EXPECT_THAT(RawSqlite(path_).Query(sql), ElementsAre("NULL|NULL|NULL"));
  LatencyRecord record = SampleLatency(trial_.trial_key);
  record.threads = 2;
  ASSERT_TRUE(store_.InsertLatency(record).ok());
  EXPECT_THAT(RawSqlite(path_).Query(sql), ElementsAre("NULL|NULL|NULL"));
  record.threads = 1;
  ASSERT_TRUE(store_.InsertLatency(record).ok());
  EXPECT_THAT(RawSqlite(path_).Query(sql), ElementsAre("4100000.0|2.0|0.75"));
  record.integer = Summarize({2000000, 2000000, 2000000, 2000000, 2000000});
  record.ratio = 4;
  ASSERT_TRUE(store_.InsertLatency(record).ok());
  record.batch = 8;
  ASSERT_TRUE(store_.InsertLatency(record).ok());
  EXPECT_THAT(RawSqlite(path_).Query(sql), ElementsAre("2000000.0|4.0|0.75"));
  EXPECT_EQ(store_.Find(trial_.trial_key).value()->latency_ns_median, 2e6);
  EXPECT_THAT(store_.Latencies(trial_.trial_key).value(), SizeIs(4));
}

TEST_F(LatencyStoreTest, TimesWithoutATrialStandAlone) {
  ASSERT_TRUE(store_.InsertLatency(SampleLatency("")).ok());
  EXPECT_THAT(store_.Latencies("").value(), SizeIs(1));
  EXPECT_THAT(store_.Latencies(trial_.trial_key).value(), IsEmpty());
  EXPECT_THAT(RawSqlite(path_).Query("SELECT trial_id FROM latency_comparison"), ElementsAre("NULL"));
}

TEST_F(LatencyStoreTest, RefusesWhatIsNoComparison) {
  const auto refusal = [this](const LatencyRecord& record) {
    const Status status = store_.InsertLatency(record);
    EXPECT_FALSE(status.ok());
    return status.ok() ? "" : status.error().message;
  };
  EXPECT_THAT(refusal(SampleLatency("no such key")), HasSubstr("no done attempt is stored"));
  TrialRecord failed = SampleTrial("failed", 4, 2, "percentile");
  failed.status = TrialStatus::kFailed;
  failed.reason = "why";
  failed.predictions.clear();
  ASSERT_TRUE(store_.Insert(failed).ok());
  EXPECT_THAT(refusal(SampleLatency(failed.trial_key)), HasSubstr("no done attempt is stored"));
  LatencyRecord record = SampleLatency("");
  record.integer.ns.pop_back();
  EXPECT_THAT(refusal(record), HasSubstr("5 float32 and 4 integer times"));
  record.float32.ns.clear();
  record.integer.ns.clear();
  EXPECT_THAT(refusal(record), HasSubstr("0 float32 and 0 integer times"));
  record = SampleLatency("");
  record.int8_coverage = 1.5;
  EXPECT_THAT(refusal(record), Not(IsEmpty()));
  EXPECT_THAT(store_.Latencies("").value(), IsEmpty());
}

TEST_F(LatencyStoreTest, KernelsThatAnotherProgramWroteAreASentence) {
  ASSERT_TRUE(store_.InsertLatency(SampleLatency("")).ok());
  RawSqlite raw(path_);
  for (const char* text : {"{}", "[[1]]", "[[\"a\",1,\"b\",2]]", "no JSON"}) {
    ASSERT_EQ(raw.Run("BEGIN; DROP TRIGGER latency_comparison_no_update; UPDATE latency_comparison SET kernels = '" +
                      std::string(text) + "'; COMMIT"),
              "");
    const auto read = store_.Latencies("");
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(read.error().message, HasSubstr("unreadable kernels"));
    ASSERT_EQ(raw.Run("CREATE TRIGGER latency_comparison_no_update BEFORE UPDATE ON latency_comparison BEGIN SELECT 1; "
                      "END"),
              "");
  }
}

LatencyRow Row(const std::string& model, int64_t batch, double drift) {
  LatencyRow row = {model, "MinMax 8/8", SampleLatency("")};
  row.record.batch = batch;
  row.record.clock_drift = drift;
  return row;
}

TEST(LatencyTableTest, TextMatchesGolden) {
  ExpectGolden("latency.txt", RenderLatency({Row("Micro-ViT", 1, 0.01), Row("Micro-ViT", 8, 0.06), Row("DeiT|T", 1, 0)},
                                            LatencyFormat::kText));
}

TEST(LatencyTableTest, MarkdownMatchesGolden) {
  ExpectGolden("latency.md", RenderLatency({Row("Micro-ViT", 1, 0.01), Row("Micro-ViT", 8, 0.06), Row("DeiT|T", 1, 0)},
                                           LatencyFormat::kMarkdown));
}

TEST(LatencyTableTest, ADriftingClockIsFlaggedAndExplainedOnlyThere) {
  EXPECT_THAT(RenderLatency({Row("m", 1, 0.0501)}, LatencyFormat::kText), HasSubstr("5.0!\n"));
  EXPECT_THAT(RenderLatency({Row("m", 1, 0.0501)}, LatencyFormat::kText), HasSubstr("measure it again"));
  EXPECT_THAT(RenderLatency({Row("m", 1, 0.05)}, LatencyFormat::kText), Not(HasSubstr("!")));
}

TEST(LatencyTableTest, EachMachineIsNamed) {
  LatencyRow other = Row("m", 1, 0);
  other.record.host.cpu_model = "another cpu";
  const std::string text = RenderLatency({Row("m", 1, 0), Row("m", 8, 0), other}, LatencyFormat::kText);
  EXPECT_THAT(text, HasSubstr("measured on: cpu, 8 logical cores, may run on CPUs 0-3,8; integer kernels: avx2\n"));
  EXPECT_THAT(text, HasSubstr("measured on: another cpu,"));
  EXPECT_EQ(text.find("measured on: cpu"), text.rfind("measured on: cpu"));
}

}  // namespace
}  // namespace ptq::results
