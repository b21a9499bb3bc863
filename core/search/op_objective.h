// op_objective.h: the objective of one op over the calibration images: similarity of its output, less ranking loss
// (Liu et al. 2021, Eq. 10 to 13).
//
//   J = mean over images of Gamma(O, O_hat) - gamma * L_rank(A, A_hat)
//
// where O is the op's float output without bias.  The output of candidates is computed on integer codes and reduced on
// the way (code_product.h); PlainScore is the same in plain loops, as printed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/search/interval_search.h"
#include "core/search/pearson.h"
#include "core/search/ranking_loss.h"

namespace ptq::search {

// One op's operands and float output over all images; every matrix is contiguous and row major.  A linear op has one
// head, its tokens as rows and one weight for all images; qk and pv have a right operand of their own in each head.
struct OpSample {
  int64_t images = 0, heads = 1, rows = 0, inner = 0, columns = 0;
  bool shared_right = true;
  const float* left = nullptr;    // (images, heads, rows, inner)
  const float* right = nullptr;   // (columns, inner), or (images, heads, columns, inner) where not shared
  const float* target = nullptr;  // (images, heads, rows, columns)
  const float* bias = nullptr;    // (columns); read by ProjectionRanking only

  int64_t products() const { return images * heads; }
  int64_t multiply_accumulates() const { return products() * rows * inner * columns; }
};

enum class Similarity {
  kImage,   // one correlation per image over its whole output map, averaged
  kToken,   // one per row, averaged
  kPooled,  // one over all images together
};

enum class RankedMatrix { kScores, kScaledScores, kSoftmax };

// Where the sample is a product of scores (qk), its own output is ranked.  Where it is a fused qkv projection in three
// parts, q's part is ranked by the scores that it makes with the float k, and k's part with the float q; v's is not.
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

struct ObjectiveOptions {
  Similarity similarity = Similarity::kImage;
  std::optional<RankingOptions> ranking;  // of a product: rows x columns are scores
  bool corrected = false;                 // score outputs after bias correction (channel means of the error removed)
  int64_t right_parts = 1;                // equal slices of the columns, each with its own right interval; linear only
};

class OpObjective final : public IntervalObjective {
 public:
  // The sample's memory outlives the objective.  `stop` is asked between candidates, from the calling thread.
  OpObjective(const OpSample& sample, const ObjectiveOptions& options, int threads, std::function<bool()> stop);
  ~OpObjective() override;

  size_t right_parts() const override { return static_cast<size_t>(options_.right_parts); }
  Result<std::vector<double>> ScoreLefts(const std::vector<quant::QuantParams>& lefts,
                                         const std::vector<quant::QuantParams>& right) override;
  Result<std::vector<std::vector<double>>> ScoreRights(
      const quant::QuantParams& left, const std::vector<std::vector<quant::QuantParams>>& rights) override;

  // The score of each part by fake-quantized operands and float sums: the meaning of the above.
  std::vector<double> PlainScore(const OpIntervals& intervals) const;

 private:
  struct Packed;
  struct PartColumns;
  struct Scored;
  struct Workspace;
  struct Ranked;

  void PrepareRanking();
  CodeContainer Container(const OpIntervals& intervals) const;
  void PackLeft(const quant::QuantParams& params, CodeContainer container, int64_t product, Workspace& work,
                LeftCodes* codes) const;
  void PackRight(const quant::QuantParams& params, CodeContainer container, int64_t product, int64_t part,
                 Workspace& work, RightCodes* codes) const;
  std::vector<int64_t> LeftSums(const quant::QuantParams& params, Workspace& work) const;
  void PrepareColumns(const OpIntervals& intervals, int64_t part, const std::vector<int64_t>& left_sums,
                      const std::vector<int32_t>& right_codes, PartColumns* columns) const;
  void BeginCandidate(const OpIntervals& intervals, const Packed& packed, Workspace& work, Scored* scored) const;
  void AddImage(int64_t image, const Packed& packed, Workspace& work, Scored* scored) const;
  // Scores of candidates begin, begin + step, ... below end.
  std::vector<std::vector<double>> ScoreGroup(const std::vector<OpIntervals>& candidates, size_t begin, size_t end,
                                              size_t step, const Packed& packed, Workspace& work) const;
  Result<std::vector<std::vector<double>>> ScoreAll(const std::vector<OpIntervals>& candidates,
                                                    const Packed& packed) const;
  double RankingLoss(int64_t part, int64_t image, const float* o_hat, Workspace& work) const;
  double Combine(double similarity, double ranking_sum) const;
  size_t DomainOf(int64_t image, int64_t row) const;
  bool Ranks(size_t part) const;
  int64_t width() const { return sample_.columns / options_.right_parts; }  // columns of a part
  const float* Target(int64_t product, int64_t part) const;

  const OpSample sample_;
  const ObjectiveOptions options_;
  const int threads_;
  const std::function<bool()> stop_;
  std::vector<std::vector<TargetMoments>> moments_;  // per part: one per domain of the similarity
  std::vector<double> target_mean_;                  // per column, where corrected
  std::unique_ptr<Ranked> ranked_;
};

}  // namespace ptq::search
