// vector_sums.h: sums of codes, and sums of floats in place.
#pragma once

#include "core/exec/integer/vector_coder.h"

namespace ptq::exec::internal {

// Signed bytes are summed as what they are plus 128.
template <class V, typename Stored>
void RowSums(const Stored* codes, int64_t stride, int64_t rows, int64_t columns, int32_t* sums) {
  constexpr int64_t kBytes = 4 * V::kLanes;
  constexpr bool kSigned = static_cast<Stored>(-1) < 0;
  const typename V::Ints flip = V::SetInts(kSigned ? -0x7F7F7F80 : 0);  // 0x80808080
  for (int64_t r = 0; r < rows; ++r, codes += stride) {
    typename V::Ints sum = V::SetInts(0);
    int64_t i = 0;
    for (; i + kBytes <= columns; i += kBytes) {
      sum = V::AddBytes(sum, V::Xor(V::LoadBytes(codes + i), flip));
    }
    int32_t rest = kSigned ? static_cast<int32_t>(-128 * i) : 0;
    for (; i < columns; ++i) {
      rest += codes[i];
    }
    sums[r] = V::SumOfInts(sum) + rest;
  }
}

template <class V>
void ColumnSumsSigned(const int8_t* codes, int64_t stride, int64_t rows, int64_t columns, int32_t* sums) {
  ForEachRegister<V>(columns, [=](int64_t c, auto lanes) PTQ_INLINE_LAMBDA {
    typename V::Ints sum = V::SetInts(0);
    for (int64_t r = 0; r < rows; ++r) {
      sum = V::AddInts(sum, V::LoadWidened(codes + r * stride + c, lanes));
    }
    V::StoreInts(sums + c, sum, lanes);
  });
}

template <class V>
void AddOuter(const float* row_values, const float* column_values, int64_t rows, int64_t columns, float* y) {
  for (int64_t r = 0; r < rows; ++r, y += columns) {
    const typename V::Floats row_value = V::Set(row_values[r]);
    ForEachRegister<V>(columns, [=](int64_t c, auto lanes) PTQ_INLINE_LAMBDA {
      V::Store(y + c, V::MultiplyAdd(row_value, V::Load(column_values + c, lanes), V::Load(y + c, lanes)), lanes);
    });
  }
}

template <class V>
void Add(const float* x, int64_t count, float* y) {
  ForEachRegister<V>(count, [=](int64_t i, auto lanes) PTQ_INLINE_LAMBDA {
    V::Store(y + i, V::Add(V::Load(x + i, lanes), V::Load(y + i, lanes)), lanes);
  });
}

}  // namespace ptq::exec::internal
