// The choice among candidates against the full losses in plain loops, and against hand-made cases.
#include "baselines/ptq4vit/op_loss.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/base/random.h"
#include "core/quant/reference.h"

namespace ptq::baselines::ptq4vit {
namespace {

using quant::Grid;
using quant::QuantParams;
using ::testing::ElementsAre;

std::vector<float> Normal(int64_t count, const std::string& name) {
  RandomStream random(3, name);
  std::vector<float> x(count);
  for (float& value : x) {
    value = static_cast<float>(random.NextNormal());
  }
  return x;
}

QuantParams Step(float scale, int bits = 4, Grid grid = Grid::kSymmetricFull) {
  QuantParams params;
  params.grid = grid;
  params.num_bits = bits;
  params.scale = {scale};
  params.zero_point = {0};
  if (grid == Grid::kTwinSigned) {
    params.second_scale = {0.021F};
  }
  if (grid == Grid::kTwinSoftmax) {
    params.second_scale = {1 / static_cast<float>((1 << (bits - 1)) - 1)};
  }
  return params;
}

Candidates Steps(vit::Side side, const std::vector<std::vector<float>>& scales, int bits = 4,
                 Grid grid = Grid::kSymmetricFull) {
  Candidates candidates;
  candidates.side = side;
  for (const std::vector<float>& of_parts : scales) {
    Parts& parts = candidates.parts.emplace_back();
    for (const float scale : of_parts) {
      parts.push_back(Step(scale, bits, grid));
    }
  }
  return candidates;
}

// An op, its float product and a gradient.
struct Op {
  Op(bool shared, int64_t images, int64_t heads, int64_t rows, int64_t inner, int64_t columns) {
    s.images = images;
    s.heads = heads;
    s.rows = rows;
    s.inner = inner;
    s.columns = columns;
    s.shared_right = shared;
    left = Normal(s.products() * rows * inner, "left");
    right = Normal((shared ? 1 : s.products()) * columns * inner, "right");
    gradient = Normal(s.products() * rows * columns, "gradient");
    bias = Normal(columns, "bias");
    target.resize(gradient.size());
    for (size_t i = 0; i < target.size(); ++i) {
      target[i] = static_cast<float>(Product(left, right, static_cast<int64_t>(i)));
    }
    s.left = left.data();
    s.right = right.data();
    s.target = target.data();
    s.bias = shared ? bias.data() : nullptr;
  }

  // Output i of the product of the operands.
  double Product(const std::vector<float>& a, const std::vector<float>& b, int64_t i) const {
    const int64_t row = i / s.columns;
    const int64_t other = (s.shared_right ? 0 : row / s.rows * s.columns) + i % s.columns;
    double sum = 0;
    for (int64_t k = 0; k < s.inner; ++k) {
      sum += static_cast<double>(a[row * s.inner + k]) * b[other * s.inner + k];
    }
    return sum;
  }

  // The part that an element of an operand belongs to.
  size_t PartOf(vit::Side side, size_t parts, int64_t element) const {
    const int64_t row = element / s.inner;
    if (side == vit::Side::kRight && s.shared_right) {
      return static_cast<size_t>(row) / (static_cast<size_t>(s.columns) / parts);
    }
    const int64_t rows = side == vit::Side::kLeft ? s.rows : s.columns;
    return parts == 1 ? 0 : static_cast<size_t>(row / rows % s.heads);
  }

  std::vector<float> Quantized(vit::Side side, const Parts& parts) const {
    std::vector<float> x = side == vit::Side::kLeft ? left : right;
    for (size_t i = 0; !parts.empty() && i < x.size(); ++i) {
      x[i] = quant::FakeQuantizeScalar(x[i], parts[PartOf(side, parts.size(), static_cast<int64_t>(i))]);
    }
    return x;
  }

  // The loss of each candidate and part, in plain loops.
  std::vector<std::vector<double>> PlainLosses(const Candidates& candidates, const Parts& other, Metric metric) const {
    const bool is_left = candidates.side == vit::Side::kLeft;
    const size_t count = candidates.part_count();
    const bool slices = !is_left && s.shared_right;
    const int64_t width = slices ? s.columns / static_cast<int64_t>(count) : s.columns;
    const std::vector<float> fixed = Quantized(is_left ? vit::Side::kRight : vit::Side::kLeft, other);
    std::vector<std::vector<double>> losses;
    for (const Parts& parts : candidates.parts) {
      const std::vector<float> varied = Quantized(candidates.side, parts);
      std::vector<double>& loss = losses.emplace_back(count, 0.0);
      for (int64_t first = 0; first < static_cast<int64_t>(target.size()); first += width) {
        const int64_t row = first / s.columns;
        const size_t part = slices       ? static_cast<size_t>(first % s.columns / width)
                            : count == 1 ? 0
                                         : static_cast<size_t>(row / s.rows % s.heads);
        double dot = 0, aa = 0, bb = 0, error = 0;
        for (int64_t i = first; i < first + width; ++i) {
          const double o_hat = Product(is_left ? varied : fixed, is_left ? fixed : varied, i);
          const double shift = s.bias == nullptr ? 0 : bias[i % s.columns];
          dot += (o_hat + shift) * (target[i] + shift);
          aa += (o_hat + shift) * (o_hat + shift);
          bb += (target[i] + shift) * (target[i] + shift);
          error += std::pow(gradient[i] * (o_hat - target[i]), 2);
        }
        loss[part] += metric == Metric::kHessian ? error : 1 - dot / std::sqrt(aa * bb);
      }
    }
    return losses;
  }

  search::OpSample s;
  std::vector<float> left, right, gradient, bias, target;
};

std::vector<size_t> ArgMin(const std::vector<std::vector<double>>& losses) {
  std::vector<size_t> best(losses[0].size(), 0);
  for (size_t part = 0; part < best.size(); ++part) {
    for (size_t c = 0; c < losses.size(); ++c) {
      best[part] = losses[c][part] < losses[best[part]][part] ? c : best[part];
    }
  }
  return best;
}

void ExpectBestIsArgMin(const Op& op, Candidates candidates, const Parts& other) {
  for (const Metric metric : {Metric::kHessian, Metric::kCosine}) {
    const std::vector<size_t> expected = ArgMin(op.PlainLosses(candidates, other, metric));
    const OpLoss loss(op.s, metric == Metric::kHessian ? op.gradient.data() : nullptr, metric, nullptr);
    for (const size_t first : {size_t{0}, candidates.parts.size() - 1}) {
      candidates.first = first;
      const Result<std::vector<size_t>> best = loss.Best(candidates, other);
      ASSERT_TRUE(best.ok());
      EXPECT_EQ(*best, expected) << "metric " << static_cast<int>(metric) << ", first " << first;
    }
  }
}

// 21 steps from 0.1 to 0.6, each part at its own multiple.
std::vector<std::vector<float>> Scales(size_t parts) {
  std::vector<std::vector<float>> scales;
  for (int i = 0; i <= 20; ++i) {
    std::vector<float>& of_parts = scales.emplace_back();
    for (size_t part = 0; part < parts; ++part) {
      of_parts.push_back((0.1F + 0.025F * static_cast<float>(i)) * (1 + 0.5F * static_cast<float>(part)));
    }
  }
  return scales;
}

TEST(OpLossTest, ThePartsOfAWeightAreChosenApart) {
  const Op op(true, 5, 1, 7, 24, 3 * 19);
  ExpectBestIsArgMin(op, Steps(vit::Side::kRight, Scales(3)), {Step(0.4F)});
  ExpectBestIsArgMin(op, Steps(vit::Side::kRight, Scales(1)), {Step(0.4F)});
}

TEST(OpLossTest, AnInputIsChosenBesideAWeightInParts) {
  const Op op(true, 5, 1, 7, 24, 3 * 19);
  ExpectBestIsArgMin(op, Steps(vit::Side::kLeft, Scales(1)), {Step(0.4F), Step(0.2F), Step(0.6F)});
}

TEST(OpLossTest, HeadsAreChosenTogetherOrApart) {
  const Op op(false, 4, 3, 6, 20, 9);
  for (const vit::Side side : {vit::Side::kLeft, vit::Side::kRight}) {
    ExpectBestIsArgMin(op, Steps(side, Scales(1)), {Step(0.3F)});
    ExpectBestIsArgMin(op, Steps(side, Scales(3)), {Step(0.3F), Step(0.5F), Step(0.2F)});
  }
}

TEST(OpLossTest, TwinGridsAndFloatOperands) {
  const Op op(true, 4, 1, 6, 20, 18);
  ExpectBestIsArgMin(op, Steps(vit::Side::kLeft, Scales(1), 4, Grid::kTwinSigned), {Step(0.3F), Step(0.2F)});
  ExpectBestIsArgMin(op, Steps(vit::Side::kRight, Scales(2)), {Step(0.3F, 4, Grid::kTwinSigned)});
  ExpectBestIsArgMin(op, Steps(vit::Side::kRight, Scales(2)), {});
  Op attention(false, 4, 3, 6, 20, 9);
  for (float& p : attention.left) {
    p = 1 / (1 + p * p * 20);  // in 0..1, as a softmax output
  }
  std::vector<std::vector<float>> splits;
  for (int i = 0; i < 8; ++i) {
    splits.push_back({std::ldexp(1.0F, -i) / 7});
  }
  ExpectBestIsArgMin(attention, Steps(vit::Side::kLeft, splits, 4, Grid::kTwinSoftmax), {});
  ExpectBestIsArgMin(attention, Steps(vit::Side::kRight, Scales(3)), {Step(0.02F, 4, Grid::kTwinSoftmax)});
}

// 12-bit codes and 200 of them leave the 8-bit container; 16 bits leave the integers.
TEST(OpLossTest, WideCodes) {
  const Op op(true, 3, 1, 5, 200, 11);
  for (const int bits : {9, 12, 16}) {
    const float unit = std::ldexp(8.0F, -bits);
    ExpectBestIsArgMin(op, Steps(vit::Side::kRight, {{0.3F * unit}, {0.7F * unit}, {1.1F * unit}}, bits),
                       {Step(unit, bits)});
  }
}

// One output of one image: o = 1 * 1.  Steps 0.3, 0.5 and 1 with codes up to 1 (2 bits) give 0.3, 0.5 and 1.
TEST(OpLossTest, ByHand) {
  search::OpSample s;
  s.images = s.rows = s.inner = s.columns = 1;
  const float one = 1, gradient = 2;
  s.left = s.right = s.target = &one;
  const OpLoss loss(s, &gradient, Metric::kHessian, nullptr);
  EXPECT_THAT(*loss.Best(Steps(vit::Side::kRight, {{0.3F}, {1.0F}, {0.5F}}, 2), {Step(1, 2)}), ElementsAre(1));
  EXPECT_THAT(*loss.Best(Steps(vit::Side::kRight, {{0.3F}, {0.5F}, {0.5F}}, 2), {Step(1, 2)}), ElementsAre(1))
      << "the first of equals";
}

// Only the second output counts, so the step that represents it alone wins.
TEST(OpLossTest, TheGradientWeighsTheOutputs) {
  search::OpSample s;
  s.images = s.rows = s.inner = 1;
  s.columns = 2;
  const float left = 1, right[2] = {1.0F, 0.6F}, target[2] = {1.0F, 0.6F};
  s.left = &left;
  s.right = right;
  s.target = target;
  for (const bool second : {false, true}) {
    const float gradient[2] = {second ? 0.0F : 1.0F, second ? 1.0F : 0.0F};
    const OpLoss loss(s, gradient, Metric::kHessian, nullptr);
    EXPECT_THAT(*loss.Best(Steps(vit::Side::kRight, {{1.0F}, {0.6F}}, 2), {Step(1, 2)}), ElementsAre(second ? 1 : 0));
  }
}

TEST(OpLossTest, OneThreadAndTwoChooseTheSame) {
  const Op op(true, 6, 1, 33, 40, 3 * 64);
  const OpLoss loss(op.s, op.gradient.data(), Metric::kHessian, nullptr);
  const Candidates candidates = Steps(vit::Side::kRight, Scales(3));
  const int threads = at::get_num_threads();
  std::vector<std::vector<size_t>> found;
  for (const int count : {1, 2}) {
    at::set_num_threads(count);
    found.push_back(*loss.Best(candidates, {Step(0.4F)}));
  }
  at::set_num_threads(threads);
  EXPECT_EQ(found[0], found[1]);
}

TEST(OpLossTest, StopsWhereAsked) {
  const Op op(true, 2, 1, 3, 4, 6);
  const OpLoss loss(op.s, op.gradient.data(), Metric::kHessian, [] { return true; });
  const Result<std::vector<size_t>> best = loss.Best(Steps(vit::Side::kRight, Scales(1)), {Step(0.4F)});
  ASSERT_FALSE(best.ok());
  EXPECT_EQ(best.error().code, ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace ptq::baselines::ptq4vit
