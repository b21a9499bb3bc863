// ranking_loss.h: the ranking loss of attention scores (Liu et al. 2021, Eq. 13).
//
//   L = sum_k sum_{i<j} max(0, theta - (a_hat[k][i] - a_hat[k][j]) * sign(a[k][i] - a[k][j]))
//
// over all pairs of columns within one row.  A pair adds nothing only where a_hat keeps its order by at least theta;
// sign(0) = 0, so a pair tied in `a` adds theta.  No LibTorch.  All values finite.
#pragma once

#include <cstdint>
#include <vector>

namespace ptq::search {

// The float scores, sorted once, against which many candidates are held.
class RankingTarget {
 public:
  // scores: rows x columns, row major; not kept.  columns < 65536.
  RankingTarget(const float* scores, int64_t rows, int64_t columns);

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  int64_t pairs() const { return rows_ * (columns_ * (columns_ - 1) / 2); }

  // L of a_hat (rows x columns, row major).  Exact up to float32 rounding: pairs that add nothing are skipped where all
  // that follow add nothing either, none that adds something is.  theta >= 0.  Safe to call from several threads.
  double Loss(const float* a_hat, float theta) const;

 private:
  int64_t rows_ = 0, columns_ = 0;
  int64_t tied_pairs_ = 0;
  std::vector<uint16_t> order_;       // per row: columns in descending order of score
  std::vector<uint16_t> tied_until_;  // per row and place: one past the last place with an equal score
  std::vector<bool> row_ties_;        // whether a row has any
};

// The double loop over pairs, as printed.
double RankingLossPlain(const float* scores, const float* a_hat, int64_t rows, int64_t columns, float theta);

}  // namespace ptq::search
