#include "core/quant/int16_accumulation.h"

#include <algorithm>
#include <string>

namespace ptq::quant {
namespace {

// Products begin..end in a 16-bit accumulator that wraps.
int16_t WrappingChunk(const int32_t* left, const int32_t* right, int64_t begin, int64_t end) {
  uint16_t sum = 0;
  for (int64_t k = begin; k < end; ++k) {
    sum = static_cast<uint16_t>(sum + static_cast<uint32_t>(left[k]) * static_cast<uint32_t>(right[k]));
  }
  return static_cast<int16_t>(sum);
}

}  // namespace

int64_t MaxInt16Products(CodeRange left, CodeRange right) {
  const int64_t products[] = {int64_t{left.qmin} * right.qmin, int64_t{left.qmin} * right.qmax,
                              int64_t{left.qmax} * right.qmin, int64_t{left.qmax} * right.qmax};
  const auto [low, high] = std::minmax_element(std::begin(products), std::end(products));
  int64_t most = INT64_MAX;  // of products that are all 0
  if (*high > 0) {
    most = std::min(most, INT16_MAX / *high);
  }
  if (*low < 0) {
    most = std::min(most, int64_t{INT16_MIN} / *low);
  }
  return most;
}

Status CheckInt16Depth(CodeRange left, CodeRange right, int64_t depth) {
  const int64_t most = MaxInt16Products(left, right);
  if (depth <= most) {
    return OkStatus();
  }
  const auto range = [](CodeRange codes) { return std::to_string(codes.qmin) + ".." + std::to_string(codes.qmax); };
  return Unsupported("a 16-bit sum holds " + std::to_string(most) + " products of codes in " + range(left) + " and " +
                     range(right) + ", not " + std::to_string(depth));
}

int32_t DotInt16Spilled(const int32_t* left, const int32_t* right, int64_t size, int64_t depth) {
  PTQ_CHECK(depth > 0);
  uint32_t sum = 0;
  for (int64_t k = 0; k < size; k += depth) {
    sum += static_cast<uint32_t>(WrappingChunk(left, right, k, std::min(k + depth, size)));
  }
  return static_cast<int32_t>(sum);
}

SaturatedSum DotInt16Saturating(const int32_t* left, const int32_t* right, int64_t size, int64_t depth) {
  PTQ_CHECK(depth > 0);
  SaturatedSum sum;
  for (int64_t k = 0; k < size; k += depth) {
    const int32_t next = sum.value + WrappingChunk(left, right, k, std::min(k + depth, size));
    sum.value = static_cast<int16_t>(std::clamp(next, int32_t{INT16_MIN}, int32_t{INT16_MAX}));
    sum.overflows += next != sum.value ? 1 : 0;
  }
  return sum;
}

int32_t DotInt32(const int32_t* left, const int32_t* right, int64_t size) {
  int32_t sum = 0;
  for (int64_t k = 0; k < size; ++k) {
    sum += left[k] * right[k];
  }
  return sum;
}

}  // namespace ptq::quant
