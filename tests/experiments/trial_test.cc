#include "experiments/trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "baselines/all_baselines.h"
#include "experiments/method_published.h"
#include "experiments/tables.h"
#include "results/latency_record.h"
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

// Keys of rows that people hold: a change here orphans every stored trial.
TEST_F(TrialTest, KnownKeysAreFrozen) {
  const std::vector<Trial> trials = Resolve("a", "method = \"percentile\"\nbits = \"W8A8\"").value();
  EXPECT_EQ(trials.at(0).key, "5d1e0c9374806ae832782187244338feda12076271a368f13eb268bba950151b");
  EXPECT_EQ(trials.at(1).key, "d46ffe630acec445f4650dc793d7baaedae92469eb7ac908c84a2c227e676ffe");
}

TEST_F(TrialTest, WhoRunsThePlanIsPartOfTheKey) {
  const std::string plain = "method = \"min_max\"\nbits = \"W8A8\"";
  const std::vector<Trial> trials = Resolve("a", plain + "\nexec = [\"simulated\", \"integer\"]").value();
  ASSERT_EQ(trials.size(), 3U);
  EXPECT_STREQ(trials[0].exec_mode(), "float32");
  EXPECT_STREQ(trials[1].exec_mode(), "simulated");
  EXPECT_STREQ(trials[2].exec_mode(), "integer");
  EXPECT_FALSE(trials[0].is_integer());
  EXPECT_FALSE(trials[1].is_integer());
  EXPECT_TRUE(trials[2].is_integer());
  EXPECT_EQ(trials[1].key, Key(plain));
  EXPECT_NE(trials[1].key, trials[2].key);
  EXPECT_THAT(trials[2].text, HasSubstr("\nexec_mode=integer\n"));
  EXPECT_EQ(trials[2].Describe(), "micro_vit on embedded_test, min_max W8A8, seed 0, integer");
  EXPECT_EQ(CheckpointScope(trials[1]), CheckpointScope(trials[2])) << "one search serves both";
}

// The rows of the two executors stand apart, and the times are those of the newest record of each setting.
TEST_F(TrialTest, TheTableShowsTimesOfTheIntegerRow) {
  const auto trials = Resolve("a",
                              "method = \"min_max\"\nbits = \"W8A8\"\nexec = [\"simulated\", \"integer\"]\n"
                              "[latency]\nbatch = [1, 8]\nthreads = 1")
                          .value();
  const std::string path = ::testing::TempDir() + "/times.sqlite";
  std::filesystem::remove(path);
  results::Store store = results::Store::Open(path, results::Store::Mode::kReadWrite).value();
  results::TrialRecord record;
  record.trial_key = trials[2].key;
  record.trial_text = trials[2].text;
  record.model = "micro_vit";
  record.dataset = {"embedded_test", "m", {"a.png"}, {3}};
  record.method = "min_max";
  record.exec_mode = "integer";
  record.predictions.resize(1);
  ASSERT_TRUE(store.Insert(record).ok());
  results::LatencyRecord times;
  times.trial_key = record.trial_key;
  times.model = "micro_vit";
  times.instruction_set = "avx2";
  times.float32 = results::Summarize({4000000});
  times.integer = results::Summarize({2000000});
  times.ratio_interval = {1.5, 2.5};
  for (const double ratio : {2.0, 3.0}) {
    times.ratio = ratio;
    ASSERT_TRUE(store.InsertLatency(times).ok());
  }
  const results::Table table = BuildTable(spec_, trials, store, Home()).value();
  ASSERT_EQ(table.rows.size(), 3U);
  EXPECT_TRUE(table.rows[1].latencies.empty());
  ASSERT_EQ(table.rows[2].latencies.size(), 1U);
  EXPECT_EQ(table.rows[2].latencies[0].ratio, 3);
  EXPECT_EQ(table.latencies_missing, 1) << "batch 8";
  const std::string text = results::Render(table, results::TableFormat::kText);
  EXPECT_THAT(text, HasSubstr("3.00 [1.50, 2.50]"));
  EXPECT_THAT(text, HasSubstr("latency: 1 setting is not measured yet"));
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
    shown += row.published && !row.published_elsewhere ? 1 : 0;
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

// Every registered method has rows, and none of them is a refusal that a reader of the file could have foreseen.
TEST_F(TrialTest, TheBaselinesExperimentsAskEveryMethodForWhatItCanDo) {
  for (const char* name : {"baselines", "baselines_quick"}) {
    const ExperimentSpec spec = ReadSpec(Home() + "/experiments/" + name + ".toml").value();
    const auto trials = ResolveTrials(spec, registry_, workspace_);
    ASSERT_TRUE(trials.ok()) << trials.error().message;
    std::set<std::string> asked;
    for (const Trial& trial : *trials) {
      if (trial.is_float()) {
        continue;
      }
      asked.insert(trial.method_id());
      const Status supported =
          method::CheckSupport(*trial.method, trial.scheme, trial.parameters, trial.workload->model.config);
      EXPECT_TRUE(supported.ok() || trial.scheme.weight_bits < 4) << trial.Describe() << supported.error().message;
    }
    for (const auto& method : registry_.methods()) {
      EXPECT_EQ(asked.count(method->info().id), method->info().id == "staged" ? 0U : 1U) << method->info().id;
    }
  }
}

TEST_F(TrialTest, AWidthOfThePictureIsAnotherTrialWithItsTitle) {
  const std::string plain = "method = \"min_max\"\nbits = \"W8A8\"";
  const std::string eight = plain + "\nscheme = { patch_input_bits = 8 }";
  const std::string whole = plain + "\nscheme = { patch_input_bits = 32, quantize_head = false }";
  EXPECT_NE(Key(plain), Key(eight));
  EXPECT_NE(Key(eight), Key(whole));
  EXPECT_EQ(Key(plain), Key(plain + "\nscheme = { patch_input_bits = 0 }"));
  const results::Store store =
      results::Store::Open(::testing::TempDir() + "/titles.sqlite", results::Store::Mode::kReadWrite).value();
  const auto title = [&](const std::string& trial) {
    const std::vector<Trial> trials = Resolve("a", trial).value();
    return BuildTable(spec_, trials, store, Home()).value().rows.at(1).method;
  };
  EXPECT_EQ(title(plain), "MinMax");
  EXPECT_EQ(title(eight), "MinMax input 8 bits");
  EXPECT_EQ(title(whole), "MinMax float input float head");
}

class LabelTest : public TrialTest {
 protected:
  // What the method's own folder says, beside the rows below.
  std::string own_values_;

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
    std::filesystem::create_directories(home + "/baselines/staged");
    std::ofstream(home + "/baselines/staged/published.toml") << own_values_;
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

class OwnValuesTest : public LabelTest {
 protected:
  std::string Own(int bits, const std::string& top1, const std::string& dataset = "", const std::string& more = "") {
    const std::vector<Trial> trials = Resolve("a", "method = \"staged\"\nbits = \"W8A8\"").value();
    const Workload& w = *trials[0].workload;
    return "[[value]]\nmodel = \"" + w.model.title + "\"\ndataset = \"" +
           (dataset.empty() ? w.dataset.title : dataset) + "\"\nw_bits = " + std::to_string(bits) +
           "\na_bits = " + std::to_string(bits) + "\nmixed = false\ntop1_percent = " + top1 +
           "\nsource = \"A 2022, Table 9\"\n" + more;
  }
};

TEST_F(OwnValuesTest, StandInWhereNothingElseIsPublished) {
  own_values_ = Own(8, "40.5") + Own(6, "41.5") + Own(4, "42.5", "another set");
  const auto rows = Rows("method = \"staged\"\nbits = [\"W8A8\", \"W6A6\", \"W4A4\"]");
  EXPECT_EQ(PublishedTop1(rows[1]), 50) << "the table's own source comes first";
  EXPECT_FALSE(rows[1].published_elsewhere);
  EXPECT_EQ(PublishedTop1(rows[2]), 41.5);
  EXPECT_TRUE(rows[2].published_elsewhere);
  EXPECT_EQ(rows[2].published->source, "A 2022, Table 9");
  EXPECT_TRUE(results::IsPrintable(*rows[2].published));
  EXPECT_EQ(PublishedTop1(rows[3]), 0) << "of another data set";
  EXPECT_FALSE(rows[3].published_elsewhere);
}

TEST_F(OwnValuesTest, BelongToThePlainMethodAlone) {
  own_values_ = Own(6, "41.5");
  for (const char* change : {"label = \"otherwise\"", "parameters = { shrink = 0.5 }"}) {
    EXPECT_EQ(PublishedTop1(Rows(std::string("method = \"staged\"\nbits = \"W6A6\"\n") + change)[1]), 0) << change;
  }
  EXPECT_EQ(PublishedTop1(Rows("method = \"staged\"\nbits = \"W6A6\"\nlabel = \"Staged\"")[1]), 41.5);
}

TEST_F(OwnValuesTest, FaultsOfTheFileAreTold) {
  const auto faults = [](const std::string& text) {
    const auto parsed = ParseMethodPublished(text, "p.toml", "X");
    return parsed.ok() ? "" : parsed.error().message;
  };
  EXPECT_EQ(faults("# nothing is published\n"), "");
  EXPECT_EQ(faults("[[value]]\nmodel = 'DeiT-S'\nw_bits = 1\nmixd = true\n"),
            "p.toml:1:1: [[value]] lacks the key 'dataset'\n"
            "p.toml:1:1: [[value]] lacks the key 'a_bits'\n"
            "p.toml:1:1: [[value]] lacks the key 'mixed'\n"
            "p.toml:1:1: [[value]] lacks the key 'top1_percent'\n"
            "p.toml:1:1: [[value]] lacks the key 'source'\n"
            "p.toml:3:10: 'w_bits' is 1; it must lie in 2..16\n"
            "p.toml:4:1: unknown key 'mixd' in [[value]]; did you mean 'mixed'?");
  EXPECT_THAT(faults(Own(8, "40") + Own(8, "41")), HasSubstr("W8A8 is there twice, first at line 1"));
  EXPECT_THAT(faults(Own(8, "100.5")), HasSubstr("'top1_percent' is 100.5; it must lie in 0..100"));
}

TEST_F(OwnValuesTest, AnAbsentFileHoldsNothing) {
  EXPECT_TRUE(ReadMethodPublished(Home() + "/no such folder", "staged", "Staged").value().empty());
}

// Every method's own file can be read, and speaks of models and data sets by the titles that tables have.
TEST_F(OwnValuesTest, EveryMethodsFileIsSound) {
  std::set<std::string> models, datasets;
  for (const data::ModelEntry& model : workspace_.models().models) {
    models.insert(model.title);
  }
  for (const data::DatasetEntry& dataset : workspace_.datasets().datasets) {
    datasets.insert(dataset.title);
  }
  for (const auto& method : registry_.methods()) {
    const method::MethodInfo& info = method->info();
    const auto values = ReadMethodPublished(Home(), info.id, info.published_as);
    ASSERT_TRUE(values.ok()) << values.error().ToString();
    RecordProperty(info.id, std::to_string(values->size()));
    for (const results::PublishedRow& value : *values) {
      EXPECT_EQ(models.count(value.model), 1U) << info.id << ": " << value.model;
      // These titles are the 384-pixel models of Liu et al.; those of other papers are ViT-B/224 and ViT-L/224.
      EXPECT_TRUE((value.model != "ViT-B" && value.model != "ViT-L") || value.source.rfind("Liu et al. 2021", 0) == 0)
          << info.id << ": " << value.model << " of " << value.source;
      EXPECT_EQ(datasets.count(value.dataset), 1U) << info.id << ": " << value.dataset;
    }
  }
}

}  // namespace
}  // namespace ptq::experiments
