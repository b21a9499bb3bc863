// vector_codes.h: the kernels that only scale and round.
#pragma once

#include "core/exec/integer/vector_coder.h"

namespace ptq::exec::internal {

template <class V, typename Stored>
void Quantize(const float* x, int64_t count, const CodeMap& map, Stored* out) {
  const Coder<V> coder(map);
  coder.Store(
      count, [=](int64_t i, auto lanes) PTQ_INLINE_LAMBDA { return V::Load(x + i, lanes); }, out);
}

template <class V>
void QuantizePatches(const float* image, int64_t channels, int64_t size, int64_t patch, const CodeMap& map,
                     uint8_t* out) {
  const Coder<V> coder(map);
  for (int64_t top = 0; top < size; top += patch) {
    for (int64_t left = 0; left < size; left += patch) {
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t i = 0; i < patch; ++i, out += patch) {
          const float* const row = image + (c * size + top + i) * size + left;
          coder.Store(
              patch, [=](int64_t j, auto lanes) PTQ_INLINE_LAMBDA { return V::Load(row + j, lanes); }, out);
        }
      }
    }
  }
}

// sums + row term + column terms, as floats.
template <class V, bool kColumnTerms, typename Lanes>
PTQ_INLINE typename V::Floats WithTerms(const int32_t* sums, const float* column_terms, typename V::Floats row_term,
                                        int64_t i, Lanes lanes) {
  const typename V::Floats sum = V::Add(V::ToFloats(V::LoadInts(sums + i, lanes)), row_term);
  return kColumnTerms ? V::Add(sum, V::Load(column_terms + i, lanes)) : sum;
}

template <class V, bool kColumnTerms>
void RequantizeRows(const int32_t* sums, int64_t sum_stride, int64_t rows, int64_t columns, const float* row_terms,
                    const float* column_terms, float scale, const CodeMap& map, uint8_t* out, int64_t out_stride) {
  const Coder<V> coder(map, scale * map.inverse_scale, map.offset);
  for (int64_t r = 0; r < rows; ++r, sums += sum_stride, out += out_stride) {
    const typename V::Floats row_term = V::Set(row_terms != nullptr ? row_terms[r] : 0.0F);
    coder.Store(
        columns,
        [=](int64_t i, auto lanes)
            PTQ_INLINE_LAMBDA { return WithTerms<V, kColumnTerms>(sums, column_terms, row_term, i, lanes); },
        out);
  }
}

template <class V, bool kColumnTerms>
void DequantizeRows(const int32_t* sums, int64_t sum_stride, int64_t rows, int64_t columns, const float* row_terms,
                    const float* column_terms, float scale, float* out, int64_t out_stride) {
  const typename V::Floats scales = V::Set(scale);
  for (int64_t r = 0; r < rows; ++r, sums += sum_stride, out += out_stride) {
    const typename V::Floats row_term = V::Set(row_terms != nullptr ? row_terms[r] : 0.0F);
    ForEachRegister<V>(columns, [=](int64_t i, auto lanes) PTQ_INLINE_LAMBDA {
      V::Store(out + i, V::Multiply(scales, WithTerms<V, kColumnTerms>(sums, column_terms, row_term, i, lanes)), lanes);
    });
  }
}

template <class V>
void Requantize(const int32_t* sums, int64_t sum_stride, int64_t rows, int64_t columns, const float* row_terms,
                const float* column_terms, float scale, const CodeMap& map, uint8_t* out, int64_t out_stride) {
  const auto run = column_terms != nullptr ? RequantizeRows<V, true> : RequantizeRows<V, false>;
  run(sums, sum_stride, rows, columns, row_terms, column_terms, scale, map, out, out_stride);
}

template <class V>
void Dequantize(const int32_t* sums, int64_t sum_stride, int64_t rows, int64_t columns, const float* row_terms,
                const float* column_terms, float scale, float* out, int64_t out_stride) {
  const auto run = column_terms != nullptr ? DequantizeRows<V, true> : DequantizeRows<V, false>;
  run(sums, sum_stride, rows, columns, row_terms, column_terms, scale, out, out_stride);
}

}  // namespace ptq::exec::internal
