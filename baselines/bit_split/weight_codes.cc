#include "baselines/bit_split/weight_codes.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/base/check.h"

namespace ptq::bit_split {
namespace {

constexpr int kFixedPointRounds = 1000;
constexpr double kSmallestScale = 1e-30;  // below it float quotients w / scale would overflow

// <w,code>/<code,code>, or `otherwise` where every code is 0.
double LeastSquaresScale(const float* row, const std::vector<int32_t>& codes, double otherwise) {
  double product = 0;
  double square = 0;
  for (size_t n = 0; n < codes.size(); ++n) {
    const double code = codes[n];
    product += row[n] * code;
    square += code * code;
  }
  return product > 0 ? product / square : otherwise;
}

// The digit in -1, 0, 1 that brings step * digit nearest to x; halfway, away from 0.
inline int8_t NearestDigit(double x, double step) {
  const int8_t sign = x > 0 ? 1 : -1;
  return 2 * std::abs(x) >= step ? sign : 0;
}

}  // namespace

RowCodes FixedPointCodes(const float* row, int64_t size, int bits) {
  PTQ_CHECK(bits >= kMinWeightBits) << bits;
  const double max_code = (1 << (bits - 1)) - 1;
  RowCodes result;
  result.codes.assign(size, 0);
  double bound = 0;
  for (int64_t n = 0; n < size; ++n) {
    bound = std::max(bound, std::abs(static_cast<double>(row[n])));
  }
  if (bound / max_code < kSmallestScale) {
    return result;
  }
  result.scale = bound / max_code;
  for (int round = 0; round < kFixedPointRounds; ++round) {
    int32_t changed = 0;
    for (int64_t n = 0; n < size; ++n) {
      const double level = std::clamp(std::nearbyint(row[n] / result.scale), -max_code, max_code);
      const auto code = static_cast<int32_t>(level);
      changed |= code ^ result.codes[n];
      result.codes[n] = code;
    }
    if (changed == 0) {
      break;
    }
    result.scale = LeastSquaresScale(row, result.codes, result.scale);
  }
  return result;
}

std::vector<int8_t> Split(const std::vector<int32_t>& codes, int bits) {
  std::vector<int8_t> digits;
  digits.reserve(Planes(bits) * codes.size());
  for (int plane = 0; plane < Planes(bits); ++plane) {
    for (const int32_t code : codes) {
      const bool set = (std::abs(code) & PlaneWeight(bits, plane)) != 0;
      digits.push_back(static_cast<int8_t>(set ? (code > 0 ? 1 : -1) : 0));
    }
  }
  return digits;
}

std::vector<int32_t> Stitch(const std::vector<int8_t>& digits, int bits) {
  const size_t size = digits.size() / Planes(bits);
  std::vector<int32_t> codes(size, 0);
  for (int plane = 0; plane < Planes(bits); ++plane) {
    const int32_t weight = PlaneWeight(bits, plane);
    const int8_t* digit = digits.data() + plane * size;
    for (size_t n = 0; n < size; ++n) {
      codes[n] += weight * digit[n];
    }
  }
  return codes;
}

void RefineOnWeights(const float* row, SplitRow& split) {
  std::vector<int32_t> codes = Stitch(split.digits, split.bits);
  const size_t size = codes.size();
  for (int round = 0; round < kRefineRounds; ++round) {
    split.scale = LeastSquaresScale(row, codes, split.scale);
    int changed = 0;
    for (int plane = 0; plane < Planes(split.bits); ++plane) {
      const int32_t weight = PlaneWeight(split.bits, plane);
      int8_t* digits = split.digits.data() + plane * size;
      for (size_t n = 0; n < size; ++n) {
        const int32_t others = codes[n] - weight * digits[n];
        const int8_t digit = NearestDigit(row[n] - split.scale * others, split.scale * weight);
        changed |= digit ^ digits[n];
        digits[n] = digit;
        codes[n] = others + weight * digit;
      }
    }
    if (changed == 0) {
      return;
    }
  }
  split.scale = LeastSquaresScale(row, codes, split.scale);
}

SplitRow QuantizeRow(const float* row, int64_t size, int bits) {
  const RowCodes found = FixedPointCodes(row, size, bits);
  SplitRow split{bits, found.scale, Split(found.codes, bits)};
  RefineOnWeights(row, split);
  return split;
}

double SquaredError(const float* row, double scale, const std::vector<int32_t>& codes) {
  double error = 0;
  for (size_t n = 0; n < codes.size(); ++n) {
    const double difference = row[n] - scale * codes[n];
    error += difference * difference;
  }
  return error;
}

}  // namespace ptq::bit_split
