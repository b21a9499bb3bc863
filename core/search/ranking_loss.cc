#include "core/search/ranking_loss.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/base/check.h"

namespace ptq::search {
namespace {

constexpr int64_t kLanes = 16;  // of the suffix maxima
constexpr int64_t kBlock = 8;   // places that are compared at once
constexpr int64_t kStride = 4;

// Fixed widths, wider than some machines' registers, so that every instruction set adds in the same order.
using Floats8 = float __attribute__((vector_size(32)));
using Doubles4 = double __attribute__((vector_size(32)));

// sum += max(0, theta - (tops - values[0..8))).
inline void AddLack(const Floats8& tops, const float* values, float theta, Floats8* sum) {
  Floats8 value;
  std::memcpy(&value, values, sizeof(value));
  const Floats8 lack = theta - (tops - value);
  *sum += lack > 0 ? lack : Floats8{};
}

inline float Lowest(const Floats8& x) {
  const Floats8 fours = __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3);
  const Floats8 four = x < fours ? x : fours;
  const Floats8 twos = __builtin_shufflevector(four, four, 2, 3, 0, 1, 6, 7, 4, 5);
  const Floats8 two = four < twos ? four : twos;
  return two[0] < two[1] ? two[0] : two[1];
}

// An integer that falls as the score rises; equal for -0 and 0.
uint32_t DescendingKey(float score) {
  const float value = score + 0.0F;
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  return (bits >> 31) != 0 ? bits : ~(bits | 0x80000000U);
}

// theta * count in two products that are exact, so that fusing them with an addition changes no bit.
double Times(float theta, int64_t count) {
  constexpr int64_t kPart = int64_t{1} << 24;
  return static_cast<double>(theta) * static_cast<double>(count / kPart) * static_cast<double>(kPart) +
         static_cast<double>(theta) * static_cast<double>(count % kPart);
}

// One row of a_hat in the target's descending order, and the maxima of its suffixes; padded with what never adds.
class OrderedRow {
 public:
  explicit OrderedRow(int64_t columns)
      : columns_(columns),
        padded_((columns + kLanes - 1) / kLanes * kLanes),
        tops_(padded_, -kNothing),
        values_(padded_ + 2 * kLanes, kNothing),
        suffix_max_(padded_ + 2 * kLanes, kNothing) {}

  void Gather(const float* row, const uint16_t* order) {
    for (int64_t p = 0; p < columns_; ++p) {
      values_[p] = row[order[p]];
    }
    std::copy_n(values_.data(), columns_, tops_.data());
    // The maximum over every 16th entry from here on, then over windows of 2, 4, 8 and 16 of those.
    float* max = suffix_max_.data();
    for (int64_t block = padded_ - kLanes; block >= 0; block -= kLanes) {
      for (int64_t i = block; i < block + kLanes; ++i) {
        max[i] = std::max(values_[i], max[i + kLanes]);
      }
    }
    for (int64_t step = 1; step < kLanes; step *= 2) {
      for (int64_t i = 0; i < padded_; ++i) {
        max[i] = std::max(max[i], max[i + step]);
      }
    }
  }

  // The sum of max(0, theta - (value[p] - value[q])) over every p < q, of a row without ties: 16 neighbouring p at
  // once, q = p + 1, p + 2, ... until no later value can add.  In float32 over the q of one p, in double over p.
  double SumOfPairs(float theta) const {
    Doubles4 total = {};
    for (int64_t block = 0; block < columns_; block += kBlock) {
      Floats8 tops;
      std::memcpy(&tops, &tops_[block], sizeof(tops));
      const float lowest = Lowest(tops);
      Floats8 sum = {};
      // One question every kStride places: those too many add nothing.
      for (int64_t q = block + 1; q < columns_ && lowest - suffix_max_[q] < theta; q += kStride) {
        for (int64_t i = 0; i < kStride; ++i) {
          AddLack(tops, &values_[q + i], theta, &sum);
        }
      }
      total += __builtin_convertvector(__builtin_shufflevector(sum, sum, 0, 1, 2, 3), Doubles4) +
               __builtin_convertvector(__builtin_shufflevector(sum, sum, 4, 5, 6, 7), Doubles4);
    }
    return (total[0] + total[1]) + (total[2] + total[3]);
  }

  // The same where some scores are tied: q from tied_until[p] on.
  double SumOfPairsFrom(const uint16_t* tied_until, float theta) const {
    double total = 0;
    for (int64_t p = 0; p < columns_; ++p) {
      const float top = values_[p];
      float sum = 0;
      for (int64_t q = tied_until[p]; q < columns_ && top - suffix_max_[q] < theta; ++q) {
        sum += std::max(0.0F, theta - (top - values_[q]));
      }
      total += static_cast<double>(sum);
    }
    return total;
  }

 private:
  static constexpr float kNothing = -std::numeric_limits<float>::infinity();
  int64_t columns_, padded_;
  std::vector<float> tops_;  // the values again, padded with +infinity
  std::vector<float> values_, suffix_max_;
};

}  // namespace

RankingTarget::RankingTarget(const float* scores, int64_t rows, int64_t columns)
    : rows_(rows), columns_(columns), order_(rows * columns), tied_until_(rows * columns), row_ties_(rows) {
  PTQ_CHECK(columns < 65536) << columns;
  std::vector<uint64_t> keys(columns);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; i < columns; ++i) {
      keys[i] = static_cast<uint64_t>(DescendingKey(scores[row * columns + i])) << 16 | static_cast<uint64_t>(i);
    }
    std::sort(keys.begin(), keys.end());
    uint16_t* order = &order_[row * columns];
    uint16_t* tied_until = &tied_until_[row * columns];
    for (int64_t p = columns - 1; p >= 0; --p) {
      order[p] = static_cast<uint16_t>(keys[p] & 0xffff);
      const bool ties = p + 1 < columns && keys[p] >> 16 == keys[p + 1] >> 16;
      tied_until[p] = ties ? tied_until[p + 1] : static_cast<uint16_t>(p + 1);
      tied_pairs_ += tied_until[p] - (p + 1);
      row_ties_[row] = row_ties_[row] || ties;
    }
  }
}

double RankingTarget::Loss(const float* a_hat, float theta) const {
  OrderedRow ordered(columns_);
  double loss = Times(theta, tied_pairs_);
  for (int64_t row = 0; row < rows_; ++row) {
    ordered.Gather(a_hat + row * columns_, &order_[row * columns_]);
    const uint16_t* tied_until = &tied_until_[row * columns_];
    loss += row_ties_[row] ? ordered.SumOfPairsFrom(tied_until, theta) : ordered.SumOfPairs(theta);
  }
  return loss;
}

double RankingLossPlain(const float* scores, const float* a_hat, int64_t rows, int64_t columns, float theta) {
  double loss = 0;
  for (int64_t k = 0; k < rows; ++k) {
    const float* a = scores + k * columns;
    const float* b = a_hat + k * columns;
    for (int64_t i = 0; i < columns; ++i) {
      for (int64_t j = i + 1; j < columns; ++j) {
        const double sign = (a[i] > a[j]) - (a[i] < a[j]);
        const double gap = (static_cast<double>(b[i]) - static_cast<double>(b[j])) * sign;
        loss += std::max(0.0, static_cast<double>(theta) - gap);
      }
    }
  }
  return loss;
}

}  // namespace ptq::search
