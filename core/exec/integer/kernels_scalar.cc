// The meaning of the kernels: plain loops, sums in double.
#include <cmath>
#include <limits>

#include "core/exec/integer/kernel_tables.h"

namespace ptq::exec::internal {
namespace {

int32_t Code(float x, const CodeMap& map) {
  const float low = static_cast<float>(map.low), high = static_cast<float>(map.high);
  float code = x * map.inverse_scale + map.offset;
  code = code > low ? code : low;  // NaN too
  code = code < high ? code : high;
  return static_cast<int32_t>(std::nearbyint(code)) + map.zero;
}

template <typename Stored>
void Quantize(const float* x, int64_t count, const CodeMap& map, Stored* out) {
  for (int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<Stored>(Code(x[i], map));
  }
}

void QuantizePatches(const float* image, int64_t channels, int64_t size, int64_t patch, const CodeMap& map,
                     uint8_t* out) {
  for (int64_t top = 0; top < size; top += patch) {
    for (int64_t left = 0; left < size; left += patch) {
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t i = 0; i < patch; ++i, out += patch) {
          Quantize(image + (c * size + top + i) * size + left, patch, map, out);
        }
      }
    }
  }
}

template <typename Put>
void ForEachNorm(const float* x, int64_t rows, int64_t width, const LayerNormWeights& weights, Put put) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* const row = x + r * width;
    double sum = 0, squares = 0;
    for (int64_t c = 0; c < width; ++c) {
      sum += row[c];
    }
    const double mean = sum / static_cast<double>(width);
    for (int64_t c = 0; c < width; ++c) {
      squares += (row[c] - mean) * (row[c] - mean);
    }
    const double factor = 1 / std::sqrt(squares / static_cast<double>(width) + weights.eps);
    for (int64_t c = 0; c < width; ++c) {
      put(r * width + c, static_cast<float>((row[c] - mean) * factor * weights.gamma[c] + weights.beta[c]));
    }
  }
}

void LayerNormQuantize(const float* x, int64_t rows, int64_t width, const LayerNormWeights& weights, const CodeMap& map,
                       uint8_t* out) {
  ForEachNorm(x, rows, width, weights, [&](int64_t i, float y) { out[i] = static_cast<uint8_t>(Code(y, map)); });
}

void LayerNorm(const float* x, int64_t rows, int64_t width, const LayerNormWeights& weights, float* out) {
  ForEachNorm(x, rows, width, weights, [&](int64_t i, float y) { out[i] = y; });
}

// score(c): in double, where sums of int32 and a float are exact enough.
template <typename Score, typename Put>
void SoftmaxRow(int64_t columns, float factor, Score score, Put put) {
  double max = -std::numeric_limits<double>::infinity(), sum = 0;
  for (int64_t c = 0; c < columns; ++c) {
    max = score(c) > max ? score(c) : max;
  }
  const auto exponential = [&](int64_t c) { return std::exp(static_cast<float>(factor * (score(c) - max))); };
  for (int64_t c = 0; c < columns; ++c) {
    sum += exponential(c);
  }
  for (int64_t c = 0; c < columns; ++c) {
    put(c, static_cast<float>(exponential(c) / sum));
  }
}

template <typename Score>
void SoftmaxCodes(int64_t columns, float factor, Score score, const CodeMap& map, uint8_t* out, int32_t* row_sum) {
  int32_t sum = 0;
  SoftmaxRow(columns, factor, score, [&](int64_t c, float p) {
    out[c] = static_cast<uint8_t>(Code(p, map));
    sum += out[c];
  });
  if (row_sum != nullptr) {
    *row_sum = sum;
  }
}

double Sum(int32_t score, const float* terms, int64_t i) {
  return static_cast<double>(score) + (terms != nullptr ? terms[i] : 0.0F);
}

void SoftmaxQuantize(const int32_t* scores, int64_t score_stride, const float* column_terms, int64_t rows,
                     int64_t columns, float factor, const CodeMap& map, uint8_t* out, int64_t out_stride,
                     int32_t* row_sums) {
  for (int64_t r = 0; r < rows; ++r) {
    const int32_t* const row = scores + r * score_stride;
    SoftmaxCodes(
        columns, factor, [&](int64_t c) { return Sum(row[c], column_terms, c); }, map, out + r * out_stride,
        row_sums != nullptr ? row_sums + r : nullptr);
  }
}

void SoftmaxQuantizeFloat(const float* scores, int64_t score_stride, int64_t rows, int64_t columns, float factor,
                          const CodeMap& map, uint8_t* out, int64_t out_stride, int32_t* row_sums) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* const row = scores + r * score_stride;
    SoftmaxCodes(
        columns, factor, [&](int64_t c) { return static_cast<double>(row[c]); }, map, out + r * out_stride,
        row_sums != nullptr ? row_sums + r : nullptr);
  }
}

void Softmax(const int32_t* scores, int64_t score_stride, const float* column_terms, int64_t rows, int64_t columns,
             float factor, float* out, int64_t out_stride) {
  for (int64_t r = 0; r < rows; ++r) {
    const int32_t* const row = scores + r * score_stride;
    SoftmaxRow(
        columns, factor, [&](int64_t c) { return Sum(row[c], column_terms, c); },
        [&](int64_t c, float p) { out[r * out_stride + c] = p; });
  }
}

void SoftmaxFloat(const float* scores, int64_t score_stride, int64_t rows, int64_t columns, float factor, float* out,
                  int64_t out_stride) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* const row = scores + r * score_stride;
    SoftmaxRow(
        columns, factor, [&](int64_t c) { return static_cast<double>(row[c]); },
        [&](int64_t c, float p) { out[r * out_stride + c] = p; });
  }
}

float GeluOf(float x) {
  constexpr float kRootHalf = 0.707106781F;
  return x == -std::numeric_limits<float>::infinity() ? 0.0F : 0.5F * x * (1 + std::erf(kRootHalf * x));
}

void GeluQuantize(const float* x, int64_t count, const CodeMap& map, uint8_t* out) {
  for (int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<uint8_t>(Code(GeluOf(x[i]), map));
  }
}

void Gelu(const float* x, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) {
    out[i] = GeluOf(x[i]);
  }
}

template <typename Put>
void ForEachScaled(const int32_t* sums, int64_t sum_stride, int64_t rows, int64_t columns, const float* row_terms,
                   const float* column_terms, float scale, Put put) {
  for (int64_t r = 0; r < rows; ++r) {
    const double row_term = row_terms != nullptr ? row_terms[r] : 0.0F;
    for (int64_t c = 0; c < columns; ++c) {
      put(r, c, static_cast<float>(scale * (Sum(sums[r * sum_stride + c], column_terms, c) + row_term)));
    }
  }
}

void Requantize(const int32_t* sums, int64_t sum_stride, int64_t rows, int64_t columns, const float* row_terms,
                const float* column_terms, float scale, const CodeMap& map, uint8_t* out, int64_t out_stride) {
  ForEachScaled(sums, sum_stride, rows, columns, row_terms, column_terms, scale,
                [&](int64_t r, int64_t c, float y) { out[r * out_stride + c] = static_cast<uint8_t>(Code(y, map)); });
}

void Dequantize(const int32_t* sums, int64_t sum_stride, int64_t rows, int64_t columns, const float* row_terms,
                const float* column_terms, float scale, float* out, int64_t out_stride) {
  ForEachScaled(sums, sum_stride, rows, columns, row_terms, column_terms, scale,
                [&](int64_t r, int64_t c, float y) { out[r * out_stride + c] = y; });
}

template <typename Stored>
void RowSums(const Stored* codes, int64_t stride, int64_t rows, int64_t columns, int32_t* sums) {
  for (int64_t r = 0; r < rows; ++r) {
    sums[r] = 0;
    for (int64_t c = 0; c < columns; ++c) {
      sums[r] += codes[r * stride + c];
    }
  }
}

void ColumnSumsSigned(const int8_t* codes, int64_t stride, int64_t rows, int64_t columns, int32_t* sums) {
  for (int64_t c = 0; c < columns; ++c) {
    sums[c] = 0;
    for (int64_t r = 0; r < rows; ++r) {
      sums[c] += codes[r * stride + c];
    }
  }
}

void AddOuter(const float* row_values, const float* column_values, int64_t rows, int64_t columns, float* y) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      y[r * columns + c] += row_values[r] * column_values[c];
    }
  }
}

void Add(const float* x, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) {
    y[i] += x[i];
  }
}

}  // namespace

const Kernels kScalarKernels = {
    InstructionSet::kScalar,
    Quantize<uint8_t>,
    Quantize<int8_t>,
    QuantizePatches,
    LayerNormQuantize,
    LayerNorm,
    SoftmaxQuantize,
    SoftmaxQuantizeFloat,
    Softmax,
    SoftmaxFloat,
    GeluQuantize,
    Gelu,
    Requantize,
    Dequantize,
    RowSums<uint8_t>,
    RowSums<int8_t>,
    ColumnSumsSigned,
    AddOuter,
    Add,
};

}  // namespace ptq::exec::internal
