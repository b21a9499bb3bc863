#include "experiments/float_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ptq::experiments {
namespace {

using ::testing::HasSubstr;

data::ModelEntry Model() {
  data::ModelEntry model;
  model.title = "M";
  model.reference_top1 = 72.21;
  model.reference_source = "a paper";
  model.float_references = {{"subset", 80.77, 0.1, "my run"}};
  return model;
}

data::DatasetEntry Dataset(const char* name, const char* title) {
  data::DatasetEntry dataset;
  dataset.name = name;
  dataset.title = title;
  return dataset;
}

TEST(FloatGateTest, WarnsBeyondTheToleranceAlone) {
  const data::DatasetEntry subset = Dataset("subset", "Subset");
  for (const double fine : {0.8077, 0.8067, 0.8087}) {
    EXPECT_EQ(FloatWarning(Model(), subset, fine), "") << fine;
  }
  for (const double off : {0.8066, 0.8088, 0.0}) {
    const std::string warning = FloatWarning(Model(), subset, off);
    EXPECT_THAT(warning, HasSubstr("FLOAT32 IS OFF: M on Subset")) << off;
    EXPECT_THAT(warning, HasSubstr("80.77 +- 0.10 % (my run)"));
  }
}

TEST(FloatGateTest, ThePublishedFigureHoldsOnTheFullSetAlone) {
  EXPECT_EQ(FloatWarning(Model(), Dataset("imagenet_val", "ImageNet"), 0.7210), "");
  EXPECT_THAT(FloatWarning(Model(), Dataset("imagenet_val", "ImageNet"), 0.7150),
              HasSubstr("72.21 +- 0.15 % (a paper)"));
  EXPECT_EQ(FloatWarning(Model(), Dataset("other", "Other"), 0.1), "") << "nothing is declared";
}

}  // namespace
}  // namespace ptq::experiments
