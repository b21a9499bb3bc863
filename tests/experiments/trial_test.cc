#include "experiments/trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "baselines/all_baselines.h"
#include "experiments/tables.h"

namespace ptq::experiments {
namespace {

using ::testing::HasSubstr;

std::string Home() {
  const char* runfiles = std::getenv("TEST_SRCDIR");
  const char* workspace = std::getenv("TEST_WORKSPACE");
  return std::string(runfiles == nullptr ? "." : runfiles) + "/" + (workspace == nullptr ? "ptqbench" : workspace);
}

class TrialTest : public ::testing::Test {
 protected:
  TrialTest() : workspace_(Workspace::Open({Home(), ::testing::TempDir() + "/no_data", "", "", ""}).value()) {
    PTQ_CHECK(baselines::RegisterAllBaselines(registry_).ok());
  }

  Result<std::vector<Trial>> Resolve(const std::string& name, const std::string& trial,
                                     const std::string& calibration = "embedded_calibration", int images = 8) {
    const std::string seeds = trial.find("seeds") == std::string::npos ? "seeds = [0]\n" : "\n";
    const std::string text = "name = \"" + name + "\"\nquestion = \"?\"\n" + seeds + "[[workload]]\n" +
                             "model = \"micro_vit\"\ndataset = \"embedded_test\"\ncalibration_dataset = \"" +
                             calibration + "\"\ncalibration_images = " + std::to_string(images) + "\n[[trial]]\n" +
                             trial + "\n";
    spec_ = ParseSpec(text, name + ".toml").value();
    return ResolveTrials(spec_, registry_, workspace_);
  }
  // The key of the quantized trial, which comes after the float32 one.
  std::string Key(const std::string& trial, const std::string& name = "a", int images = 8) {
    return Resolve(name, trial, "embedded_calibration", images).value().at(1).key;
  }

  method::Registry registry_;
  Workspace workspace_;
  ExperimentSpec spec_;
};

TEST_F(TrialTest, KeyHoldsWhatChangesANumberAndNothingElse) {
  const std::string plain = "method = \"percentile\"\nbits = \"W8A8\"";
  const std::string key = Key(plain);
  EXPECT_EQ(key.size(), 64U);
  EXPECT_EQ(key, Key(plain, "another_experiment"));
  EXPECT_EQ(key, Key(plain + "\nlabel = \"another title\""));
  EXPECT_EQ(key, Key(plain + "\nparameters = { percentile = 0.9999 }"));  // the default, said aloud
  EXPECT_NE(key, Key(plain + "\nparameters = { percentile = 0.999 }"));
  EXPECT_NE(key, Key(plain + "\nseeds = [1]"));
  EXPECT_NE(key, Key(plain + "\nscheme = { quantize_head = false }"));
  EXPECT_NE(key, Key("method = \"percentile\"\nbits = \"W8A6\""));
  EXPECT_NE(key, Key("method = \"min_max\"\nbits = \"W8A8\""));
  EXPECT_NE(key, Key(plain, "a", 9));
}

TEST_F(TrialTest, FloatTrialComesFirstAndHasNoSeed) {
  const std::vector<Trial> trials = Resolve("a", "method = \"min_max\"\nbits = \"W8A8\"\nseeds = [3, 4]").value();
  ASSERT_EQ(trials.size(), 3U);
  EXPECT_TRUE(trials[0].is_float());
  EXPECT_THAT(trials[0].text, ::testing::Not(HasSubstr("seed=")));
  EXPECT_THAT(trials[1].text, HasSubstr("seed=3"));
  EXPECT_NE(trials[1].calibration_indices, trials[2].calibration_indices);
}

TEST_F(TrialTest, EvaluationImagesAndTooManyImagesAreFaultsWithTheirPlace) {
  const std::string trial = "method = \"min_max\"\nbits = \"W8A8\"";
  const Result<std::vector<Trial>> evaluation = Resolve("a", trial, "embedded_test");
  ASSERT_FALSE(evaluation.ok());
  EXPECT_THAT(evaluation.error().message, HasSubstr("a.toml:7:"));
  EXPECT_THAT(evaluation.error().message, HasSubstr("evaluation set"));
  const Result<std::vector<Trial>> many = Resolve("a", trial, "embedded_calibration", 2001);
  ASSERT_FALSE(many.ok());
  EXPECT_THAT(many.error().message, HasSubstr("embedded_calibration has 2000"));
}

TEST_F(TrialTest, SharedImagesAreFoundEvenUnderAnotherRole) {
  data::DatasetEntry disguised = workspace_.datasets().Find("embedded_test").value();
  disguised.name = "disguised";
  disguised.role = data::DatasetRole::kCalibration;
  const auto evaluation = workspace_.Dataset(workspace_.datasets().Find("embedded_test").value()).value();
  const auto calibration = workspace_.Dataset(disguised).value();
  const Status shared = CheckCalibrationImages(*calibration.dataset, {5}, *evaluation.dataset);
  ASSERT_FALSE(shared.ok());
  EXPECT_THAT(shared.error().message, HasSubstr("also an evaluation image"));
}

TEST_F(TrialTest, Table1ShowsEveryPublishedRowOnceAndNoBlank) {
  const ExperimentSpec spec = ReadSpec(Home() + "/experiments/table1.toml").value();
  const std::vector<Trial> trials = ResolveTrials(spec, registry_, workspace_).value();
  const std::string database = ::testing::TempDir() + "/empty.sqlite";
  const results::Store store = results::Store::Open(database, results::Store::Mode::kReadWrite).value();
  const results::Table table = BuildTable(spec, trials, store, Home()).value();
  const auto published = results::ReadPublished(Home() + "/results/published/liu2021_table1.csv").value();
  size_t shown = 0;
  for (const results::TableRow& row : table.rows) {
    shown += row.published ? 1 : 0;
    EXPECT_FALSE(row.not_run.empty()) << row.model << " " << row.method;
    if (row.published) {
      EXPECT_EQ(row.published->model, row.model);
      EXPECT_EQ(row.published->dataset, row.dataset);
    }
  }
  EXPECT_EQ(shown, published.size());
  EXPECT_EQ(published.size(), 53U);
  const auto deit_small = std::find_if(table.rows.begin(), table.rows.end(), [](const results::TableRow& row) {
    return row.model == "DeiT-S" && row.method == "Percentile" && row.w_bits == 8;
  });
  ASSERT_NE(deit_small, table.rows.end());
  EXPECT_DOUBLE_EQ(deit_small->published->top1_percent, 73.98);
  EXPECT_THAT(deit_small->not_run, HasSubstr("deit_small_patch16_224"));
}

}  // namespace
}  // namespace ptq::experiments
