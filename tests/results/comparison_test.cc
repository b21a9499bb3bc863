#include "results/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "results/comparison_text.h"
#include "tests/results/sample_trial.h"

namespace ptq::results {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ComparisonTest : public ::testing::Test {
 protected:
  std::string Insert(const TrialRecord& trial) {
    const Status inserted = store_.Insert(trial);
    EXPECT_TRUE(inserted.ok()) << inserted.error().ToString();
    return trial.trial_key;
  }
  EvaluatedTrial Read(const std::string& key) { return ReadEvaluated(store_, key).value(); }
  // 40 images: A has the first 30 right; B all of those but two, and one more.
  Comparison Sample() {
    TrialRecord b = SampleTrial("b", 40, 31, "kl|x");
    for (const int image : {3, 4}) std::swap(b.predictions[image].top[0], b.predictions[image].top[2]);
    b.parameters = "bins=2048";
    return Compare(Read(Insert(SampleTrial("a", 40, 30, "percentile"))), Read(Insert(b))).value();
  }
  Store store_ = Store::Open(TestFolder() + "/results.sqlite", Store::Mode::kReadWrite).value();
};

TEST(RightAnswersTest, AnImageWithoutALabelIsNeverRight) {
  Prediction none, one;
  one.top = {1, 2, 3, 4, 5};
  EXPECT_THAT(RightAnswers({one, one, none}, {1, 2, -1}), ElementsAre(true, false, false));
}

TEST_F(ComparisonTest, CountsAndFigures) {
  const Comparison comparison = Sample();
  EXPECT_EQ(comparison.counts.both, 28);
  EXPECT_EQ(comparison.counts.only_a, 2);
  EXPECT_EQ(comparison.counts.only_b, 1);
  EXPECT_EQ(comparison.counts.neither, 9);
  EXPECT_EQ(comparison.a.right, 30);
  EXPECT_EQ(comparison.b.right, 29);
  EXPECT_EQ(comparison.a.accuracy, 0.75);
  EXPECT_EQ(comparison.a.accuracy, comparison.a.summary.top1_fraction) << "as the store has it";
  EXPECT_EQ(comparison.b.accuracy, comparison.b.summary.top1_fraction);
  EXPECT_EQ(comparison.a.interval.low, WilsonInterval(30, 40).low);
  EXPECT_DOUBLE_EQ(comparison.difference, 1 / 40.0);
  EXPECT_EQ(comparison.p_value, 1);
  EXPECT_DOUBLE_EQ(comparison.same_answer, 37 / 40.0) << "nine wrong answers are the same";
  EXPECT_FALSE(comparison.is_separable());
  EXPECT_EQ(comparison.dataset, "set40");
}

TEST_F(ComparisonTest, OfATrialWithItself) {
  const EvaluatedTrial trial = Read(Insert(SampleTrial("a", 40, 30, "percentile")));
  const Comparison comparison = Compare(trial, trial).value();
  EXPECT_EQ(comparison.difference, 0);
  EXPECT_EQ(comparison.difference_interval.low, 0);
  EXPECT_EQ(comparison.difference_interval.high, 0);
  EXPECT_EQ(comparison.p_value, 1);
  EXPECT_EQ(comparison.same_answer, 1);
}

TEST_F(ComparisonTest, ReadsWhatWasStored) {
  const TrialRecord record = SampleTrial("a", 40, 30, "percentile");
  const EvaluatedTrial trial = Read(Insert(record));
  EXPECT_EQ(trial.dataset.name, record.dataset.name);
  EXPECT_EQ(trial.dataset.manifest_sha256, record.dataset.manifest_sha256);
  EXPECT_EQ(trial.dataset.image_ids, record.dataset.image_ids);
  EXPECT_EQ(trial.dataset.labels, record.dataset.labels);
  const MethodOutcomes outcomes = OutcomesOf({trial});
  EXPECT_EQ(outcomes[0].seed, record.seed);
  EXPECT_EQ(SummarizeSeeds(outcomes).mean, 0.75);
}

TEST_F(ComparisonTest, WhatCannotBeReadIsASentence) {
  EXPECT_EQ(ReadEvaluated(store_, "absent").error().code, ErrorCode::kNotFound);
  TrialRecord failed = SampleTrial("f", 40, 30, "percentile");
  failed.status = TrialStatus::kFailed;
  failed.reason = "the disk was full";
  failed.predictions.clear();
  const Result<EvaluatedTrial> read = ReadEvaluated(store_, Insert(failed));
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(read.error().message, HasSubstr("because it is failed: the disk was full"));
}

TEST_F(ComparisonTest, OtherImagesAreASentence) {
  const EvaluatedTrial a = Read(Insert(SampleTrial("a", 40, 30, "percentile")));
  const EvaluatedTrial more = Read(Insert(SampleTrial("b", 50, 30, "kl")));
  const Error number = Compare(a, more).error();
  EXPECT_EQ(number.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(number.message, HasSubstr("different numbers of images"));
  EXPECT_THAT(number.message, HasSubstr("percentile on set40, 40 images"));

  EvaluatedTrial other = a;
  other.dataset.manifest_sha256 = "another";
  EXPECT_THAT(Compare(a, other).error().message, HasSubstr("on different images, or on other versions of them"));
  other = a;
  other.dataset.image_ids[7] = "elsewhere";
  EXPECT_THAT(Compare(a, other).error().message, HasSubstr("image 7 is image7 for one and elsewhere for the other"));
  other = a;
  other.dataset.labels[7] = 3;
  EXPECT_THAT(Compare(a, other).error().message, HasSubstr("image7 has the label 7 for one and 3 for the other"));
}

TEST_F(ComparisonTest, Text) {
  EXPECT_EQ(Render(Sample(), ComparisonFormat::kText),
            R"(set40: 40 images

   trial         model      method            execution  seed  right     accuracy % [95 %]
------------------------------------------------------------------------------------------
A  ca978112ca1b  deit_tiny  percentile@1 8/8  simulated     0     30  75.00 [59.81, 85.81]
B  3e23e8160039  deit_tiny  kl|x@1 8/8        simulated     0     29  72.50 [57.17, 83.89]

A alone: percentile=0.999
B alone: bins=2048

images   B right  B wrong
-------------------------
A right       28        2
A wrong        1        9

A - B: +2.50 points [-5.00, +12.50] (95 %, paired bootstrap over images)
exact McNemar p: 1
same first answer: 92.50 % of the images
not separable: the interval of the difference contains 0.
)");
}

TEST_F(ComparisonTest, Markdown) {
  EXPECT_EQ(Render(Sample(), ComparisonFormat::kMarkdown),
            R"(## set40: 40 images

|  | trial | model | method | execution | seed | right | accuracy % [95 %] |
|---|---|---|---|---|---:|---:|---:|
| A | ca978112ca1b | deit_tiny | percentile@1 8/8 | simulated | 0 | 30 | 75.00 [59.81, 85.81] |
| B | 3e23e8160039 | deit_tiny | kl\|x@1 8/8 | simulated | 0 | 29 | 72.50 [57.17, 83.89] |

* A alone: percentile=0.999
* B alone: bins=2048

| images | B right | B wrong |
|---|---:|---:|
| A right | 28 | 2 |
| A wrong | 1 | 9 |

* A - B: +2.50 points [-5.00, +12.50] (95 %, paired bootstrap over images)
* exact McNemar p: 1
* same first answer: 92.50 % of the images
* not separable: the interval of the difference contains 0.
)");
}

TEST_F(ComparisonTest, TheVerdictFollowsTheInterval) {
  const EvaluatedTrial good = Read(Insert(SampleTrial("a", 40, 30, "percentile")));
  const EvaluatedTrial bad = Read(Insert(SampleTrial("b", 40, 3, "kl")));
  EXPECT_THAT(Render(Compare(good, bad).value(), ComparisonFormat::kText), HasSubstr("\nA is better: "));
  EXPECT_THAT(Render(Compare(bad, good).value(), ComparisonFormat::kText), HasSubstr("\nB is better: "));
}

TEST_F(ComparisonTest, JsonHasEveryFigure) {
  const Comparison comparison = Sample();
  const auto json = nlohmann::json::parse(Render(comparison, ComparisonFormat::kJson));
  EXPECT_EQ(json["schema_version"], 1);
  EXPECT_EQ(json["images"], 40);
  EXPECT_EQ(json["both_right"], 28);
  EXPECT_EQ(json["only_a_right"], 2);
  EXPECT_EQ(json["only_b_right"], 1);
  EXPECT_EQ(json["neither_right"], 9);
  EXPECT_EQ(json["a"]["trial_key"], comparison.a.summary.trial_key);
  EXPECT_EQ(json["a"]["top1_fraction"], 0.75);
  EXPECT_EQ(json["a"]["top1_interval"]["low"], comparison.a.interval.low);
  EXPECT_EQ(json["b"]["parameters"], "bins=2048");
  EXPECT_EQ(json["difference_interval"]["high"], comparison.difference_interval.high);
  EXPECT_EQ(json["mcnemar_p"], 1.0);
  EXPECT_EQ(json["same_answer_fraction"], comparison.same_answer);
  EXPECT_EQ(json["separable"], false);
}

TEST(ParseComparisonFormatTest, NamesTheChoices) {
  EXPECT_EQ(ParseComparisonFormat("markdown").value(), ComparisonFormat::kMarkdown);
  EXPECT_THAT(ParseComparisonFormat("csv").error().message, HasSubstr("table, markdown or json"));
}

}  // namespace
}  // namespace ptq::results
