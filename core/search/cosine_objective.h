// cosine_objective.h: how near one op's quantized output is to the float output over the calibration images, in the
// terms of output_score.h; what a search of EasyQuant's kind maximizes.
//
// Outputs are without bias.  Candidates are computed on integer codes and reduced on the way (code_product.h); the
// Plain functions are the same in plain loops.
#pragma once

#include <functional>
#include <vector>

#include "core/base/error.h"
#include "core/quant/quant_params.h"
#include "core/search/code_product.h"
#include "core/search/op_sample.h"
#include "core/search/output_score.h"

namespace ptq::search {

enum class ScoreDomain {
  kMap,  // one score per product (an image, or an image's head), averaged
  kRow,  // one per token of a product, averaged (PTQ4ViT's cosine over the last dimension)
};

struct CosineOptions {
  OutputMetric metric = OutputMetric::kCosine;
  ScoreDomain domain = ScoreDomain::kMap;
  // Which outputs judge a right interval: equal runs of columns, each with its own interval (a fused qkv: 3), scored as
  // above; or every column alone, over all images and tokens at once (column_scores.h).  More than one: linear ops
  // only.
  int64_t right_parts = 1;
  bool per_column = false;
};

class CosineObjective {
 public:
  // The sample's memory outlives the objective.  `stop` is asked between candidates, from the calling thread.
  CosineObjective(const OpSample& sample, const CosineOptions& options, int threads, std::function<bool()> stop);

  // What has a right interval of its own: columns, or parts.
  int64_t right_groups() const { return options_.per_column ? sample_.columns : options_.right_parts; }

  // Candidates, at least one, are on one grid and width; left operands are per tensor.
  // scores[i]: of the whole output with lefts[i].  Errors: Interrupted.
  Result<std::vector<double>> ScoreLefts(const std::vector<quant::QuantParams>& lefts, const quant::QuantParams& right);
  // scores[i][g]: of group g's columns with rights[i], all groups in one product.  Errors: Interrupted.
  Result<std::vector<std::vector<double>>> ScoreRights(const quant::QuantParams& left,
                                                       const std::vector<quant::QuantParams>& rights);

  // The score of the whole output, and of each group, by fake-quantized operands and sums in double.
  double PlainScore(const quant::QuantParams& left, const quant::QuantParams& right) const;
  std::vector<double> PlainGroupScores(const quant::QuantParams& left, const quant::QuantParams& right) const;

 private:
  struct Intervals;
  struct Packed;
  struct Scored;
  struct Workspace;

  CodeContainer Container(const quant::QuantParams& left, const quant::QuantParams& right) const;
  void PackLeft(const quant::QuantParams& params, CodeContainer container, int64_t product, Workspace& work,
                LeftCodes* codes) const;
  void PackRight(const quant::QuantParams& params, CodeContainer container, int64_t product, int64_t part,
                 int64_t parts, Workspace& work, RightCodes* codes) const;
  void AddProduct(int64_t product, int64_t parts, const Packed& packed, Workspace& work, Scored* scored) const;
  void ScoreGroup(const std::vector<Intervals>& candidates, size_t begin, size_t end, int64_t parts,
                  const Packed& packed, Workspace& work, std::vector<std::vector<double>>* scores) const;
  // scores[i][part].
  Result<std::vector<std::vector<double>>> ScoreMaps(const std::vector<Intervals>& candidates, int64_t parts,
                                                     const Packed& packed) const;
  int64_t domains() const;
  std::vector<double> SquaredNorms(int64_t parts) const;
  std::vector<float> PlainOutput(const quant::QuantParams& left, const quant::QuantParams& right) const;
  double PlainOver(const std::vector<float>& o_hat, int64_t first_column, int64_t columns,
                   int64_t rows_of_domain) const;

  const OpSample sample_;
  const CosineOptions options_;
  const int threads_;
  const std::function<bool()> stop_;
};

}  // namespace ptq::search
