#include "results/seed_statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/results/bootstrap_check.h"

namespace ptq::results {
namespace {

using ::testing::ElementsAre;

// Trials whose images differ in how hard they are and whose seeds differ in how well they do.  `shift` moves the
// method.
MethodOutcomes MakeMethod(const std::vector<int64_t>& seeds, int images, double shift, double seed_effect,
                          uint64_t noise) {
  std::mt19937_64 random(noise), hardness_of(99);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<double> hardness;
  for (int i = 0; i < images; ++i) hardness.push_back(uniform(hardness_of));
  MethodOutcomes method;
  for (const int64_t seed : seeds) {
    const double skill = 0.7 + shift + seed_effect * (uniform(random) - 0.5);
    SeedOutcome outcome{seed, std::vector<bool>(images)};
    for (int i = 0; i < images; ++i) outcome.right[i] = hardness[i] + 0.3 * (uniform(random) - 0.5) < skill;
    method.push_back(outcome);
  }
  return method;
}

int Right(const SeedOutcome& outcome, int image) { return outcome.right[image] ? 1 : 0; }

// The header's two steps, image by image.  B empty: the mean accuracy of A.
std::vector<double> DrawPlainly(const MethodOutcomes& a, const MethodOutcomes& b, bool paired, int draws) {
  std::mt19937_64 random(17);
  const auto images = static_cast<int>(a[0].right.size());
  std::uniform_int_distribution<int> image(0, images - 1);
  std::vector<double> results;
  for (int draw = 0; draw < draws; ++draw) {
    std::vector<size_t> of_a, of_b;
    for (size_t s = 0; s < a.size(); ++s) of_a.push_back(random() % a.size());
    for (size_t s = 0; s < b.size(); ++s) of_b.push_back(paired ? of_a[s] : random() % b.size());
    double sum = 0;
    for (int i = 0; i < images; ++i) {
      const int drawn = image(random);
      for (const size_t s : of_a) sum += Right(a[s], drawn) / static_cast<double>(a.size());
      for (const size_t s : of_b) sum -= Right(b[s], drawn) / static_cast<double>(b.size());
    }
    results.push_back(sum / images);
  }
  return results;
}

constexpr int kPlainDraws = 8000;

void ExpectAgreement(const Interval& interval, const std::vector<double>& draws) {
  const double slack = 5 * ShareError(0.025, kBootstrapDraws, kPlainDraws);
  ExpectQuantile(EquallyWeighted(draws), interval.low, 0.025, slack);
  ExpectQuantile(EquallyWeighted(draws), interval.high, 0.975, slack);
}

TEST(SummarizeSeedsTest, AgreesWithDrawingSeedsAndImages) {
  for (const int seeds : {1, 2, 3, 5}) {
    std::vector<int64_t> names;
    for (int s = 0; s < seeds; ++s) names.push_back(s);
    const MethodOutcomes method = MakeMethod(names, 200, 0, 0.2, 5);
    ExpectAgreement(SummarizeSeeds(method).interval, DrawPlainly(method, {}, false, kPlainDraws));
  }
}

TEST(SummarizeSeedsTest, MeanAndDeviation) {
  const MethodOutcomes method = {
      {4, {true, true, true, false}}, {2, {true, false, false, false}}, {9, {true, true, false, false}}};
  const MeanAccuracy summary = SummarizeSeeds(method);
  EXPECT_EQ(summary.seeds, 3);
  EXPECT_EQ(summary.images, 4);
  EXPECT_DOUBLE_EQ(summary.mean, 0.5);
  EXPECT_DOUBLE_EQ(summary.deviation.value(), 0.25);  // 0.75, 0.25, 0.5
  EXPECT_EQ(SummarizeSeeds({method[0]}).deviation, std::nullopt);
}

// Four equal trials say no more than one: seeds that stand on the same images are no further images.
TEST(SummarizeSeedsTest, EqualTrialsDoNotNarrowTheInterval) {
  std::vector<bool> right(400);
  for (int i = 0; i < 300; ++i) right[i] = true;
  const MeanAccuracy summary = SummarizeSeeds({{0, right}, {1, right}, {2, right}, {3, right}});
  const double error = std::sqrt(0.75 * 0.25 / 400);
  const double tolerance = 4 * error * std::sqrt(0.025 * 0.975 / kBootstrapDraws) / 0.05845 + 1.0 / 400;
  EXPECT_NEAR(summary.interval.low, 0.75 - 1.96 * error, tolerance);
  EXPECT_NEAR(summary.interval.high, 0.75 + 1.96 * error, tolerance);
  EXPECT_EQ(summary.deviation, 0.0);
}

// Without any doubt about images that of seeds remains: one seed right everywhere, one wrong everywhere.  A draw has
// the mean 0, 1/2 or 1 with the chances 1/4, 1/2, 1/4.
TEST(SummarizeSeedsTest, SeedsAreDrawnToo) {
  const MeanAccuracy summary = SummarizeSeeds({{0, std::vector<bool>(50, true)}, {1, std::vector<bool>(50, false)}});
  EXPECT_EQ(summary.mean, 0.5);
  EXPECT_EQ(summary.interval.low, 0);
  EXPECT_EQ(summary.interval.high, 1);
}

TEST(SummarizeSeedsTest, AllRightHasNoSpread) {
  const MeanAccuracy summary = SummarizeSeeds({{0, std::vector<bool>(50, true)}, {1, std::vector<bool>(50, true)}});
  EXPECT_EQ(summary.interval.low, 1);
  EXPECT_EQ(summary.interval.high, 1);
}

TEST(SummarizeSeedsTest, NonsenseIsABug) {
  EXPECT_DEATH(SummarizeSeeds({}), "empty");
  EXPECT_DEATH(SummarizeSeeds({{0, {}}}), "empty");
  EXPECT_DEATH(SummarizeSeeds({{0, {true}}, {1, {true, false}}}), "size");
  EXPECT_DEATH(SummarizeSeeds({{3, {true}}, {3, {true}}}), "seed 3 is there twice");
  EXPECT_DEATH(CompareMethods({{3, {true}}}, {{3, {true, false}}}), "1 and 2 images");
}

TEST(CompareMethodsTest, AgreesWithDrawingPairedSeedsAndImages) {
  const MethodOutcomes a = MakeMethod({0, 1, 2}, 200, 0.03, 0.3, 5), b = MakeMethod({0, 1, 2}, 200, 0, 0.3, 6);
  const MeanDifference difference = CompareMethods(a, b);
  EXPECT_TRUE(difference.paired_seeds);
  ExpectAgreement(difference.interval, DrawPlainly(a, b, true, kPlainDraws));
}

TEST(CompareMethodsTest, AgreesWithDrawingSeedsApart) {
  const MethodOutcomes a = MakeMethod({0, 1, 2}, 200, 0.03, 0.3, 5);
  for (const std::vector<int64_t>& seeds : {std::vector<int64_t>{0, 1}, {3, 4, 5}, {7}}) {
    const MethodOutcomes b = MakeMethod(seeds, 200, 0, 0.3, 6);
    const MeanDifference difference = CompareMethods(a, b);
    EXPECT_FALSE(difference.paired_seeds);
    ExpectAgreement(difference.interval, DrawPlainly(a, b, false, kPlainDraws));
  }
}

// Both methods gain and lose by the same seeds: the difference is sure, and is not where each draws seeds of its own.
TEST(CompareMethodsTest, EqualSeedsStayTogether) {
  MethodOutcomes a, b, other_seeds;
  for (int64_t seed = 0; seed < 3; ++seed) {
    std::vector<bool> right(100);
    for (int i = 0; i < 30 + 20 * seed; ++i) right[i] = true;
    b.push_back({seed, right});
    other_seeds.push_back({seed + 10, right});
    right[99] = true;
    a.push_back({seed, right});
  }
  const MeanDifference paired = CompareMethods(a, b), apart = CompareMethods(a, other_seeds);
  EXPECT_EQ(paired.mean, 0.01);
  EXPECT_LE(paired.interval.high, 0.04);
  EXPECT_GE(paired.interval.low, 0);
  EXPECT_GT(apart.interval.high, 0.2);
  EXPECT_LT(apart.interval.low, -0.2);
}

TEST(CompareMethodsTest, SwappedItIsNegatedExactly) {
  const MethodOutcomes a = MakeMethod({0, 1, 2}, 3000, 0.03, 0.3, 5);
  MethodOutcomes relabelled = a;
  for (SeedOutcome& outcome : relabelled) outcome.seed += 10;
  for (const MethodOutcomes& b : {MakeMethod({0, 1, 2}, 3000, 0, 0.3, 6), MakeMethod({4, 8}, 3000, 0, 0.3, 6),
                                  MakeMethod({0}, 3000, 0, 0.3, 6), relabelled}) {
    const MeanDifference one = CompareMethods(a, b), other = CompareMethods(b, a);
    EXPECT_EQ(one.mean, -other.mean);
    EXPECT_EQ(one.interval.low, -other.interval.high);
    EXPECT_EQ(one.interval.high, -other.interval.low);
    EXPECT_LT(one.interval.low, one.interval.high);
  }
}

TEST(CompareMethodsTest, TheOrderOfTrialsMeansNothing) {
  const MethodOutcomes a = MakeMethod({0, 1, 2}, 150, 0.03, 0.3, 5), b = MakeMethod({0, 1, 2}, 150, 0, 0.3, 6);
  const MeanDifference one = CompareMethods(a, b), other = CompareMethods({a[2], a[0], a[1]}, {b[1], b[2], b[0]});
  EXPECT_EQ(one.interval.low, other.interval.low);
  EXPECT_EQ(one.interval.high, other.interval.high);
}

TEST(CompareMethodsTest, AMethodAgainstItselfDiffersInNothing) {
  const MethodOutcomes a = MakeMethod({0, 1, 2}, 150, 0, 0.3, 5);
  const MeanDifference difference = CompareMethods(a, a);
  EXPECT_EQ(difference.mean, 0);
  EXPECT_EQ(difference.interval.low, 0);
  EXPECT_EQ(difference.interval.high, 0);
}

TEST(CompareMethodsTest, OneSeedEachIsThePairedDifference) {
  const MethodOutcomes a = MakeMethod({0}, 500, 0.03, 0, 5), b = MakeMethod({0}, 500, 0, 0, 6);
  const PairCounts counts = CountPairs(a[0].right, b[0].right);
  const MeanDifference difference = CompareMethods(a, b);
  EXPECT_EQ(difference.mean, Difference(counts));
  EXPECT_EQ(difference.interval.low, PairedDifferenceInterval(counts).low);
  EXPECT_EQ(difference.interval.high, PairedDifferenceInterval(counts).high);
}

TEST(CompareMethodsTest, IsAPureFunctionOfItsArguments) {
  const MethodOutcomes a = MakeMethod({0, 1}, 150, 0.03, 0.3, 5), b = MakeMethod({0, 1}, 150, 0, 0.3, 6);
  const Interval first = CompareMethods(a, b, 3).interval, again = CompareMethods(a, b, 3).interval;
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
}

// A method that has the first `right` of 1000 images right, whatever the seed.
MethodOutcomes Constant(int right) {
  std::vector<bool> flags(1000);
  for (int i = 0; i < right; ++i) flags[i] = true;
  return {{0, flags}, {1, flags}};
}

TEST(FindLeadersTest, TheGroupHoldsWhatCannotBeToldApart) {
  const Leaders leaders = FindLeaders({Constant(700), Constant(900), Constant(899), Constant(898), Constant(850)});
  EXPECT_EQ(leaders.best, 1u);
  EXPECT_THAT(leaders.group, ElementsAre(1, 2, 3));
  EXPECT_EQ(leaders.winner, std::nullopt);
  EXPECT_DOUBLE_EQ(leaders.lead_over[0].mean, 0.2);
  EXPECT_GT(leaders.lead_over[4].interval.low, 0.03);
  EXPECT_TRUE(leaders.lead_over[2].interval.contains(0));
}

TEST(FindLeadersTest, AWinnerStandsAlone) {
  const Leaders leaders = FindLeaders({Constant(700), Constant(850), Constant(900)});
  EXPECT_EQ(leaders.winner, 2u);
  EXPECT_THAT(leaders.group, ElementsAre(2));
}

TEST(FindLeadersTest, EqualMethodsLeadTogetherAndOneAloneBeatsNobody) {
  const Leaders leaders = FindLeaders({Constant(800), Constant(800)});
  EXPECT_EQ(leaders.best, 0u);
  EXPECT_THAT(leaders.group, ElementsAre(0, 1));
  EXPECT_EQ(leaders.winner, std::nullopt);
  const Leaders alone = FindLeaders({Constant(800)});
  EXPECT_THAT(alone.group, ElementsAre(0));
  EXPECT_EQ(alone.winner, std::nullopt);
  EXPECT_DEATH(FindLeaders({}), "empty");
}

// One seed of each: McNemar.  Several: with all differences of one size the flips are a fair coin each, so that the p
// is that of the binomial distribution, up to the random draws.
TEST(SignFlipTest, OneSeedIsMcNemarAndSeveralAreFlips) {
  const auto outcome = [](int64_t seed, size_t right) {
    SeedOutcome trial{seed, std::vector<bool>(40)};
    for (size_t i = 0; i < right; ++i) trial.right[i] = true;
    return trial;
  };
  const SeedOutcome better = outcome(0, 30), worse = outcome(0, 24);
  EXPECT_EQ(SignFlipP({better}, {worse}), McNemarExact(6, 0));
  SeedOutcome better_too = better, worse_too = worse;
  better_too.seed = worse_too.seed = 1;
  const MethodOutcomes a = {better, better_too}, b = {worse, worse_too};
  EXPECT_NEAR(SignFlipP(a, b), 2 / 64.0, 4 * std::sqrt(2 / 64.0 / 10000));
  EXPECT_EQ(SignFlipP(a, b), SignFlipP(b, a));
  EXPECT_EQ(SignFlipP(a, a), 1);
}

}  // namespace
}  // namespace ptq::results
