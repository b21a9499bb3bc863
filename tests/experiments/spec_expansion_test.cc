#include "experiments/spec_expansion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ptq::experiments {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// "model dataset images method bits parameters" of each trial.
std::vector<std::string> Lines(const std::vector<TrialSpec>& trials) {
  std::vector<std::string> lines;
  for (const TrialSpec& trial : trials) {
    const WorkloadSpec& workload = trial.workload;
    std::string line = workload.model + " " + workload.dataset + " " + std::to_string(workload.calibration_images);
    line += " " + trial.method + (trial.method == "float32" ? "" : " " + trial.scheme.ShortName());
    for (const auto& [name, value] : trial.parameters) {
      line += " " + name + "=" + method::ToString(value);
    }
    lines.push_back(line);
  }
  return lines;
}

// "[<quote>0<quote>, <quote>1<quote>, ...]".
std::string Counted(int count, const std::string& quote) {
  std::string list;
  for (int i = 0; i < count; ++i) {
    list += (i == 0 ? "[" : ", ") + quote + std::to_string(i) + quote;
  }
  return list + "]";
}

TEST(SpecExpansionTest, SweepsRunInTheOrderOfTheFile) {
  const Result<ExperimentSpec> spec = ParseSpec(R"(name = "t"
question = "q"
seeds = 0
[[workload]]
model = ["m2", "m1"]
dataset = ["d1", "d2"]
calibration_dataset = "c"
calibration_images = [32, 8]
[[trial]]
method = ["b", "a"]
bits = ["W6A6", "W8A8"]
models = "m1"
datasets = "d2"
[[trial]]
method = "p"
bits = "W8A8"
parameters = { y = [2, 1], x = [0.5, "s"] }
)",
                                                "s.toml");
  ASSERT_TRUE(spec.ok()) << spec.error().message;
  const std::vector<std::string> lines = Lines(spec->trials);
  ASSERT_EQ(lines.size(), 4U + 8 * 4 + 2 * 4);
  EXPECT_THAT(
      std::vector<std::string>(lines.begin(), lines.begin() + 10),
      ElementsAre("m2 d1 0 float32", "m2 d1 32 p W8A8 x=0.5 y=2", "m2 d1 32 p W8A8 x=0.5 y=1",
                  "m2 d1 32 p W8A8 x=s y=2", "m2 d1 32 p W8A8 x=s y=1", "m2 d1 8 p W8A8 x=0.5 y=2",
                  "m2 d1 8 p W8A8 x=0.5 y=1", "m2 d1 8 p W8A8 x=s y=2", "m2 d1 8 p W8A8 x=s y=1", "m2 d2 0 float32"));
  EXPECT_THAT(std::vector<std::string>(lines.end() - 17, lines.end() - 11),
              ElementsAre("m1 d2 0 float32", "m1 d2 32 b W6A6", "m1 d2 32 b W8A8", "m1 d2 32 a W6A6", "m1 d2 32 a W8A8",
                          "m1 d2 32 p W8A8 x=0.5 y=2"));
}

TEST(SpecExpansionTest, TheFloatRowComesOncePerModelAndDataSet) {
  WorkloadSpec first;
  first.model = "m";
  first.dataset = "d";
  first.calibration_dataset = "c";
  first.calibration_images = 8;
  WorkloadSpec second = first;
  second.calibration_images = 16;
  TrialTable table;
  table.methods = {{"x", {}}};
  table.bits = {BitWidths()};
  const ExpandedTrials expanded = ExpandTrials({first, second}, {table}, true);
  EXPECT_TRUE(expanded.faults.empty());
  EXPECT_THAT(Lines(expanded.trials), ElementsAre("m d 0 float32", "m d 8 x W8A8", "m d 16 x W8A8"));
}

TEST(SpecExpansionTest, AWorkloadLacksATrialOnlyWhereAllTrialsWereRead) {
  WorkloadSpec workload;
  workload.model = "m";
  workload.dataset = "d";
  EXPECT_EQ(ExpandTrials({workload}, {}, true).faults.size(), 1U);
  EXPECT_TRUE(ExpandTrials({workload}, {}, false).faults.empty());
}

TEST(SpecExpansionTest, HugeSweepsAreFaultsAndCostNothing) {
  const std::string head =
      "name = 't'\nquestion = 'q'\nseeds = 0\n[[workload]]\nmodel = 'm'\ndataset = 'd'\n"
      "calibration_dataset = 'c'\ncalibration_images = 1\n";
  std::string text = head + "[[trial]]\nmethod = 'x'\nbits = 'W8A8'\n[trial.parameters]\n";
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
    text += std::string(name) + " = " + Counted(300, "") + "\n";
  }
  const Result<ExperimentSpec> trials = ParseSpec(text, "s.toml");
  ASSERT_FALSE(trials.ok());
  EXPECT_THAT(trials.error().message, HasSubstr("s.toml:9:1: the sweeps make more than 20000 trials"));

  const std::string names = Counted(300, "'");
  const Result<ExperimentSpec> workloads =
      ParseSpec("name = 't'\nquestion = 'q'\nseeds = 0\n[[workload]]\nmodel = " + names + "\ndataset = " + names +
                    "\ncalibration_dataset = " + names + "\ncalibration_images = 1\n",
                "s.toml");
  ASSERT_FALSE(workloads.ok());
  EXPECT_THAT(workloads.error().message, HasSubstr("s.toml:4:1: the sweeps make more than 2000 workloads"));

  std::string tables = head;
  for (int i = 0; i < 1001; ++i) {
    tables += "[[trial]]\nmethod = 'x" + std::to_string(i) + "'\nbits = 'W8A8'\n";
  }
  const Result<ExperimentSpec> many = ParseSpec(tables, "s.toml");
  ASSERT_FALSE(many.ok());
  EXPECT_THAT(many.error().message, HasSubstr("more than 1000 [[trial]] tables"));
}

}  // namespace
}  // namespace ptq::experiments
