#include "core/search/interval_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace ptq::search {
namespace {

quant::QuantParams Params(float scale) {
  quant::QuantParams params;
  params.scale = {scale};
  params.zero_point = {0};
  return params;
}

// A smooth objective with its maximum where left = 0.9 and right part p = 0.7 + 0.1 p, tied together by `coupling`.
class Bowl final : public IntervalObjective {
 public:
  explicit Bowl(size_t parts = 1, double coupling = 0) : parts_(parts), coupling_(coupling) {}

  size_t right_parts() const override { return parts_; }
  Result<std::vector<double>> ScoreLefts(const std::vector<quant::QuantParams>& lefts,
                                         const std::vector<quant::QuantParams>& right) override {
    ++left_searches;
    std::vector<double> scores;
    for (const quant::QuantParams& left : lefts) {
      double sum = 0;
      for (size_t p = 0; p < parts_; ++p) {
        sum += Of(left.scale[0], right[p].scale[0], p);
      }
      scores.push_back(sum / static_cast<double>(parts_));
    }
    return scores;
  }
  Result<std::vector<std::vector<double>>> ScoreRights(
      const quant::QuantParams& left, const std::vector<std::vector<quant::QuantParams>>& rights) override {
    ++right_searches;
    std::vector<std::vector<double>> scores;
    for (const auto& right : rights) {
      std::vector<double>& of_parts = scores.emplace_back();
      for (size_t p = 0; p < parts_; ++p) {
        of_parts.push_back(Of(left.scale[0], right[p].scale[0], p));
      }
    }
    return scores;
  }

  int left_searches = 0, right_searches = 0;

 private:
  double Of(double left, double right, size_t part) const {
    const double x = left - 0.9;
    const double y = right - (0.7 + 0.1 * static_cast<double>(part));
    return -x * x - y * y - coupling_ * x * y;
  }

  const size_t parts_;
  const double coupling_;
};

TEST(AlternatingSearchTest, FindsTheBestCandidateOfEachSide) {
  Bowl bowl(3);
  const OpIntervals initial{Params(1), {Params(1), Params(1), Params(1)}};
  const SearchOutcome found = AlternatingSearch(bowl, initial, {}).value();
  EXPECT_NEAR(found.intervals.left.scale[0], 0.9, 0.0036);
  for (int part = 0; part < 3; ++part) {
    EXPECT_NEAR(found.intervals.right[part].scale[0], 0.7 + 0.1 * part, 0.0036);
  }
  EXPECT_EQ(found.after_round.size(), 1U) << "sides that do not touch are done after one round";
  EXPECT_EQ(bowl.right_searches, 2);
  EXPECT_EQ(bowl.left_searches, 1) << "the right side did not move, so the left one is not searched again";
}

TEST(AlternatingSearchTest, TheObjectiveNeverFalls) {
  Bowl bowl(1, 1.8);
  SearchOptions options;
  options.tolerance = 0;
  const SearchOutcome found = AlternatingSearch(bowl, {Params(1), {Params(1)}}, options).value();
  ASSERT_GT(found.after_round.size(), 3U);
  for (size_t round = 1; round < found.after_round.size(); ++round) {
    EXPECT_GE(found.after_round[round], found.after_round[round - 1]);
  }
  EXPECT_EQ(found.objective, found.after_round.back());
}

TEST(AlternatingSearchTest, StopsAtTheCapAndAtTheTolerance) {
  SearchOptions options;
  options.tolerance = 0;
  options.max_rounds = 2;
  Bowl capped(1, 1.8);
  EXPECT_EQ(AlternatingSearch(capped, {Params(1), {Params(1)}}, options).value().after_round.size(), 2U);
  options.max_rounds = 20;
  options.tolerance = 1;
  Bowl tolerant(1, 1.8);
  EXPECT_EQ(AlternatingSearch(tolerant, {Params(1), {Params(1)}}, options).value().after_round.size(), 2U);
}

TEST(AlternatingSearchTest, OneCandidateAtFactorOneGivesTheInitialIntervalBack) {
  Bowl bowl;
  SearchOptions options;
  options.alpha = options.beta = 1;
  options.steps = 1;
  const OpIntervals initial{Params(0.3F), {Params(0.4F)}};
  EXPECT_TRUE(AlternatingSearch(bowl, initial, options).value().intervals == initial);
}

// Both ends are candidates: the grid has steps + 1 points.
TEST(AlternatingSearchTest, TheRangeHoldsBothEndsAndIsAnchoredAtTheStart) {
  Bowl bowl;
  EXPECT_FLOAT_EQ(AlternatingSearch(bowl, {Params(0.1F), {Params(0.1F)}}, {}).value().intervals.left.scale[0], 0.12F);
  EXPECT_FLOAT_EQ(AlternatingSearch(bowl, {Params(10), {Params(10)}}, {}).value().intervals.left.scale[0], 5);
  SearchOptions drifting;
  drifting.anchor = Anchor::kCurrent;
  const SearchOutcome drifted = AlternatingSearch(bowl, {Params(10), {Params(10)}}, drifting).value();
  EXPECT_NEAR(drifted.intervals.left.scale[0], 0.9, 0.01) << "a moving anchor reaches what lies outside";
}

class Flat final : public IntervalObjective {
 public:
  size_t right_parts() const override { return 1; }
  Result<std::vector<double>> ScoreLefts(const std::vector<quant::QuantParams>& lefts,
                                         const std::vector<quant::QuantParams>&) override {
    return std::vector<double>(lefts.size(), 0.5);
  }
  Result<std::vector<std::vector<double>>> ScoreRights(
      const quant::QuantParams&, const std::vector<std::vector<quant::QuantParams>>& rights) override {
    return std::vector<std::vector<double>>(rights.size(), {0.5});
  }
};

TEST(AlternatingSearchTest, TiesGoToTheSmallestOrToTheNearestToTheAnchor) {
  Flat flat;
  SearchOptions options;
  EXPECT_FLOAT_EQ(AlternatingSearch(flat, {Params(1), {Params(1)}}, options).value().intervals.left.scale[0], 0.5F);
  options.tie_break = TieBreak::kNearest;
  EXPECT_NEAR(AlternatingSearch(flat, {Params(1), {Params(1)}}, options).value().intervals.left.scale[0], 1, 0.0036);
}

// A moving anchor has no candidate at factor 1, so a round can lose what it had; the best round's intervals are
// returned.
TEST(AlternatingSearchTest, AMovingAnchorNeverReturnsLessThanItHad) {
  Bowl bowl(1, 1.5);
  SearchOptions options;
  options.anchor = Anchor::kCurrent;
  options.steps = 2;
  options.max_rounds = 6;
  const SearchOutcome found = AlternatingSearch(bowl, {Params(0.9F), {Params(0.8F)}}, options).value();
  EXPECT_EQ(found.objective, *std::max_element(found.after_round.begin(), found.after_round.end()));
  EXPECT_EQ(bowl.ScoreLefts({found.intervals.left}, found.intervals.right).value()[0], found.objective);
}

TEST(ScaledTest, NeverReachesZero) {
  quant::QuantParams params = Params(1e-29F);
  for (int i = 0; i < 200; ++i) {
    params = Scaled(params, 0.5);
  }
  EXPECT_TRUE(quant::Validate(params).ok());
}

TEST(ScaledTest, MovesEveryScaleAndNoZeroPoint) {
  quant::QuantParams params = Params(1);
  params.grid = quant::Grid::kAffine;
  params.scale = {1, 2};
  params.zero_point = {3, 4};
  const quant::QuantParams half = Scaled(params, 0.5);
  EXPECT_EQ(half.scale, (std::vector<float>{0.5F, 1}));
  EXPECT_EQ(half.zero_point, params.zero_point);
}

}  // namespace
}  // namespace ptq::search
