// The objective on integer codes against the same objective in plain float loops.
#include "core/search/cosine_objective.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/random.h"
#include "core/quant/quant_params.h"
#include "core/search/column_scores.h"
#include "core/search/interval_search.h"

namespace ptq::search {
namespace {

using quant::Grid;
using quant::QuantParams;

std::vector<float> Normal(int64_t count, const std::string& name) {
  RandomStream random(5, name);
  std::vector<float> x(count);
  for (float& value : x) {
    value = static_cast<float>(random.NextNormal());
  }
  return x;
}

// An op and its float product; a shared right operand is (columns, inner).
class SampleOp {
 public:
  SampleOp(bool shared_right, int64_t images, int64_t heads, int64_t rows, int64_t inner, int64_t columns) {
    sample_ = {images, heads, rows, inner, columns, shared_right, nullptr, nullptr, nullptr, nullptr};
    left = Normal(sample_.products() * rows * inner, "left");
    right = Normal((shared_right ? 1 : sample_.products()) * columns * inner, "right");
    for (size_t i = 0; i < right.size(); ++i) {  // channels of unlike size
      right[i] *= 0.02F * static_cast<float>(1 + static_cast<int64_t>(i) / inner % columns);
    }
  }

  // Call after the operands were changed.
  const OpSample& sample() {
    const OpSample& s = sample_;
    target.assign(s.products() * s.rows * s.columns, 0.0F);
    for (int64_t row = 0; row < s.products() * s.rows; ++row) {
      for (int64_t c = 0; c < s.columns; ++c) {
        double sum = 0;
        for (int64_t k = 0; k < s.inner; ++k) {
          sum += static_cast<double>(left[row * s.inner + k]) *
                 right[((s.shared_right ? 0 : row / s.rows) * s.columns + c) * s.inner + k];
        }
        target[row * s.columns + c] = static_cast<float>(sum);
      }
    }
    sample_.left = left.data();
    sample_.right = right.data();
    sample_.target = target.data();
    return sample_;
  }

  std::vector<float> left, right, target;

 private:
  OpSample sample_;
};

QuantParams PerTensor(Grid grid, int bits, float bound) {
  return quant::ParamsFromRange(grid, bits, {grid == Grid::kUnsigned ? 0 : -bound}, {bound}).value();
}

// The interval that covers each row of (rows, inner).
QuantParams PerRow(const std::vector<float>& x, int64_t inner, int bits) {
  std::vector<float> low, high;
  for (size_t first = 0; first < x.size(); first += inner) {
    float bound = 0;
    for (int64_t k = 0; k < inner; ++k) {
      bound = std::max(bound, std::abs(x[first + k]));
    }
    low.push_back(-bound);
    high.push_back(bound);
  }
  return quant::ParamsFromRange(Grid::kSymmetricRestricted, bits, low, high, quant::Granularity::kPerChannel, 0)
      .value();
}

constexpr double kFactors[] = {1.0, 0.4, 0.75, 1.2, 2.0};

void ExpectFastIsPlain(const OpSample& sample, const CosineOptions& options, const QuantParams& left,
                       const QuantParams& right) {
  for (const int threads : {1, 2, 3}) {
    CosineObjective objective(sample, options, threads, nullptr);
    std::vector<QuantParams> lefts, rights;
    for (const double factor : kFactors) {
      lefts.push_back(Scaled(left, factor));
      rights.push_back(Scaled(right, factor));
    }
    if (right.scale.size() > 1) {  // a candidate whose channels have factors of their own
      rights.push_back(right);
      for (size_t c = 0; c < right.scale.size(); ++c) {
        rights.back().scale[c] *= 0.7F + 0.05F * static_cast<float>(c);
      }
    }
    const std::vector<double> of_lefts = objective.ScoreLefts(lefts, right).value();
    for (size_t i = 0; i < lefts.size(); ++i) {
      EXPECT_NEAR(of_lefts[i], objective.PlainScore(lefts[i], right), 5e-6) << "left " << i;
    }
    const auto of_rights = objective.ScoreRights(left, rights).value();
    for (size_t i = 0; i < rights.size(); ++i) {
      const std::vector<double> plain = objective.PlainGroupScores(left, rights[i]);
      ASSERT_EQ(of_rights[i].size(), plain.size());
      for (size_t group = 0; group < plain.size(); ++group) {
        EXPECT_NEAR(of_rights[i][group], plain[group], 5e-6) << "right " << i << ", group " << group;
      }
    }
  }
}

constexpr OutputMetric kMetrics[] = {OutputMetric::kCosine, OutputMetric::kCosineAndGain, OutputMetric::kSquaredError};

TEST(CosineObjectiveTest, FastIsPlainForLinearOps) {
  SampleOp op(true, 3, 1, 7, 20, 12);
  const OpSample& sample = op.sample();
  for (const int bits : {3, 6, 8, 12}) {
    for (const Grid grid : {Grid::kSymmetricRestricted, Grid::kUnsigned}) {
      for (const OutputMetric metric : kMetrics) {
        for (const ScoreDomain domain : {ScoreDomain::kMap, ScoreDomain::kRow}) {
          for (const int64_t parts : {1, 3}) {
            SCOPED_TRACE(std::to_string(bits) + " " + quant::Name(grid) + " parts " + std::to_string(parts));
            ExpectFastIsPlain(sample, {metric, domain, parts, false}, PerTensor(grid, bits, 2.5F),
                              PerTensor(Grid::kSymmetricRestricted, bits, 0.4F));
          }
          ExpectFastIsPlain(sample, {metric, domain, 1, true}, PerTensor(grid, bits, 2.5F), PerRow(op.right, 20, bits));
        }
      }
    }
  }
}

TEST(CosineObjectiveTest, FastIsPlainForProductsOfActivations) {
  SampleOp op(false, 2, 3, 6, 9, 5);
  for (const OutputMetric metric : kMetrics) {
    for (const ScoreDomain domain : {ScoreDomain::kMap, ScoreDomain::kRow}) {
      ExpectFastIsPlain(op.sample(), {metric, domain, 1, false}, PerTensor(Grid::kUnsigned, 6, 2.5F),
                        PerTensor(Grid::kSymmetricRestricted, 6, 0.3F));
    }
  }
}

// More tokens than are scanned at a time, and a head's single token.
TEST(CosineObjectiveTest, ManyTokensAndOneToken) {
  SampleOp many(true, 5, 1, 300, 3, 130);
  ExpectFastIsPlain(many.sample(), {OutputMetric::kCosine, ScoreDomain::kMap, 1, true},
                    PerTensor(Grid::kSymmetricRestricted, 6, 3), PerRow(many.right, 3, 6));
  SampleOp head(true, 9, 1, 1, 8, 10);
  ExpectFastIsPlain(head.sample(), {OutputMetric::kCosine, ScoreDomain::kMap, 1, true},
                    PerTensor(Grid::kSymmetricRestricted, 6, 3), PerRow(head.right, 8, 6));
}

TEST(CosineObjectiveTest, ThreadsDoNotChangeABit) {
  SampleOp op(true, 3, 1, 17, 12, 9);
  const QuantParams left = PerTensor(Grid::kSymmetricRestricted, 6, 3);
  std::vector<QuantParams> rights;
  for (int i = 0; i < 30; ++i) {
    rights.push_back(Scaled(PerRow(op.right, 12, 6), 0.5 + 0.05 * i));
  }
  for (const bool per_column : {true, false}) {
    const CosineOptions options{OutputMetric::kCosine, ScoreDomain::kMap, per_column ? 1 : 3, per_column};
    CosineObjective one(op.sample(), options, 1, nullptr);
    CosineObjective many(op.sample(), options, 3, nullptr);
    EXPECT_EQ(one.ScoreRights(left, rights).value(), many.ScoreRights(left, rights).value());
    EXPECT_EQ(one.ScoreLefts({left, Scaled(left, 0.5)}, rights[0]).value(),
              many.ScoreLefts({left, Scaled(left, 0.5)}, rights[0]).value());
  }
}

// All channels in one product choose what each chooses alone.
TEST(CosineObjectiveTest, ChannelsAtOnceEqualTheLoopOverChannels) {
  constexpr int64_t kInner = 24, kColumns = 10;
  SampleOp op(true, 2, 1, 40, kInner, kColumns);
  const OpSample& sample = op.sample();
  const QuantParams left = PerTensor(Grid::kSymmetricRestricted, 5, 2.5F);
  const auto candidates = [](const QuantParams& initial) {
    std::vector<QuantParams> all;
    for (int t = 0; t <= 100; ++t) {
      all.push_back(Scaled(initial, 0.5 + 0.015 * t));
    }
    return all;
  };
  const auto best = [](const std::vector<std::vector<double>>& scores, size_t channel) {
    size_t found = 0;
    for (size_t i = 1; i < scores.size(); ++i) {
      found = scores[i][channel] > scores[found][channel] ? i : found;
    }
    return found;
  };
  const std::vector<QuantParams> all = candidates(PerRow(op.right, kInner, 5));
  const auto at_once = ScoreColumns(sample, OutputMetric::kCosine, left, all, 2, nullptr).value();
  for (int64_t c = 0; c < kColumns; ++c) {
    const std::vector<float> row(op.right.begin() + c * kInner, op.right.begin() + (c + 1) * kInner);
    std::vector<float> target;
    for (int64_t token = 0; token < 80; ++token) {
      target.push_back(op.target[token * kColumns + c]);
    }
    OpSample alone = sample;
    alone.columns = 1;
    alone.right = row.data();
    alone.target = target.data();
    const std::vector<QuantParams> of_row = candidates(PerRow(row, kInner, 5));
    const auto scores = ScoreColumns(alone, OutputMetric::kCosine, left, of_row, 1, nullptr).value();
    EXPECT_EQ(of_row[best(scores, 0)].scale[0], all[best(at_once, c)].scale[c]) << c;
    EXPECT_NEAR(scores[best(scores, 0)][0], at_once[best(at_once, c)][c], 1e-9);
  }
}

// A 1 x 1 layer of weight 1 has its input for output: the best cosine is that of the tensor with its quantized self,
// and for one tensor the interval of least squared error is a stationary point of it (exactly: both have the output
// gain 1). For N(0,1), argmin of the error is a = 1.9523, 2.4739, 3.2701 at 3, 4, 6 bits of -q..q, argmax of the
// cosine 1.9525, 2.4740, 3.2700 (by integration in double precision); a = q scale.
TEST(CosineObjectiveTest, AnIdentityLayerHasTheOptimumOfOneTensor) {
  constexpr int64_t kCount = 20000;
  std::vector<float> x;
  for (int64_t i = 0; i < kCount / 2; ++i) {  // quantiles in place of a sample
    // Inverse of the normal distribution by bisection.
    const double p = (static_cast<double>(i) + 0.5) / kCount + 0.5;
    double low = 0, high = 8;
    for (int step = 0; step < 50; ++step) {
      const double mid = (low + high) / 2;
      (0.5 * (1 + std::erf(mid / std::sqrt(2.0))) < p ? low : high) = mid;
    }
    x.push_back(static_cast<float>(low));
    x.push_back(static_cast<float>(-low));
  }
  const float one = 1;
  const OpSample sample{1, 1, kCount, 1, 1, true, x.data(), &one, x.data(), nullptr};
  const std::pair<int, std::pair<double, double>> cases[] = {
      {3, {1.9525, 0.046860}}, {4, {2.4740, 0.0128894}}, {6, {3.2700, 0.00106929}}};
  for (const auto& [bits, expected] : cases) {
    const QuantParams left = PerTensor(Grid::kSymmetricRestricted, bits, 1);
    const QuantParams right = PerTensor(Grid::kSymmetricRestricted, 8, 1);
    CosineObjective objective(sample, {}, 1, nullptr);
    std::vector<double> bounds;
    std::vector<QuantParams> lefts;
    for (double bound = expected.first - 0.2; bound < expected.first + 0.2; bound += 0.004) {
      bounds.push_back(bound);
      lefts.push_back(Scaled(left, bound));
    }
    const std::vector<double> scores = objective.ScoreLefts(lefts, right).value();
    const auto best = std::max_element(scores.begin(), scores.end());
    EXPECT_NEAR(bounds[static_cast<size_t>(best - scores.begin())], expected.first, 0.012) << bits;
    EXPECT_NEAR(1 - *best * *best, expected.second, 4e-5) << bits << ": 1 - cos^2 is the squared error";
  }
}

TEST(CosineObjectiveTest, DeadOutputsAreNotNaN) {
  SampleOp op(true, 2, 1, 5, 8, 4);
  std::fill(op.right.begin(), op.right.begin() + 8, 0.0F);  // a dead channel
  const OpSample& sample = op.sample();
  const QuantParams left = PerTensor(Grid::kSymmetricRestricted, 8, 3);
  const QuantParams right = PerRow(op.right, 8, 8);
  for (const OutputMetric metric : kMetrics) {
    const auto scores =
        ScoreColumns(sample, metric, left, {right, Scaled(right, 2), Scaled(right, 1e6)}, 1, nullptr).value();
    EXPECT_EQ(scores[0][0], 1) << "zeros stay zeros";
    EXPECT_GT(scores[0][1], 0.9);
    EXPECT_EQ(scores[2][1], metric == OutputMetric::kCosineAndGain ? -kMaxGainPenalty : 0) << "everything rounds to 0";
  }
}

TEST(OutputScoreTest, TheCosineIsBlindToGainAndTheOthersAreNot) {
  // o_hat = 2 o, |o|^2 = 3: e = o.
  const ErrorSums doubled{0, 3, 3};
  EXPECT_DOUBLE_EQ(OutputScore(OutputMetric::kCosine, 3, doubled), 1);
  EXPECT_DOUBLE_EQ(OutputScore(OutputMetric::kCosineAndGain, 3, doubled), 1 - std::log(2.0));
  EXPECT_DOUBLE_EQ(OutputScore(OutputMetric::kSquaredError, 3, doubled), 0);
  // o_hat at 60 degrees of the same length: |e| = |o|, <e, o> = -|o|^2 / 2.
  EXPECT_NEAR(OutputScore(OutputMetric::kCosine, 4, {0, 4, -2}), 0.5, 1e-15);
}

TEST(CosineObjectiveTest, StopsWhenAsked) {
  SampleOp op(true, 2, 1, 5, 8, 4);
  const QuantParams left = PerTensor(Grid::kSymmetricRestricted, 8, 3);
  for (const bool per_column : {true, false}) {
    CosineObjective objective(op.sample(), {OutputMetric::kCosine, ScoreDomain::kMap, 1, per_column}, 1,
                              [] { return true; });
    EXPECT_EQ(objective.ScoreRights(left, {PerRow(op.right, 8, 8)}).error().code, ErrorCode::kInterrupted);
    EXPECT_EQ(objective.ScoreLefts({left}, PerRow(op.right, 8, 8)).error().code, ErrorCode::kInterrupted);
  }
}

}  // namespace
}  // namespace ptq::search
