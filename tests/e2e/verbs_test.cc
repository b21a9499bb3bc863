// The other verbs of the shipped binary, and what it says to nonsense.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/e2e/program.h"
#include "tests/e2e/small_data.h"

namespace ptq::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class VerbsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = FreshFolder(::testing::UnitTest::GetInstance()->current_test_info()->name());
    datasets_ = WriteSmallData(folder_);
  }
  Outcome Call(std::vector<std::string> args) const {
    args.insert(args.end(), {"--datasets", datasets_, "--data-root", folder_, "--db", folder_ + "/r.sqlite"});
    return RunProgram(args);
  }
  Outcome Quantize(const std::string& out, const std::string& method = "min_max") const {
    return Call({"quantize", "--model", "micro_vit", "--method", method, "--bits", "W8A8", "--calibration-dataset",
                 "small_calibration", "--calibration-images", "8", "--out", out});
  }
  std::string folder_, datasets_;
};

TEST_F(VerbsTest, BuildUsesTheOpenMpBlas) {
  const Outcome build = Call({"describe", "build"});
  ASSERT_EQ(build.exit_code, 0) << build.err;
  for (const char* field :
       {"revision", "compiler", "flags", "LibTorch", "BLAS", "oneDNN", "CPU features", "threads", "-O3"}) {
    EXPECT_THAT(build.out, HasSubstr(field));
  }
  EXPECT_THAT(build.out, Not(HasSubstr("reference BLAS"))) << "the default BLAS is forty times slower";
  EXPECT_THAT(build.out, HasSubstr("OpenBLAS (OpenMP)"));
}

TEST_F(VerbsTest, ListsAndDescribes) {
  EXPECT_THAT(Call({"list", "methods"}).out, HasSubstr("percentile@"));
  EXPECT_THAT(Call({"list", "methods"}).out, Not(HasSubstr("skeleton")));
  EXPECT_THAT(Call({"list", "models"}).out, HasSubstr("deit_tiny_patch16_224"));
  EXPECT_THAT(Call({"list", "datasets"}).out, HasSubstr("small_test"));
  EXPECT_THAT(Call({"list", "experiments"}).out, HasSubstr("table1"));
  EXPECT_THAT(Call({"describe", "percentile"}).out, HasSubstr("0.9999"));
  EXPECT_THAT(Call({"describe", "micro_vit"}).out, HasSubstr("multiply-accumulates"));
  EXPECT_THAT(Call({"describe", "small_test"}).out, HasSubstr("100 images"));
  EXPECT_THAT(Call({"describe", "table1"}).out, HasSubstr("liu2021_table1"));
  const Outcome unknown = Call({"describe", "percentil"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean 'percentile'"));
}

TEST_F(VerbsTest, UsageErrorsExitWithTwo) {
  EXPECT_EQ(Call({}).exit_code, 2);
  EXPECT_EQ(Call({"frobnicate"}).exit_code, 2);
  EXPECT_EQ(Call({"run"}).exit_code, 2);
  EXPECT_EQ(Call({"run", "table1", "--no-such-flag"}).exit_code, 2);
  EXPECT_EQ(Call({"run", "tabel1"}).exit_code, 2);
  EXPECT_THAT(Call({"run", "tabel1"}).err, HasSubstr("did you mean 'table1'"));
  EXPECT_EQ(Call({"check", "table1", "--threads", "-1"}).exit_code, 2);
  EXPECT_EQ(Call({"--help"}).exit_code, 0);
}

TEST_F(VerbsTest, EveryFaultOfASpecIsToldWithItsPlace) {
  WriteText(folder_ + "/bad.toml", R"(name = "bad"
question = "?"
seeds = [0]
[[workload]]
model = "micro_vitt"
dataset = "small_test"
calibration_dataset = "small_test"
calibration_images = 8
[[workload]]
model = "micro_vit"
dataset = "small_test"
calibration_dataset = "small_calibration"
calibration_images = 21
[[trial]]
method = "percentil"
bits = "W8A8"
)");
  const Outcome bad = Call({"check", folder_ + "/bad.toml"});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.err, HasSubstr("micro_vitt"));
  EXPECT_THAT(bad.err, HasSubstr("percentil"));
  EXPECT_THAT(bad.err, HasSubstr("bad.toml:"));
}

TEST_F(VerbsTest, EvaluationImagesNeverCalibrate) {
  const Outcome refused = Call({"quantize", "--model", "micro_vit", "--method", "min_max", "--calibration-dataset",
                                "small_test", "--out", folder_ + "/p.safetensors"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("evaluation set"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/p.safetensors"));
}

TEST_F(VerbsTest, PredictWritesEveryImage) {
  const std::string csv = folder_ + "/predictions.csv";
  const Outcome predicted = Call({"predict", "--model", "micro_vit", "--dataset", "small_test", "--out", csv});
  ASSERT_EQ(predicted.exit_code, 0) << predicted.err;
  const std::string text = ReadText(csv);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 101);
  EXPECT_THAT(text, HasSubstr("path,label,class1,logit1"));
  EXPECT_THAT(text, HasSubstr("\n1000.png,"));
}

// The file holds four bits a code, and predicts what model and plan predict, to the last digit.
TEST_F(VerbsTest, ExportPacksTheBitsOfThePlan) {
  const std::string plan = folder_ + "/w4.safetensors", packed = folder_ + "/packed.safetensors";
  ASSERT_EQ(Call({"quantize", "--model", "micro_vit", "--method", "min_max", "--bits", "W4A8", "--calibration-dataset",
                  "small_calibration", "--calibration-images", "8", "--out", plan})
                .exit_code,
            0);
  const Outcome made = Call({"export", "--model", "micro_vit", "--plan", plan, "--out", packed});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("4.000 bits a code"));
  EXPECT_THAT(made.out, HasSubstr("every code is the plan's"));
  const auto weights = std::filesystem::file_size(packed);
  EXPECT_LT(weights, 4'820'000 / 6) << "float32 takes 4.82 MB";
  for (const char* name : {"/a.csv", "/b.csv"}) {
    std::vector<std::string> args = {"predict", "--dataset", "small_test", "--out", folder_ + name};
    const std::vector<std::string> what = name[1] == 'a'
                                              ? std::vector<std::string>{"--packed", packed}
                                              : std::vector<std::string>{"--model", "micro_vit", "--plan", plan};
    args.insert(args.end(), what.begin(), what.end());
    const Outcome predicted = Call(args);
    ASSERT_EQ(predicted.exit_code, 0) << predicted.err;
  }
  EXPECT_EQ(ReadText(folder_ + "/a.csv"), ReadText(folder_ + "/b.csv"));
}

TEST_F(VerbsTest, ExportSaysWhatIsWrong) {
  const std::string plan = folder_ + "/plan.safetensors", packed = folder_ + "/packed.safetensors";
  ASSERT_EQ(Quantize(plan).exit_code, 0);
  EXPECT_EQ(Call({"export", "--model", "micro_deit", "--plan", plan, "--out", packed}).exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(packed));
  EXPECT_EQ(Call({"export", "--model", "micro_vit", "--plan", plan, "--out", folder_ + "/no/where"}).exit_code, 3);
  const std::string csv = folder_ + "/p.csv";
  EXPECT_EQ(
      Call({"predict", "--packed", plan, "--model", "micro_vit", "--dataset", "small_test", "--out", csv}).exit_code,
      2);
  EXPECT_EQ(Call({"predict", "--dataset", "small_test", "--out", csv}).exit_code, 2);
  const Outcome not_packed = Call({"predict", "--packed", plan, "--dataset", "small_test", "--out", csv});
  EXPECT_EQ(not_packed.exit_code, 3);
  EXPECT_THAT(not_packed.err, HasSubstr("ptqbench export"));
  ASSERT_EQ(Call({"export", "--model", "micro_vit", "--plan", plan, "--out", packed}).exit_code, 0);
  const std::string whole = ReadText(packed);
  WriteText(packed, whole.substr(0, whole.size() / 2));
  const Outcome cut = Call({"predict", "--packed", packed, "--dataset", "small_test", "--out", csv});
  EXPECT_EQ(cut.exit_code, 3);
  EXPECT_THAT(cut.err, HasSubstr("packed.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(csv));
}

TEST_F(VerbsTest, PlansAreReproducibleAndRun) {
  const std::string plan = folder_ + "/plan.safetensors";
  const Outcome made = Quantize(plan);
  ASSERT_EQ(made.exit_code, 0) << made.err;
  ASSERT_EQ(Quantize(folder_ + "/again.safetensors").exit_code, 0);
  EXPECT_EQ(ReadText(plan), ReadText(folder_ + "/again.safetensors"));
  const Outcome ran =
      Call({"predict", "--model", "micro_vit", "--plan", plan, "--dataset", "small_test", "--out", folder_ + "/q.csv"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  const Outcome other = Call(
      {"predict", "--model", "micro_deit", "--plan", plan, "--dataset", "small_test", "--out", folder_ + "/o.csv"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/o.csv"));
  WriteText(folder_ + "/noise.safetensors", std::string(64, 'x'));
  const Outcome noise = Call({"predict", "--model", "micro_vit", "--plan", folder_ + "/noise.safetensors", "--dataset",
                              "small_test", "--out", folder_ + "/n.csv"});
  EXPECT_EQ(noise.exit_code, 3) << noise.err;
  EXPECT_THAT(noise.err, HasSubstr("noise.safetensors"));
}

TEST_F(VerbsTest, BitsOfQuantizeAreReadAsInASpec) {
  const auto quantize = [this](const std::string& bits) {
    return Call({"quantize", "--model", "micro_vit", "--method", "min_max", "--bits", bits, "--calibration-dataset",
                 "small_calibration", "--calibration-images", "8", "--out", folder_ + "/p.safetensors"});
  };
  for (const char* bits : {"W8", "w8a8", "W8A1", "W8A8x", "W8A8MP"}) {
    const Outcome refused = quantize(bits);
    EXPECT_EQ(refused.exit_code, 2) << bits;
    EXPECT_THAT(refused.err, HasSubstr("--bits is '" + std::string(bits) + "'; write W<bits>A<bits>")) << bits;
  }
  const Outcome unequal = quantize("W8A6 MP");
  EXPECT_EQ(unequal.exit_code, 2);
  EXPECT_THAT(unequal.err, HasSubstr("write equal bits"));
  const Outcome cannot = quantize("W8A8 MP");
  EXPECT_EQ(cannot.exit_code, 3) << cannot.err;
  EXPECT_THAT(cannot.err, HasSubstr("min_max uses the same bits everywhere"));
}

TEST_F(VerbsTest, DescribesAPlanFile) {
  const std::string plan = folder_ + "/plan.safetensors";
  ASSERT_EQ(Quantize(plan).exit_code, 0);
  const Outcome described = Call({"describe", "plan", plan});
  ASSERT_EQ(described.exit_code, 0) << described.err;
  for (const char* text : {"min_max@1", "micro_vit", "weight_bits=8", "as the paper counts", "corrected bias",
                           "blocks.5.mlp.fc2", "symmetric_full 8 bits, per_tensor scale"}) {
    EXPECT_THAT(described.out, HasSubstr(text));
  }
  EXPECT_THAT(described.out, Not(HasSubstr("not known")));
  EXPECT_THAT(described.out, Not(HasSubstr("Pareto")));
  WriteText(folder_ + "/noise.safetensors", std::string(64, 'x'));
  const Outcome noise = Call({"describe", "plan", folder_ + "/noise.safetensors"});
  EXPECT_EQ(noise.exit_code, 3);
  EXPECT_THAT(noise.err, HasSubstr("noise.safetensors"));
}

TEST_F(VerbsTest, WhatFewMethodsDoIsToldEverywhere) {
  const std::string plan = folder_ + "/plan.safetensors";
  const auto quantize = [&](const std::string& picture_bits) {
    return Call({"quantize", "--model", "micro_vit", "--method", "fq_vit", "--weight-granularity", "per_channel",
                 "--patch-input-bits", picture_bits, "--calibration-dataset", "small_calibration",
                 "--calibration-images", "8", "--out", plan});
  };
  const Outcome illegal = quantize("17");
  EXPECT_EQ(illegal.exit_code, 2);
  EXPECT_THAT(illegal.err, HasSubstr("patch_input_bits is 17; it must lie in 2..16, or be 32 (float)"));
  const Outcome made = quantize("32");
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("simulated only: log2"));
  const Outcome of_file = Call({"describe", "plan", plan});
  ASSERT_EQ(of_file.exit_code, 0) << of_file.err;
  EXPECT_THAT(of_file.out, HasSubstr("patch_input_bits=32"));

  const std::string spec = folder_ + "/few.toml";
  WriteText(spec, R"(name = "few"
question = "What do few methods do?"
seeds = [0]
[[workload]]
model = "micro_vit"
dataset = "small_test"
calibration_dataset = "small_calibration"
calibration_images = 8
[[trial]]
method = ["fq_vit", "min_max"]
bits = "W8A8"
scheme = { weight_granularity = "per_channel", patch_input_bits = 32 }
)");
  const Outcome ran = Call({"run", spec});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("FQ-ViT per_channel float input"));
  EXPECT_THAT(ran.out, HasSubstr("sim\n"));
  EXPECT_THAT(ran.out, HasSubstr("simulated only: log2"));
  const std::string database = folder_ + "/r.sqlite";
  EXPECT_EQ(Query(database, "SELECT method, simulated_only FROM v_trial ORDER BY method"),
            (std::vector<std::string>{"float32|0", "fq_vit|1", "min_max|0"}));
  const std::string key = Query(database, "SELECT trial_key FROM v_trial WHERE method = 'fq_vit'")[0];
  const Outcome of_trial = Call({"describe", "plan", key});
  ASSERT_EQ(of_trial.exit_code, 0) << of_trial.err;
  for (const Outcome& described : {of_file, of_trial}) {
    EXPECT_THAT(described.out, HasSubstr("simulated only       log2 (no integer kernel can run it)"));
    EXPECT_THAT(described.out, HasSubstr("\nLayerNorm"));
    EXPECT_THAT(described.out, HasSubstr("blocks.0.norm1 "));
    EXPECT_THAT(described.out, HasSubstr("patch_embed.proj    float32 "));
  }
  EXPECT_THAT(Call({"report", spec, "--format", "csv"}).out, HasSubstr(",simulated only,"));
}

TEST_F(VerbsTest, DescribesThePlanOfAStoredTrial) {
  const Outcome nothing = Call({"describe", "plan", "0123456789"});
  EXPECT_EQ(nothing.exit_code, 3) << "there is no store";
  const std::string spec = WriteSmallSpec(folder_);
  ASSERT_EQ(Call({"run", spec}).exit_code, 0);
  const std::string database = folder_ + "/r.sqlite";
  const std::string key = Query(database, "SELECT trial_key FROM v_trial WHERE method = 'percentile' LIMIT 1")[0];
  for (const std::string& name : {key, key.substr(0, 10)}) {
    const Outcome described = Call({"describe", "plan", name});
    ASSERT_EQ(described.exit_code, 0) << described.err;
    for (const std::string& text : {key, std::string("percentile@1"), std::string("small_test"), std::string("done"),
                                    std::string("blocks.5.attn.pv"), std::string("MB")}) {
      EXPECT_THAT(described.out, HasSubstr(text));
    }
    EXPECT_THAT(described.out, Not(HasSubstr("corrected bias"))) << "the store does not know";
  }
  const Outcome absent = Call({"describe", "plan", "0123456789"});
  EXPECT_EQ(absent.exit_code, 2);
  EXPECT_THAT(absent.err, HasSubstr("no stored trial has a key that begins with '0123456789'"));
  const Outcome few = Call({"describe", "plan", key.substr(0, 5)});
  EXPECT_EQ(few.exit_code, 2);
  EXPECT_THAT(few.err, HasSubstr("first 6 or more hex digits"));
}

TEST_F(VerbsTest, DescribeTakesAPlanAfterPlanOnly) {
  const Outcome nothing = Call({"describe", "plan"});
  EXPECT_EQ(nothing.exit_code, 2);
  EXPECT_THAT(nothing.err, HasSubstr("needs a plan file or the key"));
  EXPECT_EQ(Call({"describe", "min_max", "x"}).exit_code, 2);
  EXPECT_EQ(Call({"describe", "min_max", "--front"}).exit_code, 2);
}

TEST_F(VerbsTest, AForeignCheckpointFileIsNamedAndCanBePassedBy) {
  const std::string foreign = folder_ + "/r.sqlite.calibration";
  const std::string text = "a text of some length that somebody put here by mistake, no database at all";
  WriteText(foreign, text);
  const Outcome refused = Quantize(folder_ + "/p.safetensors");
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("r.sqlite.calibration"));
  EXPECT_THAT(refused.err, HasSubstr("it only saves time: delete it"));
  const std::string spec = WriteSmallSpec(folder_);
  EXPECT_EQ(Call({"run", spec}).exit_code, 3);
  EXPECT_EQ(Call({"run", spec, "--no-checkpoint"}).exit_code, 0);
  EXPECT_EQ(Query(folder_ + "/r.sqlite", "SELECT count(*) FROM v_trial WHERE status = 'failed'")[0], "0");
  EXPECT_EQ(ReadText(foreign), text);
}

TEST_F(VerbsTest, OutputFileThatCannotBeWrittenIsASentence) {
  const Outcome refused = Quantize("/proc/no/such/plan.safetensors");
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("/proc/no/such"));
}

TEST_F(VerbsTest, VerifySaysWhatIsMissing) {
  const Outcome embedded = Call({"verify", "data", "micro_vit", "micro_deit", "embedded_test", "small_test"});
  EXPECT_EQ(embedded.exit_code, 0) << embedded.out << embedded.err;
  const Outcome absent = Call({"verify", "data", "imagenet_val"});
  EXPECT_EQ(absent.exit_code, 3);
  EXPECT_THAT(absent.out, HasSubstr("absent"));
  EXPECT_EQ(Call({"verify", "data", "imagenet_vall"}).exit_code, 2);
}

TEST_F(VerbsTest, ContactSheetIsAPicture) {
  const std::string png = folder_ + "/sheet.png";
  ASSERT_EQ(Call({"contact-sheet", "--dataset", "small_test", "--columns", "5", "--out", png}).exit_code, 0);
  EXPECT_EQ(ReadText(png).substr(1, 3), "PNG");
}

TEST_F(VerbsTest, SensitivityIsMeasuredStoredAndShown) {
  const std::vector<std::string> verb = {
      "sensitivity",          "--model", "micro_vit", "--bits", "8,4", "--by", "kind", "--images", "20",
      "--calibration-images", "8"};
  const Outcome study = Call(verb);
  ASSERT_EQ(study.exit_code, 0) << study.err;
  EXPECT_THAT(study.out, HasSubstr("20 images of "));
  EXPECT_THAT(study.out, HasSubstr("attn.qkv"));
  const std::string database = folder_ + "/r.sqlite";
  EXPECT_EQ(Query(database, "SELECT count(*) FROM sensitivity_cell")[0], "16");
  EXPECT_EQ(Query(database,
                  "SELECT min(num_bits) FROM sensitivity_cell WHERE signal_to_noise_db = "
                  "(SELECT min(signal_to_noise_db) FROM sensitivity_cell)")[0],
            "4");
  EXPECT_EQ(Call(verb).out, study.out);
  EXPECT_EQ(Call({"sensitivity", "--model", "micro_vit", "--by", "colour"}).exit_code, 2);
  EXPECT_EQ(Call({"sensitivity", "--model", "micro_vit", "--bits", "1"}).exit_code, 2);
  EXPECT_EQ(Call({"sensitivity", "--model", "micro_vit", "--images", "0"}).exit_code, 2);
  const Outcome folded = Call({"sensitivity", "--model", "micro_vit", "--method", "repq_vit", "--images", "5"});
  EXPECT_EQ(folded.exit_code, 3) << folded.err;
  EXPECT_THAT(folded.err, HasSubstr("repq_vit"));
}

TEST_F(VerbsTest, FilesAreMergedExportedAndChecked) {
  const std::string spec = WriteSmallSpec(folder_, "[0]");
  ASSERT_EQ(Call({"run", spec}).exit_code, 0);
  const std::string database = folder_ + "/r.sqlite", other = folder_ + "/other.sqlite";
  const Outcome merged = Call({"db", "merge", other, database});
  ASSERT_EQ(merged.exit_code, 0) << merged.err;
  EXPECT_THAT(merged.out, HasSubstr("5 trials added, 0 there before"));
  EXPECT_EQ(StoredContent(other), StoredContent(database));
  EXPECT_THAT(Call({"db", "merge", other, database}).out, HasSubstr("0 trials added, 5 there before"));
  const std::string csv = Call({"db", "export", "csv"}).out;
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 6);
  EXPECT_THAT(Call({"db", "export", "json"}).out, HasSubstr("\"method\""));
  EXPECT_EQ(Call({"db", "export", "xml"}).exit_code, 2);
  EXPECT_EQ(Call({"db", "check"}).exit_code, 0);
  EXPECT_EQ(Call({"db", "merge", other, folder_ + "/absent.sqlite"}).exit_code, 3);
}

}  // namespace
}  // namespace ptq::e2e
