#include "core/search/ranking_loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <thread>

#include "core/base/random.h"

namespace ptq::search {
namespace {

double Fast(const std::vector<float>& a, const std::vector<float>& a_hat, int64_t rows, float theta) {
  return RankingTarget(a.data(), rows, static_cast<int64_t>(a.size()) / rows).Loss(a_hat.data(), theta);
}

double Plain(const std::vector<float>& a, const std::vector<float>& a_hat, int64_t rows, float theta) {
  return RankingLossPlain(a.data(), a_hat.data(), rows, static_cast<int64_t>(a.size()) / rows, theta);
}

std::vector<float> Random(int64_t count, const char* name, float deviation = 3) {
  RandomStream stream(1, name);
  std::vector<float> values(count);
  for (float& value : values) {
    value = deviation * static_cast<float>(stream.NextNormal());
  }
  return values;
}

std::vector<float> Map(std::vector<float> values, const std::function<float(float)>& f) {
  std::transform(values.begin(), values.end(), values.begin(), f);
  return values;
}

// The float32 roundings of a pair's two subtractions and of at most 17 additions behind it, against a loss whose terms
// are all positive; and of terms that are small against the values they come from.
double Tolerance(const std::vector<float>& a_hat, int64_t rows, float theta, double loss) {
  constexpr double kUnit = 0x1p-24;
  float greatest = 0;
  for (const float value : a_hat) {
    greatest = std::max(greatest, std::abs(value));
  }
  const auto columns = static_cast<double>(a_hat.size()) / static_cast<double>(rows);
  const double pairs = static_cast<double>(rows) * columns * (columns - 1) / 2;
  return kUnit * (18 * loss + pairs * (2 * greatest + theta));
}

// Row A = [3, 1, 2], Ahat = [2.0, 1.9, 2.5], theta = 0.2: pairs 0.1, 0.7 and 0.
TEST(RankingLossTest, TheWorkedExample) {
  const std::vector<float> a = {3, 1, 2};
  const std::vector<float> a_hat = {2.0F, 1.9F, 2.5F};
  EXPECT_NEAR(Plain(a, a_hat, 1, 0.2F), 0.8, 1e-6);
  EXPECT_NEAR(Fast(a, a_hat, 1, 0.2F), 0.8, 1e-6);
}

TEST(RankingLossTest, AnExactTieContributesTheta) {
  for (const auto& loss : {Plain, Fast}) {
    EXPECT_EQ(loss({1, 1}, {5, -5}, 1, 0.25F), 0.25);
    EXPECT_EQ(loss({1, 1, 1, 1}, {5, -5, 2, 0}, 1, 0.25F), 6 * 0.25);
    EXPECT_EQ(loss({0.0F, -0.0F}, {5, -5}, 1, 0.25F), 0.25);
    // The tie, and two pairs kept in order by far more than theta.
    EXPECT_EQ(loss({1, 1, -1}, {5, 4, -5}, 1, 0.25F), 0.25);
  }
}

TEST(RankingLossTest, AGapOfExactlyThetaAddsNothing) {
  for (const auto& loss : {Plain, Fast}) {
    EXPECT_EQ(loss({2, 1}, {1.25F, 1}, 1, 0.25F), 0);
    EXPECT_EQ(loss({2, 1}, {1.125F, 1}, 1, 0.25F), 0.125);
    EXPECT_EQ(loss({2, 1}, {1, 1}, 1, 0.25F), 0.25);
    EXPECT_EQ(loss({1, 2}, {1.25F, 1}, 1, 0.25F), 0.5);
  }
}

TEST(RankingLossTest, RowsAddUpAndColumnsOfDifferentRowsArePairedNever) {
  EXPECT_EQ(Fast({2, 1, 2, 1}, {1, 1, 0, 1}, 2, 0.25F), 0.25 + 1.25);
  EXPECT_EQ(Fast({1, 1, 1}, {1, 2, 3}, 3, 0.25F), 0);
  EXPECT_EQ(RankingTarget(nullptr, 0, 5).Loss(nullptr, 1), 0);
}

struct Case {
  const char* name;
  std::vector<float> a, a_hat;
};

// Scores and quantized scores of every kind that a model brings, and the extremes.
std::vector<Case> Cases(int64_t count) {
  const std::vector<float> a = Random(count, "a");
  const std::vector<float> noise = Random(count, "noise", 0.3F);
  std::vector<float> noisy = a;
  for (int64_t i = 0; i < count; ++i) {
    noisy[i] += noise[i];
  }
  auto coarse = [](float step) { return [step](float x) { return std::round(x / step) * step; }; };
  const std::vector<float> few = Map(a, coarse(1));
  const std::vector<float> constant(count, 2.5F);
  std::vector<float> outlier = a;
  *std::min_element(outlier.begin(), outlier.end()) = 50;
  return {
      {"same", a, a},
      {"noisy", a, noisy},
      {"unrelated", a, Random(count, "other")},
      {"constant a_hat", a, constant},
      {"constant scores", constant, a},
      {"both constant", constant, constant},
      {"reversed", a, Map(a, [](float x) { return -x; })},
      {"quantized to quarters", a, Map(a, coarse(0.25F))},
      {"quantized to 2", a, Map(a, coarse(2))},
      {"clipped", a, Map(a, [](float x) { return std::min(std::max(x, -1.0F), 1.0F); })},
      {"tied scores", few, noisy},
      {"tied scores and a_hat", few, Map(noisy, coarse(0.5F))},
      {"outlier", a, outlier},
      {"large values", Map(a, [](float x) { return x * 1e4F; }), Map(noisy, [](float x) { return x * 1e4F; })},
  };
}

TEST(RankingLossTest, TheFastLossEqualsThePlainOne) {
  for (const int64_t columns : {1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 197}) {
    const int64_t rows = columns == 197 ? 3 : 7;
    for (const Case& c : Cases(rows * columns)) {
      for (const float theta : {0.0F, 0.2F, 1.0F, 1000.0F}) {
        const double plain = Plain(c.a, c.a_hat, rows, theta);
        EXPECT_NEAR(Fast(c.a, c.a_hat, rows, theta), plain, Tolerance(c.a_hat, rows, theta, plain))
            << c.name << ", " << columns << " columns, theta " << theta;
      }
    }
  }
}

// On multiples of 1/16 every operation of both versions is exact, so that no tolerance hides a lost pair.
TEST(RankingLossTest, TheFastLossIsThePlainOneToTheBitWhereNothingRounds) {
  auto sixteenths = [](float x) { return std::round(x * 16) / 16; };
  for (const int64_t columns : {1, 2, 15, 16, 17, 32, 48, 197}) {
    for (const Case& c : Cases(5 * columns)) {
      const std::vector<float> a_hat = Map(c.a_hat, sixteenths);
      for (const float theta : {0.0F, 0.1875F, 0.25F, 8.0F}) {
        EXPECT_EQ(Fast(c.a, a_hat, 5, theta), Plain(c.a, a_hat, 5, theta)) << c.name << ", " << columns << " columns";
        const std::vector<float> tied = Map(c.a, sixteenths);
        EXPECT_EQ(Fast(tied, a_hat, 5, theta), Plain(tied, a_hat, 5, theta)) << c.name << ", " << columns << " columns";
      }
    }
  }
}

// Only the order of the scores counts, and a row's columns may be permuted together.
TEST(RankingLossTest, DependsOnTheOrderOfTheScoresOnly) {
  const std::vector<float> a = Map(Random(4 * 50, "a"), [](float x) { return std::round(x * 2) / 2; });
  const std::vector<float> a_hat = Random(4 * 50, "b");
  const double loss = Fast(a, a_hat, 4, 0.2F);
  EXPECT_GT(loss, 0);
  EXPECT_EQ(Fast(Map(a, [](float x) { return std::exp(x / 4); }), a_hat, 4, 0.2F), loss);
  EXPECT_EQ(Fast(Map(a, [](float x) { return 1e30F * x; }), a_hat, 4, 0.2F), loss);
}

TEST(RankingLossTest, IsIndifferentToAPermutationOfColumns) {
  constexpr int64_t kColumns = 50;
  const std::vector<float> a = Random(kColumns, "a");
  const std::vector<float> a_hat = Random(kColumns, "b");
  std::vector<float> a_moved, a_hat_moved;
  for (int64_t i = 0; i < kColumns; ++i) {
    a_moved.push_back(a[i * 7 % kColumns]);
    a_hat_moved.push_back(a_hat[i * 7 % kColumns]);
  }
  EXPECT_EQ(Fast(a, a_hat, 1, 0.2F), Fast(a_moved, a_hat_moved, 1, 0.2F));
}

// Candidates within float32's reach of each other are told apart, as a search has to.
TEST(RankingLossTest, FallsAsTheOrderIsRestored) {
  const std::vector<float> a = Random(197, "a");
  double previous = INFINITY;
  for (int t = 0; t <= 10; ++t) {
    std::vector<float> a_hat = a;
    for (size_t i = 0; i < a_hat.size(); ++i) {
      a_hat[i] += (10 - static_cast<float>(t)) * 0.1F * ((i % 2) == 0 ? 1.0F : -1.0F);
    }
    const double loss = Fast(a, a_hat, 1, 0.2F);
    EXPECT_LT(loss, previous) << t;
    previous = loss;
  }
}

TEST(RankingTargetTest, CountsPairs) {
  const std::vector<float> scores(3 * 197);
  EXPECT_EQ(RankingTarget(scores.data(), 3, 197).pairs(), 3 * 19306);
  EXPECT_EQ(RankingTarget(scores.data(), 3, 197).rows(), 3);
  EXPECT_EQ(RankingTarget(scores.data(), 3, 197).columns(), 197);
  EXPECT_EQ(RankingTarget(scores.data(), 3, 1).pairs(), 0);
}

TEST(RankingTargetTest, KeepsNothingOfTheScores) {
  std::vector<float> a = Random(2 * 20, "a");
  const std::vector<float> a_hat = Random(2 * 20, "b");
  const RankingTarget target(a.data(), 2, 20);
  const double loss = target.Loss(a_hat.data(), 0.2F);
  std::fill(a.begin(), a.end(), 0.0F);
  EXPECT_EQ(target.Loss(a_hat.data(), 0.2F), loss);
}

TEST(RankingTargetTest, SeveralThreadsMayAskAtOnce) {
  const std::vector<float> a = Random(100 * 50, "a");
  const std::vector<float> a_hat = Random(100 * 50, "b");
  const RankingTarget target(a.data(), 100, 50);
  const double loss = target.Loss(a_hat.data(), 0.2F);
  std::vector<double> losses(4);
  std::vector<std::thread> threads;
  threads.reserve(losses.size());
  for (double& other : losses) {
    threads.emplace_back([&] { other = target.Loss(a_hat.data(), 0.2F); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const double other : losses) {
    EXPECT_EQ(other, loss);
  }
}

// Frozen so that a change of the order of additions, which moves searched scales, does not pass unseen.  Made by this
// program; the same under -march=x86-64, x86-64-v3 and native, g++ 12 and clang 14.  The inputs use no libm.
TEST(RankingLossTest, BitsAreFrozen) {
  RandomStream stream(1, "uniform");
  std::vector<float> a, a_hat;
  for (int i = 0; i < 20 * 197; ++i) {
    a.push_back(static_cast<float>(stream.NextBelow(1000)) / 100);
    a_hat.push_back(a.back() + static_cast<float>(stream.NextDouble()));
  }
  EXPECT_EQ(Fast(a, a_hat, 20, 0.2F), 0x1.926c2f1268p+12) << "rows with ties";
  a.clear();
  a_hat.clear();
  for (int i = 0; i < 20 * 197; ++i) {
    a.push_back(10 * static_cast<float>(stream.NextDouble()));
    a_hat.push_back(a.back() + static_cast<float>(stream.NextDouble()));
  }
  EXPECT_EQ(Fast(a, a_hat, 20, 0.2F), 0x1.a4d86b9b8p+12) << "rows without ties";
}

TEST(RankingTargetDeathTest, TooManyColumnsAbort) {
  const std::vector<float> scores(65536);
  EXPECT_DEATH(RankingTarget(scores.data(), 1, 65536), "65536");
}

}  // namespace
}  // namespace ptq::search
