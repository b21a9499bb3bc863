// Times, and trials on integer kernels, with the shipped binary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/e2e/program.h"
#include "tests/e2e/small_data.h"

namespace ptq::e2e {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class LatencyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = FreshFolder(::testing::UnitTest::GetInstance()->current_test_info()->name());
    datasets_ = WriteSmallData(folder_);
    database_ = folder_ + "/r.sqlite";
  }
  std::vector<std::string> Args(std::vector<std::string> args) const {
    args.insert(args.end(), {"--datasets", datasets_, "--data-root", folder_, "--db", database_});
    return args;
  }
  Outcome Call(const std::vector<std::string>& args) const { return RunProgram(Args(args)); }
  // `ptqbench latency`, short.
  Outcome Latency(const std::vector<std::string>& more) const {
    std::vector<std::string> args = {"latency", "--runs", "3", "--batch", "1", "--threads", "1"};
    args.insert(args.end(), more.begin(), more.end());
    return Call(args);
  }
  std::string PlanOf(const std::string& method, const std::string& bits) const {
    std::string path = folder_ + "/" + method + bits + ".safetensors";
    const Outcome made =
        Call({"quantize", "--model", "micro_vit", "--method", method, "--bits", bits, "--weight-granularity",
              "per_channel", "--calibration-dataset", "small_calibration", "--calibration-images", "8", "--out", path});
    EXPECT_EQ(made.exit_code, 0) << made.err;
    return path;
  }
  std::string Count() const {
    const std::string there = "SELECT count(*) FROM sqlite_schema WHERE name = 'latency_comparison'";
    if (!std::filesystem::exists(database_) || Query(database_, there) != std::vector<std::string>{"1"}) {
      return "0";
    }
    return Query(database_, "SELECT count(*) FROM latency_comparison")[0];
  }
  std::string folder_, datasets_, database_;
};

TEST_F(LatencyTest, TimesEverySettingAndStoresIt) {
  const Outcome timed = Call({"latency", "--model", "micro_vit", "--batch", "1,3", "--threads", "1,2", "--runs", "4"});
  ASSERT_EQ(timed.exit_code, 0) << timed.err;
  for (const char* text : {"min_max@1 W8A8 per_channel on 8 images of embedded_calibration", "x float", "Micro-ViT",
                           "int8 img/s", "measured on: ", "integer kernels: ", "may run on CPUs "}) {
    EXPECT_THAT(timed.out, HasSubstr(text));
  }
  EXPECT_THAT(timed.err, HasSubstr("stored in " + database_));
  EXPECT_THAT(Query(database_,
                    "SELECT batch, threads, runs, trial_id, int8_coverage, length(float_samples) FROM "
                    "latency_comparison ORDER BY id"),
              ElementsAre("1|1|4|NULL|1.0|32", "1|2|4|NULL|1.0|32", "3|1|4|NULL|1.0|32", "3|2|4|NULL|1.0|32"));
  EXPECT_EQ(Query(database_,
                  "SELECT count(DISTINCT plan_sha256) FROM latency_comparison WHERE affinity <> '' AND "
                  "warmup_runs >= 5 AND length(plan_sha256) = 64")[0],
            "1");
  EXPECT_EQ(Call({"verify", "results"}).exit_code, 0);
}

TEST_F(LatencyTest, ExplainsEveryOpAndStoresNothingWhereAskedNotTo) {
  const Outcome timed = Latency({"--model", "micro_deit", "--explain", "--no-store"});
  ASSERT_EQ(timed.exit_code, 0) << timed.err;
  for (const char* text : {"patch_embed.proj", "blocks.5.attn.qk ", "head_dist", "MACs per image", "int8 ",
                           "milliseconds of one run by class of work"}) {
    EXPECT_THAT(timed.out, HasSubstr(text));
  }
  EXPECT_FALSE(std::filesystem::exists(database_));
}

TEST_F(LatencyTest, TakesAPlanOfThisModelOnly) {
  const std::string plan = PlanOf("percentile", "W8A8");
  const Outcome timed = Latency({"--model", "micro_vit", "--plan", plan});
  ASSERT_EQ(timed.exit_code, 0) << timed.err;
  EXPECT_THAT(timed.out, HasSubstr("of percentile@1"));
  EXPECT_THAT(timed.out, HasSubstr("percentileW8A8"));
  for (const std::vector<std::string>& other :
       {std::vector<std::string>{"--model", "micro_deit", "--plan", plan},
        std::vector<std::string>{"--model", "micro_vit", "--plan", plan, "--random-weights"}}) {
    const Outcome refused = Latency(other);
    EXPECT_EQ(refused.exit_code, 2) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("the plan was made for weights"));
  }
  EXPECT_EQ(Count(), "1");
}

TEST_F(LatencyTest, WideOperandsRunInFloatAndTheRowSaysHowMuch) {
  const Outcome none = Latency({"--model", "micro_vit", "--plan", PlanOf("min_max", "W16A16"), "--explain"});
  ASSERT_EQ(none.exit_code, 0) << none.err;
  EXPECT_THAT(none.out, HasSubstr("  f32  "));
  EXPECT_THAT(none.out, Not(HasSubstr("  int8  ")));
  EXPECT_EQ(Query(database_, "SELECT int8_coverage FROM latency_comparison")[0], "0.0");
  // without 8 among the candidates the budget of 8 bits is met by groups of 12 and of fewer
  const std::string plan = folder_ + "/mixed.safetensors";
  const Outcome mixed = Call({"quantize", "--model", "micro_vit", "--method", "liu", "--bits", "W8A8 MP",
                              "--calibration-dataset", "small_calibration", "--calibration-images", "4", "--parameter",
                              "candidate_bits=6,7,12", "--parameter", "candidates=4", "--out", plan});
  ASSERT_EQ(mixed.exit_code, 0) << mixed.err;
  const Outcome some = Latency({"--model", "micro_vit", "--plan", plan, "--explain"});
  ASSERT_EQ(some.exit_code, 0) << some.err;
  EXPECT_THAT(some.out, HasSubstr("  f32  "));
  EXPECT_THAT(some.out, HasSubstr("  int8  "));
  EXPECT_EQ(Query(database_, "SELECT int8_coverage BETWEEN 0.1 AND 0.9 FROM latency_comparison ORDER BY id DESC")[0],
            "1");
}

TEST_F(LatencyTest, RandomWeightsNeedNoFile) {
  const Outcome absent = Latency({"--model", "deit_tiny_patch16_224"});
  EXPECT_EQ(absent.exit_code, 3);
  EXPECT_THAT(absent.err, HasSubstr("--random-weights"));
  const Outcome drawn = Latency({"--model", "deit_tiny_patch16_224", "--random-weights"});
  ASSERT_EQ(drawn.exit_code, 0) << drawn.err;
  EXPECT_THAT(drawn.out, HasSubstr("deit_tiny_patch16_224 (random weights, seed 0)"));
  EXPECT_THAT(drawn.out, HasSubstr("8 random normal images"));
  ASSERT_EQ(Latency({"--random-weights", "7", "--model", "micro_vit"}).exit_code, 0);
  EXPECT_THAT(Query(database_, "SELECT weights_sha256 FROM latency_comparison ORDER BY id"),
              ElementsAre("random 0", "random 7"));
}

TEST_F(LatencyTest, NonsenseIsASentence) {
  const auto refused = [this](const std::vector<std::string>& args, int code, const std::string& sentence) {
    std::vector<std::string> all = {"latency"};
    all.insert(all.end(), args.begin(), args.end());
    const Outcome outcome = Call(all);
    EXPECT_EQ(outcome.exit_code, code) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(sentence));
  };
  refused({}, 2, "--model");
  refused({"--model", "micro_vitt"}, 2, "did you mean 'micro_vit'");
  refused({"--model", "micro_vit", "--batch", "0"}, 2, "--batch is 0; it must lie in 1..1024");
  refused({"--model", "micro_vit", "--threads", "1,5000"}, 2, "--threads is 5000; it must lie in 1..1024");
  refused({"--model", "micro_vit", "--batch", "x"}, 2, "--batch");
  refused({"--model", "micro_vit", "--runs", "2"}, 2, "--runs is 2; it must be at least 3");
  refused({"--model", "micro_vit", "--isa", "avx3"}, 2, "avx512_vnni");
  refused({"--model", "micro_vit", "--random-weights", "-1"}, 2, "is no seed");
  refused({"--model", "micro_vit", "--plan", folder_ + "/absent.safetensors"}, 3, "absent.safetensors");
  WriteText(folder_ + "/noise.safetensors", std::string(64, 'x'));
  refused({"--model", "micro_vit", "--plan", folder_ + "/noise.safetensors"}, 3, "noise.safetensors");
  refused({"--model", "micro_vit", "--plan", PlanOf("fq_vit", "W8A8")}, 3, "log2");
  EXPECT_EQ(Count(), "0");
}

TEST_F(LatencyTest, APlanOfANewerFormatIsASentence) {
  const std::string plan = PlanOf("min_max", "W8A8");
  std::string bytes = ReadText(plan);
  const std::string now = "\"format_version\":\"1\"";
  const size_t at = bytes.find(now);
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, now.size(), "\"format_version\":\"9\"");
  WriteText(plan, bytes);
  const Outcome refused = Latency({"--model", "micro_vit", "--plan", plan});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("newer"));
}

TEST_F(LatencyTest, OlderInstructionSetsRunAnywhere) {
  const Outcome scalar = Latency({"--model", "micro_vit", "--isa", "scalar"});
  ASSERT_EQ(scalar.exit_code, 0) << scalar.err;
  EXPECT_THAT(scalar.out, HasSubstr("integer kernels: scalar"));
  EXPECT_EQ(Query(database_, "SELECT instruction_set FROM latency_comparison")[0], "scalar");
  const bool faster = Query(database_, "SELECT ratio > 1 FROM latency_comparison")[0] == "1";
  EXPECT_EQ(scalar.out.find("int8 is not faster at batch 1, threads 1: the scalar kernels") == std::string::npos,
            faster);
}

TEST_F(LatencyTest, CtrlCKeepsTheSettingsThatAreFinished) {
  Running running(Args({"latency", "--model", "micro_vit", "--batch", "1,64", "--threads", "1"}));
  while (Count() == "0") {
    usleep(20000);
  }
  running.Signal(SIGINT);
  const Outcome stopped = running.Wait();
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  EXPECT_EQ(Count(), "1");
}

TEST_F(LatencyTest, AnExperimentRunsOnIntegerKernelsAndIsTimedOnce) {
  const std::string spec = folder_ + "/times.toml";
  WriteText(spec, R"(name = "times"
question = "What does int8 save?"
seeds = [0]
[latency]
batch = [1, 2]
threads = 1
[[workload]]
model = "micro_vit"
dataset = "small_test"
calibration_dataset = "small_calibration"
calibration_images = 8
[[trial]]
method = "min_max"
bits = ["W8A8", "W6A6"]
exec = ["simulated", "integer"]
[[trial]]
method = "fq_vit"
bits = "W8A8"
exec = "integer"
scheme = { weight_granularity = "per_channel" }
)");
  EXPECT_THAT(Call({"plan", spec}).out, HasSubstr("6 of 6 trials to run"));
  const Outcome first = Call({"run", spec});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.err, HasSubstr("4 latency settings measured now"));
  EXPECT_THAT(first.out, HasSubstr(" int8\n"));
  EXPECT_THAT(first.out, HasSubstr("unsupported"));
  EXPECT_THAT(first.out, HasSubstr("int8 coverage percent 100.0"));
  EXPECT_THAT(first.out, HasSubstr("MinMax 6/6      2        1"));
  EXPECT_THAT(Query(database_,
                    "SELECT exec_mode, status, count(*), count(latency_ns_median), min(int8_coverage) FROM "
                    "v_trial GROUP BY 1, 2 ORDER BY 1, 2"),
              ElementsAre("float32|done|1|0|NULL", "integer|done|2|2|1.0", "integer|unsupported|1|0|NULL",
                          "simulated|done|2|0|NULL"));
  const Outcome second = Call({"run", spec});
  EXPECT_EQ(second.out, first.out);
  EXPECT_THAT(second.err, HasSubstr("0 latency settings measured now"));
  EXPECT_EQ(Count(), "4");
  EXPECT_EQ(Call({"report", spec}).out, first.out);
  EXPECT_THAT(Call({"plan", spec}).out, Not(HasSubstr("to time")));
  EXPECT_THAT(Call({"report", spec, "--format", "csv"}).out, HasSubstr("int8_ms"));
}

}  // namespace
}  // namespace ptq::e2e
