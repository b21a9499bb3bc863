// The core method with the shipped binary: killed calibrations, stored widths, refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "tests/e2e/program.h"
#include "tests/e2e/small_data.h"

namespace ptq::e2e {
namespace {

using ::testing::HasSubstr;

class LiuProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = FreshFolder(::testing::UnitTest::GetInstance()->current_test_info()->name());
    datasets_ = WriteSmallData(folder_);
  }

  std::vector<std::string> Quantize(const std::string& bits, const std::string& name,
                                    const std::vector<std::string>& more = {}, const std::string& images = "8") const {
    std::vector<std::string> args = {"quantize",
                                     "--model",
                                     "micro_vit",
                                     "--method",
                                     "liu",
                                     "--bits",
                                     bits,
                                     "--out",
                                     Plan(name),
                                     "--db",
                                     Database(name),
                                     "--calibration-dataset",
                                     "small_calibration",
                                     "--calibration-images",
                                     images,
                                     "--datasets",
                                     datasets_,
                                     "--data-root",
                                     folder_};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  std::string Plan(const std::string& name) const { return folder_ + "/" + name + ".safetensors"; }
  std::string Database(const std::string& name) const { return folder_ + "/" + name + ".sqlite"; }
  std::string Kept(const std::string& name) const { return Database(name) + ".calibration"; }
  int64_t KeptParts(const std::string& name) const {
    if (!std::filesystem::exists(Kept(name)) ||
        Query(Kept(name), "SELECT count(*) FROM sqlite_master WHERE name = 'kept'")[0] == "0") {
      return 0;
    }
    return std::stoll(Query(Kept(name), "SELECT count(*) FROM kept")[0]);
  }

  std::string folder_, datasets_;
};

// A part that was kept is not done again: it keeps its time stamp, the second run adds only what was missing, and the
// plan is that of an undisturbed run.
TEST_F(LiuProgramTest, AKilledCalibrationGoesOn) {
  const std::vector<std::string> coarse = {"--parameter", "candidates=20"};
  ASSERT_EQ(RunProgram(Quantize("W6A6 MP", "undisturbed", coarse)).exit_code, 0);
  const int64_t parts = KeptParts("undisturbed");
  Running running(Quantize("W6A6 MP", "killed", coarse));
  while (KeptParts("killed") < parts / 4) {
    usleep(20000);
  }
  running.Signal(SIGKILL);
  running.Wait();
  EXPECT_FALSE(std::filesystem::exists(Plan("killed"))) << "nothing half-written";
  const int64_t kept = KeptParts("killed");
  ASSERT_LT(kept, parts) << "it was killed in the middle";
  const std::vector<std::string> before = Query(Kept("killed"), "SELECT key, seconds FROM kept ORDER BY key");
  const Outcome rest = RunProgram(Quantize("W6A6 MP", "killed", coarse));
  ASSERT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_EQ(KeptParts("killed"), parts);
  const std::vector<std::string> after = Query(Kept("killed"), "SELECT key, seconds FROM kept ORDER BY key");
  EXPECT_TRUE(std::includes(after.begin(), after.end(), before.begin(), before.end()));
  EXPECT_EQ(ReadText(Plan("killed")), ReadText(Plan("undisturbed")));
}

TEST_F(LiuProgramTest, CtrlCStopsInsideASearch) {
  Running running(Quantize("W8A8", "stopped"));
  while (KeptParts("stopped") < 2) {
    usleep(20000);
  }
  running.Signal(SIGINT);
  EXPECT_EQ(running.Wait().exit_code, 130);
  EXPECT_FALSE(std::filesystem::exists(Plan("stopped")));
  EXPECT_GE(KeptParts("stopped"), 2);
}

TEST_F(LiuProgramTest, WidthsAndFrontArePrintedFromThePlanAndFromTheStore) {
  WriteText(folder_ + "/mixed.toml", R"(name = "mixed"
question = "Which widths?"
seeds = [0]
[[workload]]
model = "micro_vit"
dataset = "small_test"
calibration_dataset = "small_calibration"
calibration_images = 8
[[trial]]
method = "liu"
bits = ["W8A8", "W8A8 MP"]
parameters = { candidates = 20 }
)");
  const Outcome ran = RunProgram(
      {"run", folder_ + "/mixed.toml", "--db", Database("run"), "--datasets", datasets_, "--data-root", folder_});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("8/8 MP"));
  const std::vector<std::string> key =
      Query(Database("run"), "SELECT t.trial_key FROM trial t WHERE t.mixed = 1 AND t.status = 'done'");
  ASSERT_EQ(key.size(), 1U);
  const std::string of_trial =
      "SELECT count(DISTINCT o.num_bits), min(o.num_bits) >= 6, max(o.num_bits) <= 10 FROM "
      "operand o JOIN trial t ON t.id = o.trial_id WHERE t.mixed = ";
  EXPECT_EQ(Query(Database("run"), of_trial + "0")[0].substr(0, 2), "1|");
  const std::string widths = Query(Database("run"), of_trial + "1")[0];
  EXPECT_GT(widths[0], '1');
  EXPECT_EQ(widths.substr(1), "|1|1");
  EXPECT_EQ(Query(Database("run"),
                  "SELECT paper_size_bytes <= 1.01 * (SELECT max(paper_size_bytes) FROM trial WHERE "
                  "mixed = 0 AND method = 'liu') FROM trial WHERE mixed = 1")[0],
            "1");
  const Outcome stored = RunProgram({"describe", "plan", key[0].substr(0, 12), "--db", Database("run")});
  ASSERT_EQ(stored.exit_code, 0) << stored.err;
  for (const char* text : {"blocks.5.mlp.fc2", "nuclear norm", "Pareto", "mixed precision around 8 bits"}) {
    EXPECT_THAT(stored.out, HasSubstr(text));
  }
}

TEST_F(LiuProgramTest, NonsenseIsOneSentenceAndLeavesNothing) {
  const auto refused = [&](const std::string& bits, const std::vector<std::string>& more, const char* sentence,
                           const char* images = "8") {
    const Outcome outcome = RunProgram(Quantize(bits, "refused", more, images));
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(sentence));
    EXPECT_FALSE(std::filesystem::exists(Plan("refused")));
  };
  refused("W17A8", {}, "bits in 2..16");
  refused("W8A8", {"--parameter", "gama=0.2"}, "gamma");
  refused("W8A8", {"--parameter", "ranking=false", "--parameter", "gamma=0.2"}, "ranking = true");
  refused("W8A8", {"--parameter", "candidate_bits=4,8"}, "mixed precision");
  refused("W8A8 MP", {"--parameter", "candidate_bits=8,4"}, "ascending");
  refused("W4A4 MP", {"--parameter", "candidate_bits=8,9"}, "size_tolerance, candidate_bits");
  refused("W8A8", {}, "small_calibration has 20 images", "5000");
  refused("W8A8", {}, "calibration", "0");
}

}  // namespace
}  // namespace ptq::e2e
