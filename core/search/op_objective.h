// op_objective.h: the objective of one op over the calibration images: similarity of its output, less ranking loss
// (Liu et al. 2021, Eq. 10 to 13).
//
//   J = mean over images of Gamma(O, O_hat) - gamma * L_rank(A, A_hat)
//
// where O is the op's float output without bias.  The output of candidates is computed on integer codes and reduced on
// the way (code_product.h); PlainScore is the same in plain loops.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/search/interval_search.h"
#include "core/search/op_ranking.h"
#include "core/search/op_sample.h"
#include "core/search/pearson.h"

namespace ptq::search {

enum class Similarity {
  kImage,   // one correlation per image over its whole output map, averaged
  kToken,   // one per row, averaged
  kPooled,  // one over all images together
};

struct ObjectiveOptions {
  Similarity similarity = Similarity::kImage;
  std::optional<RankingOptions> ranking;  // of qk, or of a qkv projection in three parts
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

  // The score of each part by fake-quantized operands, sums in double and RankingLossPlain: the meaning of the above.
  std::vector<double> PlainScore(const OpIntervals& intervals) const;

 private:
  struct Packed;
  struct PartColumns;
  struct Scored;
  struct Workspace;

  CodeContainer Container(const OpIntervals& intervals) const;
  // The codes of a product's left operand, into work.codes.
  void QuantizeLeft(const quant::QuantParams& params, int64_t product, Workspace& work) const;
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
  std::unique_ptr<OpRanking> ranking_;
};

}  // namespace ptq::search
