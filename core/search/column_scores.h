// column_scores.h: the score of every output channel of a linear op under candidate weight intervals, all channels in
// one product: given the input, an output channel depends on its own interval alone (Wu et al. 2020, EasyQuant).
#pragma once

#include <functional>
#include <vector>

#include "core/base/error.h"
#include "core/quant/quant_params.h"
#include "core/search/op_sample.h"
#include "core/search/output_score.h"

namespace ptq::search {

// scores[i][c]: of output channel c over all images and tokens with rights[i], whose scales are one per channel or one
// for all.  The sample has a shared right operand; `left` is per tensor; at least one candidate, all on one grid and
// width.  Errors: Interrupted.
Result<std::vector<std::vector<double>>> ScoreColumns(const OpSample& sample, OutputMetric metric,
                                                      const quant::QuantParams& left,
                                                      const std::vector<quant::QuantParams>& rights, int threads,
                                                      const std::function<bool()>& stop);

}  // namespace ptq::search
