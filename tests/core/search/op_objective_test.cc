// The objective on integer codes against the same objective in plain float loops.
#include "core/search/op_objective.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/base/random.h"
#include "core/quant/quant_params.h"

namespace ptq::search {
namespace {

std::vector<float> Normal(int64_t count, const std::string& name) {
  RandomStream random(3, name);
  std::vector<float> x(count);
  for (float& value : x) {
    value = static_cast<float>(random.NextNormal());
  }
  return x;
}

// An op with random operands and their product.
class SampleOp {
 public:
  SampleOp(bool shared_right, int64_t images, int64_t heads, int64_t rows, int64_t inner, int64_t columns) {
    sample_.images = images;
    sample_.heads = heads;
    sample_.rows = rows;
    sample_.inner = inner;
    sample_.columns = columns;
    sample_.shared_right = shared_right;
    left_ = Normal(images * heads * rows * inner, "left");
    right_ = Normal((shared_right ? 1 : images * heads) * columns * inner, "right");
    bias_ = Normal(columns, "bias");
    target_.resize(images * heads * rows * columns);
    for (int64_t product = 0; product < images * heads; ++product) {
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < columns; ++c) {
          double sum = 0;
          for (int64_t k = 0; k < inner; ++k) {
            sum += static_cast<double>(left_[(product * rows + r) * inner + k]) *
                   right_[((shared_right ? 0 : product) * columns + c) * inner + k];
          }
          target_[(product * rows + r) * columns + c] = static_cast<float>(sum);
        }
      }
    }
    sample_.left = left_.data();
    sample_.right = right_.data();
    sample_.target = target_.data();
    sample_.bias = bias_.data();
  }

  const OpSample& sample() const { return sample_; }

 private:
  OpSample sample_;
  std::vector<float> left_, right_, target_, bias_;
};

quant::QuantParams Params(quant::Grid grid, int bits, float low, float high) {
  return quant::ParamsFromRange(grid, bits, {low}, {high}).value();
}

// Scores of a few candidates on both sides equal the plain ones.
void ExpectFastIsPlain(const OpSample& sample, const ObjectiveOptions& options, const quant::QuantParams& left,
                       const std::vector<quant::QuantParams>& right) {
  for (const int threads : {1, 2}) {
    OpObjective objective(sample, options, threads, nullptr);
    std::vector<quant::QuantParams> lefts;
    std::vector<std::vector<quant::QuantParams>> rights;
    for (const double factor : {0.4, 0.75, 1.0, 1.2}) {
      lefts.push_back(Scaled(left, factor));
      std::vector<quant::QuantParams>& scaled = rights.emplace_back();
      for (const quant::QuantParams& part : right) {
        scaled.push_back(Scaled(part, factor));
      }
    }
    const std::vector<double> of_lefts = objective.ScoreLefts(lefts, right).value();
    const std::vector<std::vector<double>> of_rights = objective.ScoreRights(left, rights).value();
    for (size_t c = 0; c < lefts.size(); ++c) {
      double mean = 0;
      for (const double part : objective.PlainScore({lefts[c], right})) {
        mean += part / static_cast<double>(right.size());
      }
      EXPECT_NEAR(of_lefts[c], mean, 2e-6) << "left " << c;
      const std::vector<double> plain = objective.PlainScore({left, rights[c]});
      ASSERT_EQ(plain.size(), of_rights[c].size());
      for (size_t p = 0; p < plain.size(); ++p) {
        EXPECT_NEAR(of_rights[c][p], plain[p], 2e-6) << "right " << c << ", part " << p;
      }
    }
  }
}

TEST(OpObjectiveTest, LinearOpsOfEveryWidthGridAndSimilarity) {
  const SampleOp op(true, 3, 1, 7, 20, 12);
  for (const int bits : {2, 4, 8, 10, 16}) {
    for (const quant::Grid grid :
         {quant::Grid::kSymmetricFull, quant::Grid::kAffine, quant::Grid::kSymmetricRestricted}) {
      for (const Similarity similarity : {Similarity::kImage, Similarity::kToken, Similarity::kPooled}) {
        SCOPED_TRACE(std::to_string(bits) + " " + quant::Name(grid) + " " +
                     std::to_string(static_cast<int>(similarity)));
        ObjectiveOptions options;
        options.similarity = similarity;
        ExpectFastIsPlain(op.sample(), options, Params(grid, bits, -1.7F, 3.1F),
                          {Params(quant::Grid::kSymmetricFull, bits, -2, 2)});
      }
    }
  }
}

TEST(OpObjectiveTest, PerChannelWeightsAndParts) {
  const SampleOp op(true, 2, 1, 5, 9, 12);
  const quant::QuantParams left = Params(quant::Grid::kSymmetricFull, 8, -3, 3);
  ObjectiveOptions options;
  std::vector<float> low, high;
  for (int c = 0; c < 12; ++c) {
    high.push_back(1.0F + 0.2F * static_cast<float>(c));
    low.push_back(-high.back());
  }
  const quant::QuantParams rows =
      quant::ParamsFromRange(quant::Grid::kSymmetricFull, 4, low, high, quant::Granularity::kPerChannel, 0).value();
  ExpectFastIsPlain(op.sample(), options, left, {rows});
  options.right_parts = 3;
  std::vector<quant::QuantParams> parts;
  for (const float bound : {1.0F, 2.0F, 3.0F}) {
    parts.push_back(Params(quant::Grid::kSymmetricFull, 6, -bound, bound));
  }
  ExpectFastIsPlain(op.sample(), options, left, parts);
}

TEST(OpObjectiveTest, CorrectedOutputs) {
  const SampleOp op(true, 3, 1, 5, 16, 9);
  ObjectiveOptions options;
  options.corrected = true;
  for (const int64_t parts : {1, 3}) {
    options.right_parts = parts;
    ExpectFastIsPlain(op.sample(), options, Params(quant::Grid::kAffine, 4, -0.5F, 2),
                      std::vector<quant::QuantParams>(parts, Params(quant::Grid::kSymmetricFull, 4, -2, 2)));
  }
}

TEST(OpObjectiveTest, ProductsWithEveryRanking) {
  const SampleOp op(false, 2, 3, 9, 8, 9);
  const quant::QuantParams left = Params(quant::Grid::kSymmetricFull, 6, -3, 3);
  const std::vector<quant::QuantParams> right = {Params(quant::Grid::kAffine, 6, -2.5F, 3)};
  ExpectFastIsPlain(op.sample(), {}, left, right);
  for (const RankedMatrix matrix : {RankedMatrix::kScores, RankedMatrix::kScaledScores, RankedMatrix::kSoftmax}) {
    for (const bool join : {false, true}) {
      ObjectiveOptions options;
      options.ranking = RankingOptions();
      options.ranking->matrix = matrix;
      options.ranking->join_heads = join;
      options.ranking->score_factor = 0.35;
      SCOPED_TRACE(std::to_string(static_cast<int>(matrix)) + (join ? " joined" : ""));
      ExpectFastIsPlain(op.sample(), options, left, right);
    }
  }
}

// The term itself, by the printed double loop: J = similarity - gamma * mean loss.
TEST(OpObjectiveTest, TheRankingTermIsGammaTimesTheLoss) {
  const SampleOp op(false, 2, 2, 6, 8, 6);
  const OpSample& s = op.sample();
  const OpIntervals at{Params(quant::Grid::kSymmetricFull, 3, -2, 2), {Params(quant::Grid::kSymmetricFull, 3, -2, 2)}};
  ObjectiveOptions options;
  const double similarity = OpObjective(s, options, 1, nullptr).PlainScore(at)[0];
  auto quantized = [&](const float* x, int64_t i, const quant::QuantParams& p) {
    const float code = std::nearbyint(x[i] / p.scale[0]);
    return p.scale[0] * std::fmin(std::fmax(code, -4), 3);
  };
  double loss = 0;
  for (int64_t product = 0; product < 4; ++product) {
    std::vector<float> o_hat(36);
    for (int64_t r = 0; r < 6; ++r) {
      for (int64_t c = 0; c < 6; ++c) {
        double sum = 0;
        for (int64_t k = 0; k < 8; ++k) {
          sum += static_cast<double>(quantized(s.left, (product * 6 + r) * 8 + k, at.left)) *
                 quantized(s.right, (product * 6 + c) * 8 + k, at.right[0]);
        }
        o_hat[r * 6 + c] = static_cast<float>(sum);
      }
    }
    loss += RankingLossPlain(s.target + product * 36, o_hat.data(), 6, 6, 0.2F);
  }
  options.ranking = RankingOptions();
  const double pairs = 6 * 15;
  EXPECT_NEAR(OpObjective(s, options, 1, nullptr).PlainScore(at)[0], similarity - 0.1 * loss / 4 / pairs, 1e-6);
  options.ranking->sum_pairs = true;
  EXPECT_NEAR(OpObjective(s, options, 1, nullptr).PlainScore(at)[0], similarity - 0.1 * loss / 4, 1e-5);
  options.ranking->sum_images = true;
  EXPECT_NEAR(OpObjective(s, options, 1, nullptr).PlainScore(at)[0], similarity - 0.1 * loss / 2, 1e-5);
}

TEST(OpObjectiveTest, RankingOfAProjectionTouchesQAndKOnly) {
  const SampleOp op(true, 2, 1, 7, 10, 24);
  const quant::QuantParams left = Params(quant::Grid::kSymmetricFull, 5, -3, 3);
  const std::vector<quant::QuantParams> right(3, Params(quant::Grid::kSymmetricFull, 5, -2, 2));
  ObjectiveOptions options;
  options.right_parts = 3;
  const std::vector<double> without = OpObjective(op.sample(), options, 1, nullptr).PlainScore({left, right});
  options.ranking = RankingOptions();
  options.ranking->projection_heads = 2;
  ExpectFastIsPlain(op.sample(), options, left, right);
  const std::vector<double> with = OpObjective(op.sample(), options, 1, nullptr).PlainScore({left, right});
  EXPECT_LT(with[0], without[0]);
  EXPECT_LT(with[1], without[1]);
  EXPECT_EQ(with[2], without[2]);
}

TEST(OpObjectiveTest, StopsBetweenCandidates) {
  const SampleOp op(true, 1, 1, 2, 4, 3);
  OpObjective objective(op.sample(), {}, 1, [] { return true; });
  const quant::QuantParams params = Params(quant::Grid::kSymmetricFull, 8, -3, 3);
  EXPECT_EQ(objective.ScoreLefts({params}, {params}).error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(objective.ScoreRights(params, {{params}}).error().code, ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace ptq::search
