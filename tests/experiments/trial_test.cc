#include "experiments/trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "baselines/all_baselines.h"
#include "experiments/tables.h"
#include "tests/testing/staged_method.h"

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
    PTQ_CHECK(registry_.Add(testing::MakeStaged()).ok());
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

// The text that old keys are hashes of: a field that old trials did not have may not appear in it.
TEST_F(TrialTest, TheTextOfAKeyIsFrozen) {
  const Trial trial = Resolve("a", "method = \"percentile\"\nbits = \"W8A8\"").value().at(1);
  const Workload& w = *trial.workload;
  const std::string ids = trial.text.substr(trial.text.find("calibration_ids_sha256="), 23 + 64);
  EXPECT_EQ(trial.text,
            "ptqbench trial 1\nweights_sha256=" + w.weights.sha256 + "\ngeometry=" + vit::ToString(w.model.config) +
                "\npreprocessing=" + data::ToString(w.preprocessing()) +
                "\ndataset_manifest_sha256=" + w.images.manifest_sha256 +
                "\nexif_orientation=applied\nmethod=percentile@1\nparameters=activation_grid=symmetric_full "
                "percentile=0.9999 weight_grid=symmetric_full weight_percentile=1\nscheme=weight_bits=8 "
                "activation_bits=8 weight_granularity=per_tensor quantize_patch_embed=true quantize_head=true "
                "quantize_attention_products=true\ncalibration_manifest_sha256=" +
                w.calibration.manifest_sha256 +
                "\ncalibration_preprocessing=" + data::ToString(w.calibration_preprocessing()) + "\n" + ids +
                "\nseed=0\nexec_mode=simulated\nnumerics_version=" + std::to_string(kNumericsVersion) + "\n");
}

TEST_F(TrialTest, MixedPrecisionIsAnotherTrial) {
  const std::vector<Trial> trials = Resolve("a", "method = \"staged\"\nbits = [\"W8A8\", \"W8A8 MP\"]").value();
  ASSERT_EQ(trials.size(), 3U);
  EXPECT_FALSE(trials[1].mixed());
  EXPECT_TRUE(trials[2].mixed());
  EXPECT_NE(trials[1].key, trials[2].key);
  EXPECT_THAT(trials[1].text, ::testing::Not(HasSubstr("mixed")));
  EXPECT_THAT(trials[2].text, HasSubstr(" mixed=true\n"));
  EXPECT_EQ(trials[2].Describe(), "micro_vit on embedded_test, staged W8A8 MP, seed 0");
}

TEST_F(TrialTest, AParameterThatIsNotReadIsAFaultThatSaysWhen) {
  const Result<std::vector<Trial>> unused =
      Resolve("a", "method = \"staged\"\nbits = \"W8A8\"\nparameters = { shrink_weights = false, shrink = 0.5 }");
  ASSERT_FALSE(unused.ok());
  EXPECT_EQ(unused.error().message,
            "a.toml:10:10: parameter 'shrink' is read only where shrink_weights = true; leave it out or set that");
  const Result<std::vector<Trial>> swept = Resolve(
      "a", "method = \"staged\"\nbits = \"W8A8\"\nparameters = { shrink_weights = [true, false], shrink = 0.5 }");
  ASSERT_FALSE(swept.ok()) << "one of the two would ignore it";
  EXPECT_TRUE(Resolve("a", "method = \"staged\"\nbits = \"W8A8\"\nparameters = { shrink = [0.5, 0.6] }").ok());
  const Result<std::vector<Trial>> not_mixed =
      Resolve("a", "method = \"staged\"\nbits = [\"W8A8\", \"W8A8 MP\"]\nparameters = { pattern = \"lh\" }");
  ASSERT_FALSE(not_mixed.ok());
  EXPECT_EQ(not_mixed.error().message,
            "a.toml:10:10: parameter 'pattern' is read only under mixed precision; leave it out, or write bits as "
            "'W8A8 MP'");
  EXPECT_TRUE(Resolve("a", "method = \"staged\"\nbits = \"W8A8 MP\"\nparameters = { pattern = \"lh\" }").ok());
  const Result<std::vector<Trial>> illegal =
      Resolve("a", "method = \"staged\"\nbits = \"W8A8 MP\"\nparameters = { pattern = \"xy\" }");
  ASSERT_FALSE(illegal.ok());
  EXPECT_EQ(illegal.error().message, "a.toml:10:10: parameter 'pattern' is 'xy'; write letters h and l, such as 'hl'");
}

TEST_F(TrialTest, ACheckpointIsSharedWhereTheMethodSeesTheSameThings) {
  const auto scope = [this](const std::string& trial, int images = 8) {
    return CheckpointScope(Resolve("a", trial, "embedded_calibration", images).value().at(1));
  };
  const std::string plain = "method = \"staged\"\nbits = \"W8A8\"";
  const std::string standard = scope(plain);
  EXPECT_EQ(standard.size(), 64U);
  EXPECT_EQ(standard, scope("method = \"staged\"\nbits = \"W6A6\""));
  EXPECT_EQ(standard, scope("method = \"staged\"\nbits = \"W8A8 MP\""));
  EXPECT_EQ(standard, scope(plain + "\nparameters = { shrink = 0.5 }"));
  EXPECT_EQ(standard, scope(plain + "\nscheme = { quantize_head = false }"));
  EXPECT_NE(standard, scope("method = \"min_max\"\nbits = \"W8A8\""));
  EXPECT_NE(standard, scope(plain + "\nseeds = [1]"));
  EXPECT_NE(standard, scope(plain, 9));
  Trial other = Resolve("a", plain).value().at(1);
  auto workload = std::make_shared<Workload>(*other.workload);
  const auto changed = [&](auto&& change) {
    *workload = *Resolve("a", plain).value().at(1).workload;
    change(*workload);
    other.workload = workload;
    return CheckpointScope(other);
  };
  EXPECT_EQ(standard, changed([](Workload&) {}));
  EXPECT_EQ(standard, changed([](Workload& w) { w.images.manifest_sha256 = "x"; })) << "what is evaluated";
  EXPECT_NE(standard, changed([](Workload& w) { w.weights.sha256 = "x"; }));
  EXPECT_NE(standard, changed([](Workload& w) { w.model.config.heads = 1; }));
  EXPECT_NE(standard, changed([](Workload& w) { w.calibration.manifest_sha256 = "x"; }));
  EXPECT_NE(standard, changed([](Workload& w) { w.calibration_dataset->apply_exif_orientation = false; }));
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

class LabelTest : public TrialTest {
 protected:
  // The rows of a table with one [[trial]], beside published values of the embedded model.
  std::vector<results::TableRow> Rows(const std::string& trial) {
    const std::string home = ::testing::TempDir() + "/labels";
    std::filesystem::create_directories(home + "/results/published");
    const std::vector<Trial> trials = Resolve("a", trial).value();
    const std::string model = trials[0].workload->model.title + "," + trials[0].workload->dataset.title + ",";
    std::ofstream(home + "/results/published/p.csv")
        << "model,dataset,method,w_bits,a_bits,mixed,size_mb,top1,source,confidence\n"
        << model << "Staged,8,8,0,,50,s,src\n"
        << model << "Staged,8,8,1,,51,s,src\n"
        << model << "Similarity + bias,8,8,0,,52,s,src\n"
        << model << "Similarity + bias,8,8,1,,53,s,src\n";
    spec_.published = {"p"};
    const results::Store store = results::Store::Open(home + "/r.sqlite", results::Store::Mode::kReadWrite).value();
    return BuildTable(spec_, trials, store, home).value().rows;
  }
  static double PublishedTop1(const results::TableRow& row) { return row.published ? row.published->top1_percent : 0; }
};

TEST_F(LabelTest, WithoutALabelTheMethodsPublishedNameCounts) {
  const auto rows = Rows("method = \"staged\"\nbits = [\"W8A8\", \"W8A8 MP\"]");
  ASSERT_GE(rows.size(), 3U);
  EXPECT_EQ(PublishedTop1(rows[1]), 50);
  EXPECT_FALSE(rows[1].mixed);
  EXPECT_EQ(PublishedTop1(rows[2]), 51);
  EXPECT_TRUE(rows[2].mixed);
  EXPECT_EQ(rows.size(), 5U) << "and two rows that are published only";
}

TEST_F(LabelTest, ALabelThatIsPublishedCounts) {
  const auto rows =
      Rows("method = \"staged\"\nbits = [\"W8A8\", \"W8A8 MP\", \"W6A6\"]\nlabel = \"Similarity + bias\"");
  ASSERT_GE(rows.size(), 4U);
  EXPECT_EQ(rows[1].method, "Similarity + bias");
  EXPECT_EQ(PublishedTop1(rows[1]), 52);
  EXPECT_EQ(PublishedTop1(rows[2]), 53);
  EXPECT_EQ(PublishedTop1(rows[3]), 0) << "other bits";
}

TEST_F(LabelTest, AnotherLabelMatchesNothing) {
  const auto rows = Rows("method = \"staged\"\nbits = [\"W8A8\", \"W8A8 MP\"]\nlabel = \"staged, but otherwise\"");
  ASSERT_EQ(rows.size(), 7U);
  EXPECT_EQ(PublishedTop1(rows[1]), 0);
  EXPECT_EQ(PublishedTop1(rows[2]), 0);
  EXPECT_EQ(rows[3].method, "Staged") << "published only";
}

}  // namespace
}  // namespace ptq::experiments
