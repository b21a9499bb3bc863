// Where all instruction sets agree to the bit, and what is not finite or at the ends of int32.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/core/exec/integer/kernel_cases.h"

namespace ptq::exec {
namespace {

constexpr int32_t kMin = std::numeric_limits<int32_t>::min(), kMax = std::numeric_limits<int32_t>::max();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kNaN = std::nanf("");

class KernelExtremesTest : public KernelsTest {};

// Where the product with the scale is exact, or no offset follows it, there is one rounding and so one code.
TEST_P(KernelExtremesTest, QuantizeRoundsOnceToTheBit) {
  AtPageEnd<float> x(1301);
  for (int64_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(i - 650) / 2;  // all integers and all ties between them
  }
  std::vector<CodeMap> maps = UnsignedMaps(1);
  for (const CodeMap& map : UnsignedMaps(0.731F)) {
    if (map.offset == 0) {
      maps.push_back(map);
    }
  }
  for (const CodeMap& map : maps) {
    std::vector<uint8_t> out(x.size());
    kernels().quantize_unsigned(x.data(), x.size(), map, out.data());
    for (int64_t i = 0; i < x.size(); ++i) {
      const auto scaled = static_cast<float>(static_cast<double>(x[i]) * map.inverse_scale + map.offset);
      const auto code = static_cast<int32_t>(std::nearbyint(std::clamp<double>(scaled, map.low, map.high)));
      ASSERT_EQ(out[i], code + map.zero) << x[i] << "; " << Show(map);
    }
  }
}

// Integer terms, sums below 2^24 and a scale that is a power of two: exact up to the map's product.
TEST_P(KernelExtremesTest, RequantizeOfIntegersIsTheSameToTheBit) {
  constexpr float kScale = 1.0F / 16384;
  const int64_t rows = 5, columns = 197;
  RandomStream stream(1, "requantize_integers");
  AtPageEnd<int32_t> sums(rows * columns);
  AtPageEnd<float> row_terms(rows), column_terms(columns);
  FillIntegers(stream, 4000000, sums);
  FillIntegers(stream, 1000000, row_terms);
  FillIntegers(stream, 1000000, column_terms);
  for (const float inverse_scale : {0.5F, 0.731F}) {
    for (const CodeMap& map : UnsignedMaps(inverse_scale)) {
      if (map.offset != 0 && inverse_scale != 0.5F) {
        continue;
      }
      std::vector<uint8_t> out(rows * columns);
      std::vector<float> values(rows * columns);
      kernels().requantize(sums.data(), columns, rows, columns, row_terms.data(), column_terms.data(), kScale, map,
                           out.data(), columns);
      kernels().dequantize(sums.data(), columns, rows, columns, row_terms.data(), column_terms.data(), 1.3e-6F,
                           values.data(), columns);
      for (int64_t i = 0; i < rows * columns; ++i) {
        const double sum = sums[i] + double{row_terms[i / columns]} + column_terms[i % columns];
        const auto scaled = static_cast<float>(sum * kScale * map.inverse_scale + map.offset);
        const auto code = static_cast<int32_t>(std::nearbyint(std::clamp<double>(scaled, map.low, map.high)));
        ASSERT_EQ(out[i], code + map.zero) << i << "; " << Show(map);
        ASSERT_EQ(values[i], static_cast<float>(sum * 1.3e-6F)) << i;
      }
    }
  }
}

TEST_P(KernelExtremesTest, RequantizeHoldsAtTheEndsOfInt32) {
  const CodeMap map = {1, 0, -93, 162, 93};
  for (int64_t n : {1, 16, 37, 64, 131}) {
    const std::vector<int32_t> least(n, kMin), most(n, kMax);
    const std::vector<float> least_term(n, -3e38F), most_term(n, 3e38F);
    std::vector<uint8_t> out(n);
    std::vector<float> y(n);
    kernels().requantize(least.data(), n, 1, n, nullptr, least_term.data(), 1, map, out.data(), n);
    EXPECT_EQ(out, std::vector<uint8_t>(n, 0));
    kernels().requantize(most.data(), n, 1, n, nullptr, most_term.data(), 1, map, out.data(), n);
    EXPECT_EQ(out, std::vector<uint8_t>(n, 255));
    kernels().requantize(least.data(), n, 1, n, nullptr, nullptr, 0x1p-26F, map, out.data(), n);
    EXPECT_EQ(out, std::vector<uint8_t>(n, 93 - 32));
    kernels().dequantize(least.data(), n, 1, n, nullptr, nullptr, 3, y.data(), n);
    EXPECT_EQ(y, std::vector<float>(n, -3 * 0x1p31F));
    kernels().dequantize(most.data(), n, 1, n, nullptr, nullptr, 3, y.data(), n);
    EXPECT_EQ(y, std::vector<float>(n, 3 * 0x1p31F));
  }
}

// A term that is no number touches its row or column alone.
TEST_P(KernelExtremesTest, RequantizeMapsWhatIsNoNumberToTheLowest) {
  const CodeMap map = {1, 0, -9, 200, 20};
  for (int64_t n : {1, 16, 37, 64, 131}) {
    const std::vector<int32_t> sums(2 * n, 5);
    std::vector<float> columns(n, 0);
    columns[n - 1] = kNaN;
    for (const bool by_row : {false, true}) {
      const float rows[2] = {0, by_row ? kNaN : 0};
      std::vector<uint8_t> out(2 * n);
      std::vector<float> y(2 * n);
      const float* const terms = by_row ? nullptr : columns.data();
      kernels().requantize(sums.data(), n, 2, n, rows, terms, 1, map, out.data(), n);
      kernels().dequantize(sums.data(), n, 2, n, rows, terms, 1, y.data(), n);
      for (int64_t i = 0; i < 2 * n; ++i) {
        const bool bad = by_row ? i >= n : i % n == n - 1;
        ASSERT_EQ(out[i], bad ? 11 : 25) << n << " " << i;
        ASSERT_EQ(std::isnan(y[i]), bad) << n << " " << i;
      }
    }
  }
}

TEST_P(KernelExtremesTest, SoftmaxOfARowWithNoNumberIsLowest) {
  const CodeMap map = {100, 0, -9, 200, 20};
  for (int64_t n : {2, 16, 37, 64, 131, 4100}) {
    for (const float bad : {kNaN, kInfinity}) {
      for (int64_t at : {int64_t{0}, n / 2, n - 1}) {
        std::vector<float> scores(2 * n, 1), terms(n, 1);
        scores[at] = terms[at] = bad;
        const std::vector<int32_t> ints(n, 3);
        std::vector<uint8_t> out(2 * n);
        std::vector<int32_t> sums(2);
        kernels().softmax_quantize_float(scores.data(), n, 2, n, 1, map, out.data(), n, sums.data());
        const auto other = static_cast<uint8_t>(std::nearbyint(100.0 / static_cast<double>(n)) + 20);
        for (int64_t c = 0; c < n; ++c) {
          ASSERT_EQ(out[c], 11) << n << " " << c << " of " << bad;
          ASSERT_EQ(out[n + c], other) << n << " " << c;
        }
        EXPECT_EQ(sums, (std::vector<int32_t>{static_cast<int32_t>(11 * n), static_cast<int32_t>(other * n)}));
        kernels().softmax_quantize(ints.data(), n, terms.data(), 1, n, 1, map, out.data(), n, sums.data());
        ASSERT_EQ(std::vector<uint8_t>(out.begin(), out.begin() + n), std::vector<uint8_t>(n, 11)) << n;
      }
    }
  }
}

// A score of minus infinity, as of a mask, takes nothing.
TEST_P(KernelExtremesTest, SoftmaxOfAScoreOfMinusInfinityIsNothing) {
  for (int64_t n : {2, 16, 37, 64, 131, 4100}) {
    std::vector<float> scores(n, -7), p(n);
    scores[n - 1] = -kInfinity;
    kernels().softmax_float(scores.data(), n, 1, n, 1, p.data(), n);
    for (int64_t c = 0; c + 1 < n; ++c) {
      ASSERT_NEAR(p[c] * static_cast<float>(n - 1), 1, 1e-6) << n;
    }
    ASSERT_NEAR(p[n - 1], 0, 1e-37) << n;
  }
}

// The whole range of exponents that float probabilities have, with ln 2 as the factor: a power of two for each score,
// over that of score 0, so that the error of their sum is in neither.  Twice 9.1e-8 is the polynomial's; the rest are
// its roundings.  The scalar kernel rounds the exponent that std::exp reads, at most 87 * 2^-24.
TEST_P(KernelExtremesTest, SoftmaxHasThePowersOfTwo) {
  constexpr int64_t kCount = 125 * 512;
  std::vector<float> scores(kCount + 1), p(kCount + 1);
  for (int64_t i = 0; i <= kCount; ++i) {
    scores[i] = -static_cast<float>(i) / 512;
  }
  const double bound = GetParam() == InstructionSet::kScalar ? 6e-6 : 5e-7;
  kernels().softmax_float(scores.data(), kCount + 1, 1, kCount + 1, 0.693147182F, p.data(), kCount + 1);
  for (int64_t i = 0; i <= kCount; ++i) {
    const double exact = std::exp2(double{scores[i]}) * p[0];
    // Below float's normal numbers a step is 2^-149.
    ASSERT_NEAR(p[i], exact, bound * exact + 0x1p-149) << scores[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, KernelExtremesTest, AllSets(), SetName);

}  // namespace
}  // namespace ptq::exec
