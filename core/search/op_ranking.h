// op_ranking.h: the ranking loss of one op's candidates over the calibration images (Liu et al. 2021, Eq. 12 and 13).
//
// Two kinds of op have one.  A product of scores (qk) is ranked by what it puts out.  Of a fused qkv projection in
// three parts, q's part is ranked by the scores that it makes with the float k, and k's part with the float q; v's is
// not.
#pragma once

#include <cstdint>
#include <vector>

#include "core/search/op_sample.h"
#include "core/search/ranking_loss.h"

namespace ptq::search {

enum class RankedMatrix { kScores, kScaledScores, kSoftmax };

struct RankingOptions {
  double gamma = 0.1;
  double theta = 0.2;
  RankedMatrix matrix = RankedMatrix::kScores;
  bool sum_pairs = false;        // the sum as printed; otherwise the mean over pairs
  bool sum_images = false;       // otherwise the mean over images
  bool join_heads = false;       // pairs across heads as well; otherwise per head, averaged
  double score_factor = 1.0;     // 1/sqrt(D), read by kScaledScores and kSoftmax
  int64_t projection_heads = 0;  // of a qkv projection; 0 for qk
};

class OpRanking {
 public:
  // Memory of one thread, kept between calls.
  struct Scratch {
    std::vector<float> scores, joined;
  };

  // The sample's memory outlives this object.
  OpRanking(const OpSample& sample, const RankingOptions& options);

  // Parts of the columns that are ranked: the first of one (qk), or the first two of three.
  int64_t parts() const { return options_.projection_heads > 0 ? 2 : 1; }

  // The loss of one image.  o_hat: the part's output without bias, contiguous: (heads, rows, columns) of qk,
  // (rows, columns / 3) of a projection.
  double Loss(int64_t part, int64_t image, const float* o_hat, Scratch& scratch) const;
  // The same by RankingLossPlain on both matrices.
  double PlainLoss(int64_t part, int64_t image, const float* o_hat) const;

  // gamma times the losses' sum over images, or times their mean.
  double Penalty(double sum_over_images) const;

 private:
  // The ranked matrices of o_hat in scratch: heads_ of them, or one where heads are joined.
  const float* Matrices(int64_t part, int64_t image, const float* o_hat, Scratch& scratch) const;
  // The float model's.
  const float* FloatMatrices(int64_t image, Scratch& scratch) const;
  const float* Finish(Scratch& scratch) const;
  template <typename LossOfMatrix>
  double Average(const LossOfMatrix& loss) const;

  const OpSample sample_;
  const RankingOptions options_;
  const int64_t heads_, columns_;       // of the scores; rows are the sample's
  std::vector<std::vector<float>> qk_;  // of a projection, per image: float q and k with bias, side by side
  std::vector<std::vector<RankingTarget>> targets_;  // per image and matrix
};

}  // namespace ptq::search
