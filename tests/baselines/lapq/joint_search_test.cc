#include "baselines/lapq/joint_search.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ptq::baselines::lapq {
namespace {

using Point = std::vector<double>;

MinimizeOptions Options(int64_t evaluations) {
  MinimizeOptions options;
  options.evaluations = evaluations;
  options.step = 1;
  options.x_tolerance = 0.01;
  options.f_tolerance = 1e-4;
  options.bound = 2;
  return options;
}

const auto kQuiet = [](const JointResult&) {};

// Least at (0.5, -0.3): 1.
Result<double> Bowl(const Point& x) { return 1 + std::pow(x[0] - 0.5, 2) + std::pow(x[1] + 0.3, 2); }

TEST(JointSearchTest, EveryImprovementCountsWithoutHeldOutImages) {
  const JointResult found = SearchJointly(2, Bowl, nullptr, Options(60), kQuiet).value();
  EXPECT_NEAR(found.start_loss, 1.34, 1e-12);
  EXPECT_LT(found.loss, 1.0001);
  EXPECT_NEAR(found.x[0], 0.5, 0.02);
  EXPECT_GT(found.accepted, 0);
  EXPECT_EQ(found.rejected, 0);
  EXPECT_EQ(found.held_out_evaluations, 0);
}

TEST(JointSearchTest, HeldOutImagesThatAgreeChangeNothing) {
  const JointResult alone = SearchJointly(2, Bowl, nullptr, Options(60), kQuiet).value();
  const JointResult agreed = SearchJointly(2, Bowl, Bowl, Options(60), kQuiet).value();
  EXPECT_EQ(agreed.x, alone.x);
  EXPECT_EQ(agreed.rejected, 0);
  EXPECT_EQ(agreed.held_out_evaluations, agreed.accepted + 1) << "asked at the start and at each improvement";
}

// The fitted loss falls along the first coordinate, where the held-out one rises: overfitting.
TEST(JointSearchTest, AnImprovementThatWorsensTheHeldOutLossIsNotKept) {
  const auto held_out = [](const Point& x) -> Result<double> { return 2 + std::abs(x[0]) + std::pow(x[1] + 0.3, 2); };
  const JointResult found = SearchJointly(2, Bowl, held_out, Options(120), kQuiet).value();
  EXPECT_GT(found.rejected, 0);
  EXPECT_GT(found.accepted, 0) << "the second coordinate helps both";
  EXPECT_LE(found.held_out_loss, found.start_held_out_loss);
  EXPECT_LT(found.loss, found.start_loss);
  EXPECT_LT(std::abs(found.x[0]), 0.1);
  EXPECT_NEAR(found.x[1], -0.3, 0.05);
  EXPECT_EQ(found.held_out_loss, *held_out(found.x));
  EXPECT_EQ(found.loss, *Bowl(found.x));
}

TEST(JointSearchTest, NothingIsKeptWhereEverythingWorsensTheHeldOutLoss) {
  const auto held_out = [](const Point& x) -> Result<double> { return x == Point(2, 0.0) ? 1.0 : 3.0; };
  const JointResult found = SearchJointly(2, Bowl, held_out, Options(50), kQuiet).value();
  EXPECT_EQ(found.x, Point(2, 0.0));
  EXPECT_EQ(found.loss, found.start_loss);
  EXPECT_EQ(found.accepted, 0);
  EXPECT_GT(found.rejected, 0);
}

TEST(JointSearchTest, TheBestNeverGetsWorse) {
  const auto jagged = [](const Point& x) -> Result<double> { return *Bowl(x) + 0.05 * std::sin(300 * (x[0] + x[1])); };
  const auto held_out = [](const Point& x) -> Result<double> { return *Bowl(x) + 0.05 * std::sin(170 * x[0] - x[1]); };
  double loss = HUGE_VAL, held_out_loss = HUGE_VAL;
  int64_t evaluations = 0;
  const auto check = [&](const JointResult& state) {
    EXPECT_LE(state.loss, loss);
    EXPECT_LE(state.held_out_loss, held_out_loss);
    loss = state.loss;
    held_out_loss = state.held_out_loss;
    EXPECT_EQ(state.evaluations, ++evaluations);
  };
  const JointResult found = SearchJointly(2, jagged, held_out, Options(80), check).value();
  EXPECT_EQ(found.loss, loss);
  EXPECT_EQ(found.evaluations, evaluations);
  EXPECT_LE(evaluations, 80);
  EXPECT_GT(found.accepted + found.rejected, 1);
}

TEST(JointSearchTest, AnErrorOfEitherLossEndsIt) {
  const auto failing = [](const Point& x) -> Result<double> {
    return x == Point(2, 0.0) ? Result<double>(1.0) : Result<double>(Interrupted("stopped"));
  };
  for (const auto& [fitted, held_out] : {std::pair<Objective, Objective>{failing, nullptr}, {Bowl, failing}}) {
    const auto found = SearchJointly(2, fitted, held_out, Options(50), kQuiet);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, ErrorCode::kInterrupted);
  }
}

}  // namespace
}  // namespace ptq::baselines::lapq
