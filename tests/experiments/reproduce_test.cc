#include "experiments/reproduce.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace ptq::experiments {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

results::TrialRecord Record() {
  results::TrialRecord record;
  record.trial_key = "k";
  record.operands = {{"head", "left", "affine", 8, "per_tensor", -1, {0.5f}, {3}},
                     {"head", "right", "symmetric_full", 8, "per_channel", 0, {1.0f, 0.25f}, {0, 0}}};
  record.norm_inputs = {{"norm", "", "log2", 4, "per_tensor", -1, {1.0f}, {0}}};
  record.dataset.image_ids = {"a.png", "b.png", "c.png"};
  record.predictions.resize(3);
  record.predictions[1].top = {4, 3, 2, 1, 0};
  record.notes = {{"evaluations", "412"}};
  record.build.revision = "abc";
  record.calibrate_seconds = 1;
  return record;
}

TEST(ReproduceTest, EqualAttemptsMatchWhateverTheyCost) {
  results::TrialRecord now = Record();
  now.calibrate_seconds = 9;
  now.peak_rss_bytes = 5;
  now.finished_utc = "later";
  now.notes["worst_ops"] = "head 2.1 dB";
  const Reproduction result = CompareAttempts(Record(), now);
  EXPECT_TRUE(result.matches());
  EXPECT_EQ(result.equal_predictions, 3);
  EXPECT_EQ(result.images, 3);
  EXPECT_EQ(result.equal_operands, 3);
  EXPECT_EQ(result.operands, 3);
  EXPECT_THAT(result.other_circumstances, IsEmpty());
}

TEST(ReproduceTest, OneBitOfAScaleIsADifference) {
  results::TrialRecord now = Record();
  now.operands[1].scale[1] = std::nextafter(0.25f, 1.0f);
  const Reproduction result = CompareAttempts(Record(), now);
  EXPECT_THAT(result.differences, ElementsAre("1 of 2 operands differ, the first of them head.right"));
  EXPECT_EQ(result.equal_operands, 2);
}

TEST(ReproduceTest, EveryOtherDifferenceIsTold) {
  results::TrialRecord now = Record();
  now.predictions[1].top[4] = 9;
  now.norm_inputs.clear();
  now.notes["evaluations"] = "413";
  now.allocation_json = "{}";
  now.size_bytes = 3;
  EXPECT_THAT(CompareAttempts(Record(), now).differences,
              ElementsAre(HasSubstr("1 LayerNorm inputs are stored, 0 came out"),
                          "the five classes of 1 of 3 images differ, the first of them b.png", HasSubstr("notes"),
                          HasSubstr("choice of bits"), HasSubstr("size")));
  results::TrialRecord failed = Record();
  failed.status = results::TrialStatus::kFailed;
  failed.reason = "no memory";
  EXPECT_THAT(CompareAttempts(Record(), failed).differences, ElementsAre("it was done and is failed (no memory)"));
}

TEST(ReproduceTest, OtherCircumstancesAreToldAndNoDifference) {
  results::TrialRecord now = Record();
  now.build.revision = "def-dirty";
  now.threads = 4;
  const Reproduction result = CompareAttempts(Record(), now);
  EXPECT_TRUE(result.matches());
  EXPECT_THAT(result.other_circumstances, ElementsAre("revision: abc then, def-dirty now", "threads: 1 then, 4 now"));
}

}  // namespace
}  // namespace ptq::experiments
