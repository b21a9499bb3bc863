#include "core/search/op_ranking.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/check.h"

namespace ptq::search {
namespace {

// (heads, rows, columns) -> (rows, heads * columns).
void JoinHeads(const float* values, int64_t heads, int64_t rows, int64_t columns, std::vector<float>& joined) {
  joined.resize(heads * rows * columns);
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t r = 0; r < rows; ++r) {
      std::copy_n(values + (h * rows + r) * columns, columns, joined.data() + (r * heads + h) * columns);
    }
  }
}

// What is ranked, from scores, in place.
void ToRankedMatrix(const RankingOptions& options, int64_t rows, int64_t columns, float* scores) {
  if (options.matrix == RankedMatrix::kScores) {
    return;
  }
  const auto factor = static_cast<float>(options.score_factor);
  for (int64_t r = 0; r < rows; ++r) {
    float* row = scores + r * columns;
    std::transform(row, row + columns, row, [&](float x) { return x * factor; });
    if (options.matrix == RankedMatrix::kSoftmax) {
      const float top = *std::max_element(row, row + columns);
      std::transform(row, row + columns, row, [&](float x) { return std::exp(x - top); });
      const double sum = std::accumulate(row, row + columns, 0.0);
      std::transform(row, row + columns, row, [&](float x) { return static_cast<float>(x / sum); });
    }
  }
}

// scores (heads, rows, rows) of q and k, each (rows, heads * depth) with rows `stride` apart.
void Scores(const float* q, int64_t q_stride, const float* k, int64_t k_stride, int64_t heads, int64_t rows,
            int64_t depth, float* scores) {
  std::vector<float> transposed(depth * rows);
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t d = 0; d < depth; ++d) {
        transposed[d * rows + r] = k[r * k_stride + h * depth + d];
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      float* out = scores + (h * rows + r) * rows;
      std::fill_n(out, rows, 0.0F);
      for (int64_t d = 0; d < depth; ++d) {
        const float x = q[r * q_stride + h * depth + d];
        const float* y = transposed.data() + d * rows;
        for (int64_t c = 0; c < rows; ++c) {
          out[c] += x * y[c];
        }
      }
    }
  }
}

}  // namespace

OpRanking::OpRanking(const OpSample& sample, const RankingOptions& options)
    : sample_(sample),
      options_(options),
      heads_(options.projection_heads > 0 ? options.projection_heads : sample.heads),
      columns_(options.projection_heads > 0 ? sample.rows : sample.columns) {
  const bool projection = options.projection_heads > 0;
  PTQ_CHECK(projection ? sample.bias != nullptr && sample.columns % 3 == 0 : !sample.shared_right);
  const int64_t width = 2 * sample.columns / 3;
  for (int64_t image = 0; projection && image < sample.images; ++image) {
    std::vector<float>& qk = qk_.emplace_back(sample.rows * width);
    const float* output = sample.target + image * sample.rows * sample.columns;
    for (int64_t r = 0; r < sample.rows; ++r) {
      for (int64_t c = 0; c < width; ++c) {
        qk[r * width + c] = output[r * sample.columns + c] + sample.bias[c];
      }
    }
  }
  Scratch scratch;
  for (int64_t image = 0; image < sample.images; ++image) {
    const float* matrices = FloatMatrices(image, scratch);
    std::vector<RankingTarget>& targets = targets_.emplace_back();
    if (options.join_heads) {
      targets.emplace_back(matrices, sample.rows, heads_ * columns_);
      continue;
    }
    for (int64_t h = 0; h < heads_; ++h) {
      targets.emplace_back(matrices + h * sample.rows * columns_, sample.rows, columns_);
    }
  }
}

const float* OpRanking::Finish(Scratch& scratch) const {
  ToRankedMatrix(options_, heads_ * sample_.rows, columns_, scratch.scores.data());
  if (!options_.join_heads) {
    return scratch.scores.data();
  }
  JoinHeads(scratch.scores.data(), heads_, sample_.rows, columns_, scratch.joined);
  return scratch.joined.data();
}

const float* OpRanking::FloatMatrices(int64_t image, Scratch& scratch) const {
  const int64_t size = heads_ * sample_.rows * columns_;
  scratch.scores.resize(size);
  if (options_.projection_heads == 0) {
    std::copy_n(sample_.target + image * size, size, scratch.scores.data());
  } else {
    const int64_t width = sample_.columns / 3;
    const float* qk = qk_[image].data();
    Scores(qk, 2 * width, qk + width, 2 * width, heads_, sample_.rows, width / heads_, scratch.scores.data());
  }
  return Finish(scratch);
}

const float* OpRanking::Matrices(int64_t part, int64_t image, const float* o_hat, Scratch& scratch) const {
  const int64_t size = heads_ * sample_.rows * columns_;
  scratch.scores.resize(size);
  if (options_.projection_heads == 0) {
    std::copy_n(o_hat, size, scratch.scores.data());
    return Finish(scratch);
  }
  const int64_t width = sample_.columns / 3;
  const float* bias = sample_.bias + part * width;
  scratch.joined.resize(sample_.rows * width);
  for (int64_t r = 0; r < sample_.rows; ++r) {
    for (int64_t c = 0; c < width; ++c) {
      scratch.joined[r * width + c] = o_hat[r * width + c] + bias[c];
    }
  }
  const float* quantized = scratch.joined.data();
  const float* q = qk_[image].data();
  const float* k = q + width;
  if (part == 0) {
    Scores(quantized, width, k, 2 * width, heads_, sample_.rows, width / heads_, scratch.scores.data());
  } else {
    Scores(q, 2 * width, quantized, width, heads_, sample_.rows, width / heads_, scratch.scores.data());
  }
  return Finish(scratch);
}

// Of the losses of all matrices of an image, each a sum over pairs.
template <typename LossOfMatrix>
double OpRanking::Average(const LossOfMatrix& loss) const {
  const int64_t matrices = options_.join_heads ? 1 : heads_;
  const int64_t columns = options_.join_heads ? heads_ * columns_ : columns_;
  const auto pairs = static_cast<double>(std::max<int64_t>(1, sample_.rows * (columns * (columns - 1) / 2)));
  double sum = 0;
  for (int64_t m = 0; m < matrices; ++m) {
    const double of_matrix = loss(m, m * sample_.rows * columns, columns);
    sum += options_.sum_pairs ? of_matrix : of_matrix / pairs;
  }
  return sum / static_cast<double>(matrices);
}

double OpRanking::Loss(int64_t part, int64_t image, const float* o_hat, Scratch& scratch) const {
  const float* a_hat = Matrices(part, image, o_hat, scratch);
  return Average([&](int64_t matrix, int64_t begin, int64_t) {
    return targets_[image][matrix].Loss(a_hat + begin, static_cast<float>(options_.theta));
  });
}

double OpRanking::PlainLoss(int64_t part, int64_t image, const float* o_hat) const {
  Scratch of_float, of_candidate;
  const float* a = FloatMatrices(image, of_float);
  const float* a_hat = Matrices(part, image, o_hat, of_candidate);
  return Average([&](int64_t, int64_t begin, int64_t columns) {
    return RankingLossPlain(a + begin, a_hat + begin, sample_.rows, columns, static_cast<float>(options_.theta));
  });
}

double OpRanking::Penalty(double sum_over_images) const {
  return options_.gamma * sum_over_images / (options_.sum_images ? 1.0 : static_cast<double>(sample_.images));
}

}  // namespace ptq::search
