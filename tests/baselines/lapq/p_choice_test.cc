#include "baselines/lapq/p_choice.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ptq::baselines::lapq {
namespace {

using Curve = std::function<double(double)>;

PChoice Choose(const Curve& curve) {
  return ChooseP(PGrid(), [&](double p) -> Result<double> { return curve(p); }).value();
}

TEST(PChoiceTest, TheGridIsTheOfficialOne) {
  const std::vector<double> grid = PGrid();
  ASSERT_EQ(grid.size(), 10U);
  EXPECT_EQ(grid.front(), 2);
  EXPECT_EQ(grid.back(), 4);
  EXPECT_NEAR(grid[1] - grid[0], 0.222, 1e-3);
}

TEST(PChoiceTest, FitsAParabolaExactlyOnAnyGrid) {
  const std::vector<double> p = {2, 2.1, 3.7, 4};
  std::vector<double> losses;
  for (const double each : p) {
    losses.push_back(2 * each * each - 11 * each + 5);
  }
  const Parabola fit = FitParabola(p, losses);
  EXPECT_NEAR(fit.c2, 2, 1e-12);
  EXPECT_NEAR(fit.vertex(), 2.75, 1e-12);
  const double t = 3 - fit.centre;
  EXPECT_NEAR(fit.c0 + fit.c1 * t + fit.c2 * t * t, 2 * 9 - 33 + 5, 1e-12);
}

// By hand, t = p - 3.5: c2 = sum (t^2 - 1.25) y / 4 = 0.875, c1 = sum t y / 5 = 0.65.
TEST(PChoiceTest, FitsByLeastSquares) {
  const Parabola fit = FitParabola({2, 3, 4, 5}, {1, 0, 0.5, 3});
  EXPECT_NEAR(fit.c2, 0.875, 1e-12);
  EXPECT_NEAR(fit.vertex(), 3.5 - 0.65 / 1.75, 1e-12);
}

TEST(PChoiceTest, TheVertexOfAParabola) {
  const PChoice choice = Choose([](double p) { return (p - 3.2) * (p - 3.2) + 1; });
  EXPECT_NEAR(choice.p, 3.2, 1e-9);
  EXPECT_NEAR(choice.loss, 1, 1e-9);
  EXPECT_EQ(choice.rule, "vertex");
}

TEST(PChoiceTest, AConcaveFitTakesTheGridsBest) {
  const PChoice choice = Choose([](double p) { return 5 - (p - 2.9) * (p - 2.9); });
  EXPECT_EQ(choice.p, 4);
  EXPECT_EQ(choice.rule, "grid: the parabola is concave");
}

TEST(PChoiceTest, EqualLossesTakeTheFirst) {
  const PChoice choice = Choose([](double) { return 1.1; });
  EXPECT_EQ(choice.p, 2);
  EXPECT_EQ(choice.rule, "grid: all losses are equal");
}

TEST(PChoiceTest, AVertexOutsideTheGridTakesTheGridsBest) {
  const PChoice choice = Choose([](double p) { return (p - 5) * (p - 5); });
  EXPECT_EQ(choice.p, 4);
  EXPECT_EQ(choice.rule, "grid: the vertex is outside 2..4");
}

TEST(PChoiceTest, AVertexThatIsWorseThanTheGridIsNotTaken) {
  // A spike down beside the middle of a bowl around 3.
  const double spike = PGrid()[3];
  const PChoice choice = Choose([=](double p) { return p == spike ? 0.0 : (p - 3) * (p - 3) + 1; });
  EXPECT_EQ(choice.p, spike);
  EXPECT_EQ(choice.loss, 0);
  EXPECT_EQ(choice.rule, "grid: the loss at the vertex is higher");
}

TEST(PChoiceTest, LossesThatAreNotFinite) {
  const PChoice choice = Choose([](double p) { return p > 3 ? std::nan("") : p; });
  EXPECT_EQ(choice.p, 2);
  EXPECT_EQ(choice.rule, "grid: a loss is not finite");
}

TEST(PChoiceTest, AsksForTheVertexOnlyWhereItMayBeTaken) {
  int calls = 0;
  const auto count = [&](double p, double sign) -> Result<double> {
    ++calls;
    return sign * (p - 3.2) * (p - 3.2);
  };
  ASSERT_TRUE(ChooseP(PGrid(), [&](double p) { return count(p, 1); }).ok());
  EXPECT_EQ(calls, 11);
  calls = 0;
  ASSERT_TRUE(ChooseP(PGrid(), [&](double p) { return count(p, -1); }).ok());
  EXPECT_EQ(calls, 10);
}

TEST(PChoiceTest, AnErrorEndsIt) {
  const auto choice = ChooseP(PGrid(), [](double) -> Result<double> { return Interrupted("stopped"); });
  ASSERT_FALSE(choice.ok());
  EXPECT_EQ(choice.error().code, ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace ptq::baselines::lapq
