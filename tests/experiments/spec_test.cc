#include "experiments/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "data/catalog/datasets.h"
#include "data/catalog/models.h"

namespace ptq::experiments {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kHead[] = R"(name = "t"
question = "Does it work?"
seeds = [0, 1]
)";

constexpr char kWorkload[] = R"([[workload]]
model = "m"
dataset = "d"
calibration_dataset = "c"
calibration_images = 8
)";

constexpr char kTrial[] = R"([[trial]]
method = "min_max"
bits = "W8A8"
)";

std::string Whole() { return std::string(kHead) + kWorkload + kTrial; }

ExperimentSpec Parsed(const std::string& text) {
  Result<ExperimentSpec> spec = ParseSpec(text, "s.toml");
  EXPECT_TRUE(spec.ok()) << spec.error().message;
  return spec.ok() ? *spec : ExperimentSpec();
}

std::string FaultsOf(const std::string& text) {
  const Result<ExperimentSpec> spec = ParseSpec(text, "s.toml");
  return spec.ok() ? "" : spec.error().message;
}

// "model dataset calibration/images method bits parameters seeds" of each trial.
std::vector<std::string> Lines(const ExperimentSpec& spec) {
  std::vector<std::string> lines;
  for (const TrialSpec& trial : spec.trials) {
    const WorkloadSpec& workload = trial.workload;
    std::string line = workload.model + " " + workload.dataset + " ";
    line += workload.calibration_dataset + "/" + std::to_string(workload.calibration_images) + " " + trial.method;
    line += trial.method == "float32" ? "" : " " + trial.scheme.ShortName();
    for (const auto& [name, value] : trial.parameters) {
      line += " " + name + "=" + method::ToString(value);
    }
    for (const int64_t seed : trial.seeds) {
      line += " " + std::to_string(seed);
    }
    lines.push_back(line);
  }
  return lines;
}

TEST(SpecTest, ReadsTheSmallestFile) {
  const std::string text = Whole();
  const ExperimentSpec spec = Parsed(text);
  EXPECT_EQ(spec.path, "s.toml");
  EXPECT_EQ(spec.text, text);
  EXPECT_EQ(spec.name, "t");
  EXPECT_EQ(spec.question, "Does it work?");
  EXPECT_TRUE(spec.published.empty());
  EXPECT_THAT(Lines(spec), ElementsAre("m d /0 float32 0", "m d c/8 min_max W8A8 0 1"));
  EXPECT_TRUE(spec.trials[0].workload.float_only);
  const TrialSpec& trial = spec.trials[1];
  EXPECT_FALSE(trial.workload.float_only);
  EXPECT_EQ(FaultAt("s.toml", trial.position, "x"), "s.toml:10:10: x");
  EXPECT_EQ(FaultAt("s.toml", trial.workload.position, "x"), "s.toml:5:9: x");
  EXPECT_EQ(FaultAt("s.toml", trial.workload.dataset_position, "x"), "s.toml:6:11: x");
  EXPECT_EQ(FaultAt("s.toml", trial.workload.calibration_position, "x"), "s.toml:7:23: x");
  EXPECT_EQ(trial.scheme.ToString(), method::Scheme().ToString());
}

TEST(SpecTest, ReadsEveryField) {
  const ExperimentSpec spec = Parsed(R"(name = "t"
question = """
Two
lines?"""
published = ["liu2021_table1", "other"]
[[workload]]
model = "m"
dataset = "d"
calibration_dataset = "c"
calibration_images = 8
[[trial]]
method = "x"
bits = "W2A16"
label = "X, head in float"
seeds = 7
parameters = { fast = true, steps = 3, alpha = 0.5, grid = "affine" }
[trial.scheme]
weight_granularity = "per_channel"
quantize_patch_embed = false
quantize_head = false
quantize_attention_products = false
)");
  EXPECT_THAT(spec.published, ElementsAre("liu2021_table1", "other"));
  ASSERT_EQ(spec.trials.size(), 2U);
  const TrialSpec& trial = spec.trials[1];
  EXPECT_EQ(trial.label, "X, head in float");
  EXPECT_THAT(trial.seeds, ElementsAre(7));
  EXPECT_EQ(trial.scheme.ToString(),
            "weight_bits=2 activation_bits=16 weight_granularity=per_channel quantize_patch_embed=false "
            "quantize_head=false quantize_attention_products=false");
  EXPECT_EQ(trial.parameters.at("fast"), method::ParameterValue(true));
  EXPECT_EQ(trial.parameters.at("steps"), method::ParameterValue(int64_t{3}));
  EXPECT_EQ(trial.parameters.at("alpha"), method::ParameterValue(0.5));
  EXPECT_EQ(trial.parameters.at("grid"), method::ParameterValue(std::string("affine")));
  EXPECT_EQ(trial.parameter_positions.at("alpha").line, 16);
  EXPECT_EQ(trial.parameter_positions.at("alpha").column, 48);
}

TEST(SpecTest, ThePictureMayHaveAWidthOfItsOwn) {
  const auto with = [](const std::string& scheme, const std::string& bits = "['W8A8', 'W4A4']") {
    return std::string(kHead) + kWorkload + "[[trial]]\nmethod = 'x'\nbits = " + bits + "\nscheme = { " + scheme +
           " }\n";
  };
  for (const int bits : {0, 2, 8, 16, 32}) {
    const ExperimentSpec spec = Parsed(with("patch_input_bits = " + std::to_string(bits)));
    EXPECT_EQ(spec.trials[1].scheme.patch_input_bits, bits);
    EXPECT_EQ(spec.trials[2].scheme.patch_input_bits, bits);
  }
  for (const int bits : {1, 17, 31}) {
    EXPECT_EQ(FaultsOf(with("patch_input_bits = " + std::to_string(bits))),
              "s.toml:12:31: patch_input_bits is " + std::to_string(bits) +
                  "; it must lie in 2..16, or be 32 (float) or 0 (as other activations)");
  }
  EXPECT_EQ(FaultsOf(with("patch_input_bits = 33")), "s.toml:12:31: 'patch_input_bits' is 33; it must lie in 0..32");
  EXPECT_EQ(FaultsOf(with("patch_input_bits = -1")), "s.toml:12:31: 'patch_input_bits' is -1; it must lie in 0..32");
  EXPECT_EQ(FaultsOf(with("quantize_head = false, patch_input_bits = 8", "['W8A8', 'W6A6 MP', 'W8A8 MP']")),
            "s.toml:12:54: patch_input_bits has no meaning under mixed precision, which chooses widths itself");
  EXPECT_EQ(FaultsOf(with("quantize_patch_embed = false, patch_input_bits = 8")),
            "s.toml:12:61: patch_input_bits is not used where quantize_patch_embed is false");
}

// The text of each fault is fixed here on purpose: people read and editors parse it.
TEST(SpecTest, ReportsEveryMistakeAtOnce) {
  EXPECT_EQ(FaultsOf(R"(name = "my table"
qestion = "Why?"
seeds = [0, 0]
[[workload]]
model = "m"
dataset = "d"
calibration_dataset = "c"
calibration_images = 0
[[trial]]
methods = "percentile"
bits = ["W8A8", "W32A32", "w6a6"]
models = ["n"]
scheme = { weight_granularity = "per_chanel", quantise_head = false }
parameters = { percentile = [] }
[[trials]]
)"),
            R"(s.toml:1:1: the file lacks the key 'question'
s.toml:1:8: 'name' is 'my table'; a name begins with a letter or digit and has only these, '_', '-' and '.'
s.toml:2:1: unknown key 'qestion' in the file; did you mean 'question'?
s.toml:3:13: 'seeds' lists 0 twice
s.toml:8:22: 'calibration_images' is 0; it must lie in 1..10000000
s.toml:9:1: [[trial]] lacks the key 'method'
s.toml:10:1: unknown key 'methods' in [[trial]]; did you mean 'method'?
s.toml:11:17: 'bits' lists W32A32; the float row always runs, so leave it out
s.toml:11:27: 'bits' is 'w6a6'; write W<bits>A<bits> with bits in 2..16: W8A8 has 8-bit weights and 8-bit activations, W8A8 MP mixes bits around 8
s.toml:13:33: 'weight_granularity' is 'per_chanel'; it must be one of per_tensor, per_channel; did you mean 'per_channel'?
s.toml:13:47: unknown key 'quantise_head' in table 'scheme'; did you mean 'quantize_head'?
s.toml:14:29: 'percentile' is an empty array; give one value
s.toml:15:3: unknown key 'trials' in the file; did you mean 'trial'?)");
}

TEST(SpecTest, BitsAreReadStrictly) {
  for (const char* bits :
       {"W8",       "A8W8",  "W8A8 ",  " W8A8",    "W08A8",    "W8A08",   "W1A8",  "W8A1",
        "W17A8",    "W8A17", "W8A",    "WA8",      "W8a8",     "W8A8A8",  "W-8A8", "W99999999999999999999A8",
        "8",        "W",     "W8A8MP", "W8A8  MP", "W8A8 MP ", "W8A8 mp", "W8 MP", "MP",
        "W17A17 MP"}) {
    EXPECT_THAT(FaultsOf(std::string(kHead) + kWorkload + "[[trial]]\nmethod = 'x'\nbits = '" + bits + "'\n"),
                HasSubstr("s.toml:11:8: 'bits' is"))
        << bits;
  }
  EXPECT_THAT(Lines(Parsed(std::string(kHead) + kWorkload + "[[trial]]\nmethod = 'x'\nbits = ['W2A16', 'W16A2']\n")),
              ElementsAre("m d /0 float32 0", "m d c/8 x W2A16 0 1", "m d c/8 x W16A2 0 1"));
}

TEST(SpecTest, MpAsksForMixedPrecision) {
  const std::string head = std::string(kHead) + kWorkload + "[[trial]]\nmethod = 'x'\n";
  const ExperimentSpec spec = Parsed(head + "bits = ['W8A8', 'W8A8 MP', 'W6A6 MP']\n");
  EXPECT_THAT(Lines(spec),
              ElementsAre("m d /0 float32 0", "m d c/8 x W8A8 0 1", "m d c/8 x W8A8 MP 0 1", "m d c/8 x W6A6 MP 0 1"));
  EXPECT_FALSE(spec.trials[1].scheme.mixed);
  EXPECT_TRUE(spec.trials[2].scheme.mixed);
  EXPECT_EQ(FaultsOf(head + "bits = 'W8A6 MP'\n"),
            "s.toml:11:8: 'bits' is 'W8A6 MP'; under mixed precision the weights and activations of an op share one "
            "width, so write equal bits: W8A8 MP");
  EXPECT_THAT(FaultsOf(head + "bits = ['W8A8 MP', 'W8A8 MP']\n"), HasSubstr("twice"));
  EXPECT_EQ(FaultsOf(head + "bits = 'W8A8'\n[[trial]]\nmethod = 'x'\nbits = 'W8A8 MP'\n"), "");
  EXPECT_THAT(FaultsOf(head + "bits = 'W8A8 MP'\n[[trial]]\nmethod = 'x'\nbits = 'W8A8 MP'\n"),
              HasSubstr("x W8A8 MP on m and d is there twice"));
}

TEST(SpecTest, ExecSaysWhoRunsAPlan) {
  EXPECT_EQ(Parsed(Whole()).trials[1].exec, ExecMode::kSimulated);
  const ExperimentSpec integer = Parsed(Whole() + "exec = 'integer'\n");
  ASSERT_EQ(integer.trials.size(), 2U);
  EXPECT_EQ(integer.trials[1].exec, ExecMode::kInteger);
  EXPECT_STREQ(Name(integer.trials[1].exec), "integer");
  const ExperimentSpec both = Parsed(Whole() + "exec = ['simulated', 'integer']\nparameters = { a = [1, 2] }\n");
  EXPECT_THAT(Lines(both),
              ElementsAre("m d /0 float32 0", "m d c/8 min_max W8A8 a=1 0 1", "m d c/8 min_max W8A8 a=1 0 1",
                          "m d c/8 min_max W8A8 a=2 0 1", "m d c/8 min_max W8A8 a=2 0 1"));
  for (size_t i = 1; i < 5; ++i) {
    EXPECT_EQ(both.trials[i].exec, i % 2 == 1 ? ExecMode::kSimulated : ExecMode::kInteger) << i;
  }
  EXPECT_EQ(FaultsOf(Whole() + kTrial + "exec = 'integer'\n"), "") << "another executor is another trial";
  EXPECT_THAT(FaultsOf(Whole() + "exec = 'integer'\n" + kTrial + "exec = ['simulated', 'integer']\n"),
              HasSubstr("is there twice"));
  EXPECT_EQ(FaultsOf(Whole() + "exec = ['integer', 'intger']\n"),
            "s.toml:12:20: 'exec' is 'intger'; it must be one of simulated, integer; did you mean 'integer'?");
  EXPECT_EQ(FaultsOf(Whole() + "exec = ['integer', 'integer']\n"), "s.toml:12:20: 'exec' lists 'integer' twice");
  EXPECT_THAT(FaultsOf(Whole() + "exec = 8\n"), HasSubstr("s.toml:12:8: 'exec' must be a string"));
}

TEST(SpecTest, LatencyIsEveryCombinationOfItsLists) {
  EXPECT_TRUE(Parsed(Whole()).latency.empty());
  const std::string integer = Whole() + "exec = ['simulated', 'integer']\n";
  std::vector<std::string> settings;
  for (const LatencySetting& setting : Parsed(integer + "[latency]\nbatch = [1, 8]\nthreads = [2, 1]\n").latency) {
    settings.push_back(std::to_string(setting.batch) + "/" + std::to_string(setting.threads));
  }
  EXPECT_THAT(settings, ElementsAre("1/2", "1/1", "8/2", "8/1"));
  EXPECT_EQ(FaultsOf("latency = { batch = 1, threads = 1 }\n" + integer), "");
  EXPECT_EQ(FaultsOf(Whole() + "[latency]\nbatch = 1\nthreads = 1\n"),
            "s.toml:12:1: 'latency' is not used: no [[trial]] has exec = \"integer\"");
  EXPECT_EQ(FaultsOf(integer + "[latency]\nbatch = [0, 1]\nthread = 1\n"),
            "s.toml:13:1: table 'latency' lacks the key 'threads'\n"
            "s.toml:14:10: 'batch' is 0; it must lie in 1..1024\n"
            "s.toml:15:1: unknown key 'thread' in table 'latency'; did you mean 'threads'?");
  EXPECT_THAT(
      FaultsOf(integer + "[latency]\nbatch = [1, 1]\nthreads = 2000\n"),
      ::testing::AllOf(HasSubstr("'batch' lists 1 twice"), HasSubstr("'threads' is 2000; it must lie in 1..1024")));
  EXPECT_THAT(FaultsOf(integer + "[latency]\nbatch = []\nthreads = 1\n"), HasSubstr("empty array"));
}

TEST(SpecTest, TheFloatRowIsNotAskedFor) {
  EXPECT_THAT(FaultsOf(std::string(kHead) + kWorkload + kTrial + "[[trial]]\nmethod = 'float32'\nbits = 'W8A8'\n"),
              HasSubstr("s.toml:13:10: 'method' lists float32; the float row always runs"));
}

TEST(SpecTest, CalibrationIsNamedUnlessFloatOnly) {
  const std::string bare = "[[workload]]\nmodel = 'm'\ndataset = 'd'\n";
  EXPECT_EQ(FaultsOf(std::string(kHead) + bare + kTrial),
            "s.toml:4:1: [[workload]] lacks the key 'calibration_dataset'\n"
            "s.toml:4:1: [[workload]] lacks the key 'calibration_images'");
  const std::string head = "name = 't'\nquestion = 'q'\n";
  EXPECT_THAT(Lines(Parsed(head + bare + "float_only = true\n")), ElementsAre("m d /0 float32 0"));
  EXPECT_EQ(FaultsOf(head + kWorkload + "float_only = true\n"),
            "s.toml:6:23: 'calibration_dataset' is not used where float_only is true\n"
            "s.toml:7:22: 'calibration_images' is not used where float_only is true");
}

TEST(SpecTest, NothingAcceptedIsIgnored) {
  EXPECT_THAT(FaultsOf(std::string(kHead) + kWorkload + kTrial + "models = 'n'\n"),
              HasSubstr("s.toml:12:10: no workload has the model 'n'"));
  EXPECT_THAT(FaultsOf(std::string(kHead) + kWorkload + kTrial + "datasets = ['d', 'dd']\n"),
              HasSubstr("s.toml:12:18: no workload has the data set 'dd'; did you mean 'd'?"));
  EXPECT_THAT(FaultsOf("name = 't'\nquestion = 'q'\n" + std::string(kWorkload)),
              HasSubstr("s.toml:4:9: no [[trial]] runs on m and d"));
  EXPECT_EQ(FaultsOf(std::string(kHead) + kWorkload + kTrial + "seeds = 3\n"),
            "s.toml:3:9: 'seeds' of the file is not used: no [[trial]] is without its own");
  EXPECT_THAT(FaultsOf("name = 't'\nquestion = 'q'\n" + std::string(kWorkload) + kTrial),
              HasSubstr("s.toml:1:1: the file lacks the key 'seeds'"));
  const std::string float_only = "[[workload]]\nmodel = 'n'\ndataset = 'd'\nfloat_only = true\n";
  EXPECT_THAT(FaultsOf(std::string(kHead) + kWorkload + float_only + kTrial + "[[trial]]\nmethod = 'x'\n" +
                       "bits = 'W4A4'\nmodels = 'n'\n"),
              HasSubstr("s.toml:16:1: this [[trial]] fits no [[workload]] that is not float_only"));
}

TEST(SpecTest, ATrialTwiceIsAFault) {
  EXPECT_EQ(
      FaultsOf(Whole() + kTrial),
      "s.toml:13:10: min_max W8A8 on m and d is there twice, first in the [[trial]] of line 9; give all its seeds "
      "in one [[trial]]");
  // 1 and 1.0 are the same value of a parameter.
  EXPECT_THAT(FaultsOf(Whole() + "parameters = { a = [1, 1.0] }\n"), HasSubstr("is there twice"));
  EXPECT_EQ(FaultsOf(Whole() + "[[trial]]\nmethod = 'min_max'\nbits = 'W8A8'\nparameters = { a = 1 }\n"), "");
  EXPECT_EQ(FaultsOf(Whole() + "[[trial]]\nmethod = 'min_max'\nbits = 'W8A8'\nscheme = { quantize_head = false }\n"),
            "");
  EXPECT_EQ(
      FaultsOf(std::string(kHead) + kWorkload + kWorkload + kTrial),
      "s.toml:10:9: the workload m on d is there twice, first at line 5\n"
      "s.toml:15:10: min_max W8A8 on m and d is there twice, first in the [[trial]] of line 14; give all its seeds "
      "in one [[trial]]");
}

TEST(SpecTest, SeedsAreNotNegative) {
  EXPECT_THAT(FaultsOf(Whole() + "seeds = [-1]\n"), HasSubstr("'seeds' is -1; it must lie in 0.."));
}

TEST(SpecTest, TextThatIsNotTomlNamesThePlace) { EXPECT_THAT(FaultsOf("name = \n"), StartsWith("s.toml:1:")); }

TEST(SpecTest, AbsentFileIsNotFound) {
  const Result<ExperimentSpec> spec = ReadSpec("experiments/no_such.toml");
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(spec.error().code, ErrorCode::kNotFound);
}

class ShippedSpecTest : public ::testing::TestWithParam<const char*> {
 protected:
  ExperimentSpec Read() const {
    Result<ExperimentSpec> spec = ReadSpec(std::string("experiments/") + GetParam() + ".toml");
    EXPECT_TRUE(spec.ok()) << spec.error().message;
    return spec.ok() ? *spec : ExperimentSpec();
  }
};

TEST_P(ShippedSpecTest, NamesOnlyDeclaredModelsAndDataSets) {
  const ExperimentSpec spec = Read();
  EXPECT_EQ(spec.name, GetParam());
  const Result<data::ModelCatalog> models = data::ReadModelCatalog("data/models.toml");
  const Result<data::DatasetCatalog> datasets = data::ReadDatasetCatalog("data/datasets.toml");
  ASSERT_TRUE(models.ok() && datasets.ok());
  for (const TrialSpec& trial : spec.trials) {
    const WorkloadSpec& workload = trial.workload;
    const Result<data::ModelEntry> model = models->Find(workload.model);
    const Result<data::DatasetEntry> dataset = datasets->Find(workload.dataset);
    ASSERT_TRUE(model.ok()) << model.error().message;
    ASSERT_TRUE(dataset.ok()) << dataset.error().message;
    EXPECT_EQ(dataset->role, data::DatasetRole::kEvaluation);
    EXPECT_EQ(dataset->classes, model->config.classes) << workload.model << " on " << workload.dataset;
    if (!workload.float_only) {
      const Result<data::DatasetEntry> calibration = datasets->Find(workload.calibration_dataset);
      ASSERT_TRUE(calibration.ok()) << calibration.error().message;
      EXPECT_NE(calibration->role, data::DatasetRole::kEvaluation);
      EXPECT_GE(calibration->count, workload.calibration_images);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ShippedSpecTest,
                         ::testing::Values("baselines", "baselines_quick", "latency", "table1", "table3", "liu_grids",
                                           "liu_seeds", "smoke"));

TEST(ShippedTable1Test, HasEveryModelAndDataSetOfThePaper) {
  const Result<ExperimentSpec> spec = ReadSpec("experiments/table1.toml");
  ASSERT_TRUE(spec.ok()) << spec.error().message;
  EXPECT_THAT(spec->published, ElementsAre("liu2021_table1"));
  const data::ModelCatalog models = *data::ReadModelCatalog("data/models.toml");
  const data::DatasetCatalog datasets = *data::ReadDatasetCatalog("data/datasets.toml");
  std::set<std::string> pairs;
  for (const TrialSpec& trial : spec->trials) {
    pairs.insert(models.Find(trial.workload.model)->title + " " + datasets.Find(trial.workload.dataset)->title);
  }
  // The distinct (model, dataset) pairs of results/published/liu2021_table1.csv.
  for (const char* pair : {"ViT-B CIFAR-10", "ViT-B CIFAR-100", "ViT-B ImageNet", "ViT-L CIFAR-10", "ViT-L CIFAR-100",
                           "ViT-L ImageNet", "DeiT-S ImageNet", "DeiT-B ImageNet"}) {
    EXPECT_EQ(pairs.count(pair), 1U) << pair;
  }
  // 11 workloads: a float row, four methods at two widths, the paper's own at five, and on each of the two embedded
  // ones two more.
  EXPECT_EQ(spec->trials.size(), 11U * (1 + 2 * 2 + 2 * 2 + 5) + 2 * 2);
}

}  // namespace
}  // namespace ptq::experiments
