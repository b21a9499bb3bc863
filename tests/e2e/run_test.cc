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
  EXPECT_EQ(StoredContent(database_), StoredContent(other));
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

// Both find the same trials undone; each trial is measured by one of them.
TEST_F(RunTest, TwoRunsOnOneFileShareTheTrials) {
  Running one(Args({"run", spec_}, database_)), other(Args({"run", spec_}, database_));
  int64_t measured = 0;
  for (Running* running : {&one, &other}) {
    const Outcome outcome = running->Wait();
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const size_t end = outcome.err.find(" trials measured now");
    ASSERT_NE(end, std::string::npos) << outcome.err;
    measured += std::stoll(outcome.err.substr(outcome.err.rfind('\n', end) + 1));
    EXPECT_THAT(outcome.out, HasSubstr("rows: 5 measured"));
    EXPECT_THAT(outcome.out, Not(HasSubstr("not run")));
  }
  EXPECT_EQ(measured, 9);
  EXPECT_EQ(Query(database_, "SELECT count(*) FROM trial")[0], "9");
}

TEST_F(RunTest, ReproducesBitForBitAndSaysWhereItCannot) {
  ASSERT_EQ(Call({"run", spec_}).exit_code, 0);
  const std::string key = Query(database_, "SELECT trial_key FROM v_trial WHERE method = 'percentile' LIMIT 1")[0];
  const Outcome again = Call({"reproduce", key.substr(0, 12)});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("predictions: 100 of 100 equal"));
  EXPECT_THAT(again.out, HasSubstr("It matches bit for bit."));
  EXPECT_EQ(Query(database_, "SELECT count(*) FROM trial")[0], "9") << "nothing is stored of it";
  WriteText(folder_ + "/small_test/1007.png", ReadText(folder_ + "/small_test/1008.png"));
  const Outcome changed = Call({"reproduce", key.substr(0, 12)});
  EXPECT_EQ(changed.exit_code, 1) << changed.out;
  EXPECT_THAT(changed.out,
              HasSubstr("differs: the five classes of 1 of 100 images differ, the first of them 1007.png"));
  EXPECT_THAT(changed.out, HasSubstr("It does not match."));
  std::string labels = ReadText(folder_ + "/small_test/labels.txt");
  labels[labels.size() - 2] = labels[labels.size() - 2] == '3' ? '4' : '3';
  WriteText(folder_ + "/small_test/labels.txt", labels);
  const Outcome another = Call({"reproduce", key.substr(0, 12)});
  EXPECT_EQ(another.exit_code, 2) << another.out;
  EXPECT_THAT(another.err, HasSubstr("stored: dataset_manifest_sha256="));
  EXPECT_EQ(Call({"reproduce", "0123456789"}).exit_code, 2);
}

TEST_F(RunTest, ChecklistIsFilledInFromTheFile) {
  ASSERT_EQ(Call({"run", spec_}).exit_code, 0);
  const Outcome list = Call({"checklist"});
  ASSERT_EQ(list.exit_code, 0) << list.err;
  EXPECT_THAT(list.out, HasSubstr("small_test: 100 images in 10 classes, manifest SHA-256 "));
  EXPECT_THAT(list.out, HasSubstr("small: 9 trials, 9 done, 0 failed, 0 unsupported; seeds 0, 1"));
  EXPECT_THAT(list.out, HasSubstr("percentile: activation_grid="));
  EXPECT_THAT(list.out, HasSubstr("`ptqbench run small`"));
  EXPECT_THAT(list.out, Not(HasSubstr("nothing of the kind")));
  EXPECT_EQ(RunProgram(Args({"checklist"}, folder_ + "/absent.sqlite")).exit_code, 3);
}

TEST_F(RunTest, GcDropsWhatNobodyNeedsAndNoTrial) {
  ASSERT_EQ(Call({"run", spec_}).exit_code, 0);
  const std::string before = StoredContent(database_);
  const Outcome gc = Call({"db", "gc"});
  ASSERT_EQ(gc.exit_code, 0) << gc.err;
  EXPECT_THAT(gc.out, HasSubstr("9 done trials as before"));
  EXPECT_EQ(StoredContent(database_), before);
  EXPECT_EQ(Call({"db", "check"}).exit_code, 0);
}

TEST_F(RunTest, ReportsInEveryFormat) {
  ASSERT_EQ(Call({"run", spec_}).exit_code, 0);
  const std::string page = folder_ + "/report.html";
  const Outcome html = Call({"report", spec_, "--format", "html", "--out", page});
  ASSERT_EQ(html.exit_code, 0) << html.err;
  EXPECT_EQ(html.out, "");
  const std::string text = ReadText(page);
  EXPECT_EQ(text.compare(0, 15, "<!doctype html>"), 0) << text.substr(0, 80);
  EXPECT_THAT(text, HasSubstr(Query(database_, "SELECT trial_key FROM trial LIMIT 1")[0]));
  EXPECT_THAT(text, HasSubstr("Chart"));
  EXPECT_THAT(Call({"report", spec_, "--format", "latex"}).out, HasSubstr("\\toprule"));
  EXPECT_THAT(Call({"report", spec_, "--format", "csv"}).out, HasSubstr(",adjusted_p,verdict\r\n"));
  EXPECT_THAT(Call({"report", spec_, "--format", "markdown"}).out, HasSubstr("| Micro-ViT |"));
  EXPECT_THAT(Call({"report", spec_, "--format", "json"}).out, HasSubstr("\"schema_version\": 1"));
  const Outcome unknown = Call({"report", spec_, "--format", "htm"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("html"));
  const Outcome nowhere = Call({"report", spec_, "--format", "html", "--out", folder_ + "/absent/x.html"});
  EXPECT_EQ(nowhere.exit_code, 3);
  EXPECT_THAT(nowhere.err, HasSubstr("x.html"));
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
