#include "experiments/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ptq::experiments {
namespace {

using ::testing::HasSubstr;

class VerdictTest : public ::testing::Test {
 protected:
  VerdictTest() {
    model_.title = "DeiT-S";
    model_.sha256 = {"cd65a155"};
    dataset_.name = "imagenet_val";
    dataset_.title = row_.dataset = "ImageNet";
    dataset_.manifest_sha256 = "m";
    row_.model = "DeiT-S";
    row_.method = "Percentile";
    row_.w_bits = row_.a_bits = 8;
    row_.published = Published("ImageNet", 74.0);
    row_.trials.resize(2);
    for (results::TrialSummary& trial : row_.trials) {
      trial.weights_sha256 = "cd65a155" + std::string(56, '0');
      trial.dataset_manifest_sha256 = "m";
    }
    row_.interval = results::Interval{0.735, 0.745};
  }
  static results::PublishedRow Published(const std::string& dataset, double top1_percent) {
    results::PublishedRow value;
    value.model = "DeiT-S";
    value.dataset = dataset;
    value.method = "Percentile";
    value.w_bits = value.a_bits = 8;
    value.top1_percent = top1_percent;
    value.source = "a paper";
    value.confidence = "src";
    return value;
  }
  void Judged() { Judge(model_, dataset_, {Published("ImageNet", 74.0)}, "Percentile", row_); }

  data::ModelEntry model_;
  data::DatasetEntry dataset_;
  results::TableRow row_;
};

TEST_F(VerdictTest, TheSameThingIsJudgedByTheInterval) {
  Judged();
  EXPECT_EQ(row_.verdict, "agrees");
  EXPECT_THAT(row_.verdict_reason, HasSubstr("a paper 74.00 lies in our 95 % interval [73.50, 74.50]"));
  row_.interval = results::Interval{0.7401, 0.75};
  Judged();
  EXPECT_EQ(row_.verdict, "higher");
  row_.interval = results::Interval{0.74003, 0.75};
  Judged();
  EXPECT_EQ(row_.verdict, "agrees") << "the published figure is rounded";
  row_.interval = results::Interval{0.72, 0.7399};
  Judged();
  EXPECT_EQ(row_.verdict, "lower");
}

TEST_F(VerdictTest, WithoutEqualHashesThereIsAReasonAndNoVerdict) {
  const results::TableRow good = row_;
  const auto refused = [this](const std::string& reason) {
    Judged();
    EXPECT_EQ(row_.verdict, "not comparable");
    EXPECT_THAT(row_.verdict_reason, HasSubstr(reason));
  };
  row_.trials[1].weights_sha256 = std::string(64, 'a');
  refused("the weights (aaaaaaaaaaaa...) are not those declared for DeiT-S");
  row_ = good;
  row_.trials[0].dataset_manifest_sha256 = "other";
  refused("the images (manifest other...) are not those declared for imagenet_val");
  row_ = good;
  row_.warning = "FLOAT32 IS OFF";
  refused("float32 itself is off");
  row_ = good;
  dataset_.manifest_sha256.clear();
  refused("no manifest hash of imagenet_val is declared");
  model_.sha256.clear();
  refused("no hash of the weights of DeiT-S is declared");
}

TEST_F(VerdictTest, AValueOfOtherImagesIsToldAndOneOfNobodyIsNot) {
  row_.published.reset();
  row_.dataset = "ImageNet val subset (1300)";
  Judged();
  EXPECT_EQ(row_.verdict, "not comparable");
  EXPECT_EQ(row_.verdict_reason, "published on ImageNet; ImageNet val subset (1300) are other images");
  row_.verdict.clear();
  row_.w_bits = 4;
  Judged();
  EXPECT_EQ(row_.verdict, "");
  row_.w_bits = 8;
  row_.interval.reset();
  Judged();
  EXPECT_EQ(row_.verdict, "") << "nothing measured";
}

}  // namespace
}  // namespace ptq::experiments
