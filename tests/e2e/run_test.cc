// Runs, resumes and reports with the shipped binary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/e2e/program.h"
#include "tests/e2e/small_data.h"

namespace ptq::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = FreshFolder(::testing::UnitTest::GetInstance()->current_test_info()->name());
    datasets_ = WriteSmallData(folder_);
    spec_ = WriteSmallSpec(folder_);
    database_ = folder_ + "/results.sqlite";
  }

  std::vector<std::string> Args(const std::vector<std::string>& verb, const std::string& database) const {
    std::vector<std::string> args = verb;
    args.insert(args.end(), {"--datasets", datasets_, "--data-root", folder_, "--db", database, "--threads", "1"});
    return args;
  }
  Outcome Call(const std::vector<std::string>& verb) const { return RunProgram(Args(verb, database_)); }

  // What the store holds, times and hosts left out: keys, outcomes, every operand, every prediction.
  static std::string Content(const std::string& database) {
    std::string text;
    for (const char* sql :
         {"SELECT trial_key, status, model, method, w_bits, a_bits, seed, top1_fraction, float_top1_fraction, "
          "size_bytes "
          "FROM v_trial ORDER BY trial_key",
          "SELECT t.trial_key, o.op, o.side, o.grid, o.num_bits, hex(o.scale), hex(o.zero_point) FROM operand o JOIN "
          "trial t "
          "ON t.id = o.trial_id ORDER BY 1, 2, 3",
          "SELECT t.trial_key, p.* FROM prediction p JOIN trial t ON t.id = p.trial_id ORDER BY 1, 3"}) {
      for (const std::string& row : Query(database, sql)) {
        // trial ids number the order of insertion, which an interruption does not change
        text += row + "\n";
      }
    }
    return text;
  }

  std::string folder_, datasets_, spec_, database_;
};

TEST_F(RunTest, MeasuresStoresAndDoesNothingTheSecondTime) {
  const Outcome first = Call({"run", spec_});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("FP32"));
  EXPECT_THAT(first.out, HasSubstr("Percentile"));
  EXPECT_THAT(first.err, HasSubstr("9 trials measured now"));
  EXPECT_EQ(Query(database_, "SELECT count(*) FROM v_trial WHERE status = 'done'")[0], "9");
  EXPECT_EQ(Query(database_, "SELECT count(*) FROM prediction")[0], "900");
  EXPECT_EQ(Query(database_, "SELECT DISTINCT calib_images FROM v_trial WHERE method = 'min_max'")[0], "8");

  const Outcome second = Call({"run", spec_});
  EXPECT_EQ(second.exit_code, 0) << second.err;
  EXPECT_EQ(second.out, first.out);
  EXPECT_THAT(second.err, HasSubstr("0 trials measured now, 9 before"));
  EXPECT_EQ(Query(database_, "SELECT count(*) FROM trial")[0], "9");

  const Outcome report = Call({"report", spec_});
  EXPECT_EQ(report.exit_code, 0) << report.err;
  EXPECT_EQ(report.out, first.out);
  EXPECT_THAT(Call({"plan", spec_}).out, HasSubstr("0 of 9 trials to run"));
  EXPECT_EQ(Call({"verify", "results"}).exit_code, 0);
}

TEST_F(RunTest, ReportNeedsNeitherImagesNorWeights) {
  const Outcome ran = Call({"run", spec_});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  std::filesystem::remove_all(folder_ + "/small_test");
  std::filesystem::remove_all(folder_ + "/small_calibration");
  const Outcome report = Call({"report", spec_});
  EXPECT_EQ(report.exit_code, 0) << report.err;
  EXPECT_EQ(report.out, ran.out);
}

TEST_F(RunTest, TwoRunsGiveTheSameContent) {
  ASSERT_EQ(Call({"run", spec_}).exit_code, 0);
  const std::string other = folder_ + "/other.sqlite";
  ASSERT_EQ(RunProgram(Args({"run", spec_}, other)).exit_code, 0);
  EXPECT_EQ(Content(database_), Content(other));
}

TEST_F(RunTest, KilledAtManyMomentsLosesAtMostTheRunningTrial) {
  const std::string undisturbed = folder_ + "/undisturbed.sqlite";
  ASSERT_EQ(RunProgram(Args({"run", spec_}, undisturbed)).exit_code, 0);
  int64_t done_before = 0;
  for (int attempt = 0; attempt < 12; ++attempt) {
    Running running(Args({"run", spec_}, database_));
    usleep(300000 + 170000 * attempt);
    running.Signal(SIGKILL);
    running.Wait();
    if (!std::filesystem::exists(database_) || Query(database_, "SELECT count(*) FROM sqlite_master")[0] == "0") {
      continue;  // killed before the schema was there
    }
    const int64_t done = std::stoll(Query(database_, "SELECT count(*) FROM v_trial")[0]);
    EXPECT_GE(done, done_before);
    EXPECT_EQ(Query(database_, "PRAGMA integrity_check")[0], "ok");
    EXPECT_EQ(Query(database_, "SELECT count(*) FROM prediction")[0], std::to_string(100 * done));
    done_before = done;
  }
  const Outcome rest = Call({"run", spec_});
  EXPECT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_THAT(rest.err, HasSubstr(std::to_string(done_before) + " before"));
  EXPECT_EQ(Content(database_), Content(undisturbed));
}

TEST_F(RunTest, CtrlCKeepsWhatIsFinished) {
  Running running(Args({"run", spec_}, database_));
  while (!std::filesystem::exists(database_)) {
    usleep(20000);
  }
  running.Signal(SIGINT);
  const Outcome stopped = running.Wait();
  EXPECT_TRUE(stopped.exit_code == 130 || stopped.exit_code == 128 + SIGINT) << stopped.exit_code << stopped.err;
  const Outcome rest = Call({"run", spec_});
  EXPECT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_EQ(Query(database_, "SELECT count(*) FROM v_trial WHERE status = 'done'")[0], "9");
}

TEST_F(RunTest, AbsentInputsAreRowsWithReasons) {
  WriteText(folder_ + "/absent.toml", R"(name = "absent"
question = "What is missing?"
seeds = [0]

[[workload]]
model = "deit_small_patch16_224"
dataset = "imagenet_val"
calibration_dataset = "imagenet_train_folders"
calibration_images = 8

[[trial]]
method = "min_max"
bits = "W8A8"
)");
  const Outcome ran = Call({"run", folder_ + "/absent.toml"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("deit_small_patch16_224"));
  EXPECT_THAT(ran.out, HasSubstr("missing"));
  EXPECT_EQ(Query(database_, "SELECT count(*) FROM trial")[0], "0");
}

TEST_F(RunTest, DamagedPictureIsAFailedTrialThatNamesTheFile) {
  WriteText(folder_ + "/small_test/1007.png", "not a picture");
  const Outcome ran = Call({"run", spec_});
  EXPECT_EQ(ran.exit_code, 1) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("1007.png"));
  EXPECT_EQ(Query(database_, "SELECT count(*) FROM v_trial WHERE status = 'failed'")[0], "9");
  EXPECT_THAT(Call({"run", spec_}).err, HasSubstr("0 trials measured now"));
  WriteSmallData(folder_);
  const Outcome retried = Call({"run", spec_, "--retry-failed"});
  EXPECT_EQ(retried.exit_code, 0) << retried.err;
  EXPECT_EQ(Query(database_, "SELECT count(*) FROM v_trial WHERE status = 'done'")[0], "9");
}

TEST_F(RunTest, DatabaseThatCannotBeWrittenIsASentence) {
  WriteText(folder_ + "/text.sqlite", "this is no database, only a text of some length");
  const Outcome foreign = RunProgram(Args({"run", spec_}, folder_ + "/text.sqlite"));
  EXPECT_EQ(foreign.exit_code, 3) << foreign.err;
  EXPECT_THAT(foreign.err, HasSubstr("text.sqlite"));
  EXPECT_EQ(ReadText(folder_ + "/text.sqlite"), "this is no database, only a text of some length");
  const Outcome nowhere = RunProgram(Args({"run", spec_}, folder_ + "/text.sqlite/below/x.sqlite"));
  EXPECT_EQ(nowhere.exit_code, 3) << nowhere.err;
  EXPECT_THAT(nowhere.err, Not(HasSubstr("check failed")));
}

}  // namespace
}  // namespace ptq::e2e
