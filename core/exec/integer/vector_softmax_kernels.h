// vector_softmax_kernels.h: softmax of rows of integer or float scores, to codes or floats.
#pragma once

#include "core/exec/integer/vector_softmax.h"

namespace ptq::exec::internal {

// Calls use(r, scores) with the Scores of each row.
template <class V, typename Use>
PTQ_INLINE void ForEachScoreRow(const int32_t* scores, int64_t stride, const float* column_terms, int64_t rows,
                                int64_t columns, float factor, Use use) {
  if (column_terms == nullptr) {
    for (int64_t r = 0; r < rows; ++r) {
      use(r, IntegerScores<V>(scores + r * stride, columns, factor));
    }
    return;
  }
  for (int64_t r = 0; r < rows; ++r) {
    const int32_t* const row = scores + r * stride;
    const auto value = [=](int64_t i, auto lanes) PTQ_INLINE_LAMBDA {
      return V::Add(V::ToFloats(V::LoadInts(row + i, lanes)), V::Load(column_terms + i, lanes));
    };
    use(r, FloatScores<V, decltype(value)>(value, columns, factor));
  }
}

template <class V, typename Use>
PTQ_INLINE void ForEachScoreRow(const float* scores, int64_t stride, int64_t rows, int64_t columns, float factor,
                                Use use) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* const row = scores + r * stride;
    const auto value = [=](int64_t i, auto lanes) PTQ_INLINE_LAMBDA { return V::Load(row + i, lanes); };
    use(r, FloatScores<V, decltype(value)>(value, columns, factor));
  }
}

template <class V>
void SoftmaxQuantize(const int32_t* scores, int64_t score_stride, const float* column_terms, int64_t rows,
                     int64_t columns, float factor, const CodeMap& map, uint8_t* out, int64_t out_stride,
                     int32_t* row_sums) {
  const auto use = [&](int64_t r, const auto& row) PTQ_INLINE_LAMBDA {
    const int32_t sum = SoftmaxCodes<V>(row, columns, map, out + r * out_stride);
    if (row_sums != nullptr) {
      row_sums[r] = sum;
    }
  };
  ForEachScoreRow<V>(scores, score_stride, column_terms, rows, columns, factor, use);
}

template <class V>
void SoftmaxQuantizeFloat(const float* scores, int64_t score_stride, int64_t rows, int64_t columns, float factor,
                          const CodeMap& map, uint8_t* out, int64_t out_stride, int32_t* row_sums) {
  const auto use = [&](int64_t r, const auto& row) PTQ_INLINE_LAMBDA {
    const int32_t sum = SoftmaxCodes<V>(row, columns, map, out + r * out_stride);
    if (row_sums != nullptr) {
      row_sums[r] = sum;
    }
  };
  ForEachScoreRow<V>(scores, score_stride, rows, columns, factor, use);
}

template <class V>
void Softmax(const int32_t* scores, int64_t score_stride, const float* column_terms, int64_t rows, int64_t columns,
             float factor, float* out, int64_t out_stride) {
  const auto use = [=](int64_t r, const auto& row)
                       PTQ_INLINE_LAMBDA { SoftmaxFloats<V>(row, columns, out + r * out_stride); };
  ForEachScoreRow<V>(scores, score_stride, column_terms, rows, columns, factor, use);
}

template <class V>
void SoftmaxFloat(const float* scores, int64_t score_stride, int64_t rows, int64_t columns, float factor, float* out,
                  int64_t out_stride) {
  const auto use = [=](int64_t r, const auto& row)
                       PTQ_INLINE_LAMBDA { SoftmaxFloats<V>(row, columns, out + r * out_stride); };
  ForEachScoreRow<V>(scores, score_stride, rows, columns, factor, use);
}

}  // namespace ptq::exec::internal
