#include "baselines/easyquant/rounds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "baselines/easyquant/candidates.h"
#include "core/base/random.h"

namespace ptq::baselines::easyquant {
namespace {

using quant::Grid;
using quant::QuantParams;

constexpr int64_t kTokens = 60, kInner = 16, kColumns = 12;

// A linear op whose input has outliers and whose channels differ in size.
struct LinearOp {
  explicit LinearOp(float input_factor = 1, const std::vector<int64_t>& order = {}) {
    RandomStream random(17, "op");
    for (int64_t i = 0; i < 2 * kTokens * kInner; ++i) {
      const double x = random.NextNormal();
      left.push_back(static_cast<float>(x * x * x) * input_factor);
    }
    std::vector<float> rows;
    for (int64_t i = 0; i < kColumns * kInner; ++i) {
      rows.push_back(static_cast<float>(random.NextNormal() * random.NextNormal()) *
                     (0.1F + 0.05F * static_cast<float>(i / kInner)));
    }
    for (int64_t c = 0; c < kColumns; ++c) {
      const int64_t from = order.empty() ? c : order[c];
      right.insert(right.end(), rows.begin() + from * kInner, rows.begin() + (from + 1) * kInner);
    }
    for (int64_t token = 0; token < 2 * kTokens; ++token) {
      for (int64_t c = 0; c < kColumns; ++c) {
        double sum = 0;
        for (int64_t k = 0; k < kInner; ++k) {
          sum += static_cast<double>(left[token * kInner + k]) * static_cast<double>(right[c * kInner + k]);
        }
        target.push_back(static_cast<float>(sum));
      }
    }
  }
  search::OpSample sample() const {
    return {2, 1, kTokens, kInner, kColumns, true, left.data(), right.data(), target.data(), nullptr};
  }
  QuantParams InitialLeft(int bits) const {
    float bound = 0;
    for (const float x : left) {
      bound = std::max(bound, std::abs(x));
    }
    return quant::ParamsFromRange(Grid::kSymmetricRestricted, bits, {-bound}, {bound}).value();
  }
  QuantParams InitialRight(int bits, bool per_channel) const {
    std::vector<float> bounds(kColumns, 0.0F);
    for (int64_t i = 0; i < kColumns * kInner; ++i) {
      bounds[i / kInner] = std::max(bounds[i / kInner], std::abs(right[i]));
    }
    if (!per_channel) {
      bounds = {*std::max_element(bounds.begin(), bounds.end())};
    }
    std::vector<float> low;
    for (const float bound : bounds) {
      low.push_back(-bound);
    }
    return quant::ParamsFromRange(Grid::kSymmetricRestricted, bits, low, bounds,
                                  per_channel ? quant::Granularity::kPerChannel : quant::Granularity::kPerTensor,
                                  per_channel ? 0 : -1)
        .value();
  }

  std::vector<float> left, right, target;
};

struct Case {
  search::OutputMetric metric = search::OutputMetric::kCosine;
  bool per_channel = true;
  int bits = 5;
  CandidateRange range = {CandidateRange::Units::kMultiplier, 0.5, 2, 100, false};
  search::ScoreDomain domain = search::ScoreDomain::kMap;
};

Intervals Find(const LinearOp& op, const Case& c, int64_t rounds = 20) {
  search::CosineObjective objective(op.sample(), {c.metric, c.domain, 1, c.per_channel}, 2, nullptr);
  return SearchRounds(objective, Candidates(op.InitialLeft(c.bits), c.range),
                      Candidates(op.InitialRight(c.bits, c.per_channel), c.range), rounds)
      .value();
}

TEST(SearchRoundsTest, NeverEndsBelowTheInitialIntervals) {
  const LinearOp op;
  for (const search::OutputMetric metric :
       {search::OutputMetric::kCosine, search::OutputMetric::kCosineAndGain, search::OutputMetric::kSquaredError}) {
    for (const bool per_channel : {true, false}) {
      for (const search::ScoreDomain domain : {search::ScoreDomain::kMap, search::ScoreDomain::kRow}) {
        for (const int bits : {2, 3, 5, 8}) {
          Case c{metric, per_channel, bits, {}, domain};
          for (const int64_t rounds : {1, 20}) {
            const Intervals found = Find(op, c, rounds);
            search::CosineObjective objective(op.sample(), {metric, domain, 1, per_channel}, 1, nullptr);
            const double before = objective.PlainScore(op.InitialLeft(bits), op.InitialRight(bits, per_channel));
            const double after = objective.PlainScore(found.left, found.right);
            EXPECT_GE(found.score, found.initial_score);
            EXPECT_NEAR(found.initial_score, before, 5e-6);
            EXPECT_NEAR(found.score, after, 5e-6);
            EXPECT_LE(found.rounds, rounds);
          }
        }
      }
    }
  }
}

TEST(SearchRoundsTest, FewBitsGainMuchAndMoreRoundsGainMore) {
  const LinearOp op;
  Case c;
  c.bits = 3;
  c.per_channel = false;
  const Intervals one = Find(op, c, 1);
  const Intervals many = Find(op, c);
  EXPECT_GT(one.score, one.initial_score + 0.02);
  EXPECT_GE(many.score, one.score);
  EXPECT_GT(many.rounds, 1);
  EXPECT_EQ(one.evaluations, 1 + 2 * 102);
}

// Exhaustive search of the joint grid, small enough to be tried: coordinate by coordinate is a maximum along each axis.
TEST(SearchRoundsTest, IsAMaximumAlongEachSide) {
  const LinearOp op;
  Case c;
  c.per_channel = false;
  c.bits = 4;
  const Intervals found = Find(op, c);
  search::CosineObjective objective(op.sample(), {}, 1, nullptr);
  for (const QuantParams& left : Candidates(op.InitialLeft(4), c.range)) {
    EXPECT_LE(objective.ScoreLefts({left}, found.right).value()[0], found.score + 1e-12);
  }
  for (const QuantParams& right : Candidates(op.InitialRight(4, false), c.range)) {
    EXPECT_LE(objective.ScoreLefts({found.left}, right).value()[0], found.score + 1e-7);
  }
}

TEST(SearchRoundsTest, PermutedChannelsHavePermutedScales) {
  std::vector<int64_t> order(kColumns);
  std::iota(order.begin(), order.end(), int64_t{0});
  std::reverse(order.begin(), order.end());
  std::swap(order[2], order[7]);
  const Intervals plain = Find(LinearOp(), {}, 1);
  const Intervals permuted = Find(LinearOp(1, order), {}, 1);
  for (int64_t c = 0; c < kColumns; ++c) {
    EXPECT_EQ(permuted.right.scale[c], plain.right.scale[order[c]]) << c;
  }
  EXPECT_EQ(permuted.left, plain.left);
}

// The interval doubles with the input and codes stay the same; a power of two, so to the bit.
TEST(SearchRoundsTest, ADoubledInputHasADoubledInterval) {
  for (const bool per_channel : {true, false}) {
    Case c;
    c.per_channel = per_channel;
    const Intervals plain = Find(LinearOp(), c);
    const Intervals doubled = Find(LinearOp(2), c);
    EXPECT_EQ(doubled.left.scale[0], 2 * plain.left.scale[0]);
    EXPECT_EQ(doubled.right, plain.right);
    EXPECT_EQ(doubled.score, plain.score);
  }
}

// All candidates of a dead op are equally good: the initial ones stay.
TEST(SearchRoundsTest, TiesKeepTheInitialIntervals) {
  LinearOp op;
  std::fill(op.right.begin(), op.right.end(), 0.0F);
  std::fill(op.target.begin(), op.target.end(), 0.0F);
  for (const bool per_channel : {true, false}) {
    Case c;
    c.per_channel = per_channel;
    const Intervals found = Find(op, c);
    EXPECT_EQ(found.left, op.InitialLeft(c.bits));
    EXPECT_EQ(found.right, op.InitialRight(c.bits, per_channel));
    EXPECT_EQ(found.rounds, 1);
    EXPECT_EQ(found.score, 1);
  }
}

}  // namespace
}  // namespace ptq::baselines::easyquant
