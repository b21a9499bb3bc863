#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/core/exec/integer/kernel_cases.h"

namespace ptq::exec {
namespace {

// Rows longer than what the kernels keep of a row, too.
std::vector<int64_t> Columns() {
  std::vector<int64_t> columns = kCounts;
  columns.insert(columns.end(), {4096, 4097, 9001});
  return columns;
}

// A row's probabilities, and how far off each may be, relatively.
struct Expected {
  std::vector<double> p, tolerance;
};

// terms_magnitude: of the summands of a score, which is rounded to float once or twice; 0 where it is exact.
Expected Softmax(const std::vector<double>& scores, double factor, double terms_magnitude) {
  const double max = *std::max_element(scores.begin(), scores.end());
  Expected expected;
  double sum = 0;
  for (double score : scores) {
    sum += std::exp(factor * (score - max));
  }
  for (double score : scores) {
    const double exponent = factor * (score - max);
    expected.p.push_back(std::exp(exponent) / sum);
    expected.tolerance.push_back(1e-6 + 2e-7 * std::abs(exponent) + 3e-7 * factor * terms_magnitude);
  }
  return expected;
}

enum class Kind { kIntegers, kIntegersWithTerms, kFloats };
constexpr Kind kKinds[] = {Kind::kIntegers, Kind::kIntegersWithTerms, Kind::kFloats};

// Scores of some rows, and their kernels.
struct Case {
  Case(Kind kind, int64_t rows, int64_t columns, int64_t more_stride, int64_t bound, float factor)
      : kind(kind),
        rows(rows),
        columns(columns),
        stride(columns + more_stride),
        factor(factor),
        integers((rows - 1) * stride + columns),
        floats(integers.size()),
        terms(columns) {
    RandomStream stream(columns, "softmax_test");
    FillIntegers(stream, bound, integers);
    FillNormal(stream, static_cast<double>(bound) / 3, floats);
    FillNormal(stream, static_cast<double>(bound) / 3, terms);
    magnitude = kind == Kind::kIntegers ? 0 : 4 * static_cast<double>(bound);
  }
  Expected Row(int64_t r) {
    std::vector<double> scores;
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t i = r * stride + c;
      scores.push_back(kind == Kind::kFloats ? floats[i]
                                             : integers[i] + (kind == Kind::kIntegers ? 0.0 : double{terms[c]}));
    }
    return Softmax(scores, factor, magnitude);
  }
  const float* Terms() { return kind == Kind::kIntegersWithTerms ? terms.data() : nullptr; }
  void Quantize(const Kernels& kernels, const CodeMap& map, uint8_t* out, int64_t out_stride, int32_t* row_sums) {
    if (kind == Kind::kFloats) {
      kernels.softmax_quantize_float(floats.data(), stride, rows, columns, factor, map, out, out_stride, row_sums);
    } else {
      kernels.softmax_quantize(integers.data(), stride, Terms(), rows, columns, factor, map, out, out_stride, row_sums);
    }
  }
  void Floats(const Kernels& kernels, float* out, int64_t out_stride) {
    if (kind == Kind::kFloats) {
      kernels.softmax_float(floats.data(), stride, rows, columns, factor, out, out_stride);
    } else {
      kernels.softmax(integers.data(), stride, Terms(), rows, columns, factor, out, out_stride);
    }
  }

  Kind kind;
  int64_t rows, columns, stride;
  float factor;
  AtPageEnd<int32_t> integers;
  AtPageEnd<float> floats, terms;
  double magnitude;
};

TEST(Softmax, GivesTheProbabilities) {
  for (InstructionSet set : SetsOfThisCpu()) {
    for (Kind kind : kKinds) {
      for (int64_t columns : Columns()) {
        SCOPED_TRACE(std::string(Name(set)) + ", kind " + std::to_string(static_cast<int>(kind)) + ", " +
                     std::to_string(columns));
        Case test(kind, 3, columns, columns % 5, 300000, 2e-5F);
        GuardedRows<float> out(test.rows, columns, columns + columns % 3);
        test.Floats(KernelsFor(set), out.data(), columns + columns % 3);
        for (int64_t r = 0; r < test.rows; ++r) {
          const Expected expected = test.Row(r);
          for (int64_t c = 0; c < columns; ++c) {
            ASSERT_NEAR(out.At(r, c), expected.p[c], expected.tolerance[c] * expected.p[c]) << r << " " << c;
          }
        }
        ASSERT_TRUE(out.GuardsHold());
      }
    }
  }
}

TEST(SoftmaxQuantize, GivesTheCodesAndTheirSums) {
  for (InstructionSet set : SetsOfThisCpu()) {
    for (Kind kind : kKinds) {
      for (int64_t columns : Columns()) {
        SCOPED_TRACE(std::string(Name(set)) + ", kind " + std::to_string(static_cast<int>(kind)) + ", " +
                     std::to_string(columns));
        Case test(kind, 3, columns, columns % 5, 300000, 1e-5F);
        std::vector<Expected> expected;
        for (int64_t r = 0; r < test.rows; ++r) {
          expected.push_back(test.Row(r));
        }
        for (const CodeMap& map : UnsignedMaps(20.7F * std::sqrt(static_cast<float>(columns)))) {
          GuardedRows<uint8_t> out(test.rows, columns, columns + 3);
          std::vector<int32_t> sums(test.rows, -1);
          test.Quantize(KernelsFor(set), map, out.data(), columns + 3, sums.data());
          for (int64_t r = 0; r < test.rows; ++r) {
            int32_t sum = 0;
            for (int64_t c = 0; c < columns; ++c) {
              const double scaled = expected[r].p[c] * map.inverse_scale + map.offset;
              const double tolerance = (expected[r].tolerance[c] + 2e-7) * expected[r].p[c] * map.inverse_scale + 1e-7;
              ASSERT_TRUE(IsCodeOf(scaled, tolerance, map, out.At(r, c))) << r << " " << c;
              sum += out.At(r, c);
            }
            ASSERT_EQ(sums[r], sum);
          }
          ASSERT_TRUE(out.GuardsHold());
        }
      }
    }
  }
}

TEST(SoftmaxQuantize, SumsMayBeLeftOut) {
  for (InstructionSet set : SetsOfThisCpu()) {
    for (Kind kind : kKinds) {
      Case test(kind, 2, 197, 0, 300000, 1e-5F);
      std::vector<uint8_t> with(2 * 197), without(2 * 197, 7);
      std::vector<int32_t> sums(2);
      test.Quantize(KernelsFor(set), {255, 0, 0, 255, 0}, with.data(), 197, sums.data());
      test.Quantize(KernelsFor(set), {255, 0, 0, 255, 0}, without.data(), 197, nullptr);
      EXPECT_EQ(with, without) << Name(set);
    }
  }
}

// Differences of scores beyond int32, and of 1 between scores that no float tells apart.
TEST(Softmax, HoldsAtTheEndsOfInt32) {
  constexpr int32_t kMin = std::numeric_limits<int32_t>::min(), kMax = std::numeric_limits<int32_t>::max();
  for (InstructionSet set : SetsOfThisCpu()) {
    SCOPED_TRACE(Name(set));
    for (int64_t columns : {2, 16, 19, 64, 197}) {
      for (const bool high : {false, true}) {
        std::vector<int32_t> scores(columns, high ? kMax : kMin);
        std::vector<float> p(columns);
        KernelsFor(set).softmax(scores.data(), columns, nullptr, 1, columns, 1, p.data(), columns);
        for (float value : p) {
          ASSERT_NEAR(value * static_cast<float>(columns), 1, 1e-6);
        }
        scores.back() += high ? -1 : 1;
        KernelsFor(set).softmax(scores.data(), columns, nullptr, 1, columns, 1, p.data(), columns);
        ASSERT_NEAR(p[0] / p[columns - 1], high ? std::exp(1.0) : std::exp(-1.0), 1e-6);
        scores.back() = high ? kMin : kMax;
        KernelsFor(set).softmax(scores.data(), columns, nullptr, 1, columns, 1e-9F, p.data(), columns);
        ASSERT_NEAR(std::log(p[0] / p[columns - 1]), high ? 4.294967295 : -4.294967295, 1e-5);
        KernelsFor(set).softmax(scores.data(), columns, nullptr, 1, columns, 3e38F, p.data(), columns);
        ASSERT_NEAR(p[0], high ? 1.0 / static_cast<double>(columns - 1) : 0, 1e-6);
        ASSERT_NEAR(p[columns - 1], high ? 0 : 1, 1e-6);
      }
    }
  }
}

TEST(Softmax, OneScoreFarAboveTheOthersTakesAll) {
  for (InstructionSet set : SetsOfThisCpu()) {
    for (int64_t columns : {16, 37, 197}) {
      std::vector<float> scores(columns, -5e8F), terms(columns, 0), p(columns);
      const std::vector<int32_t> integers(columns, 17);
      scores[columns - 1] = terms[columns - 1] = 1e9F;
      for (const bool with_terms : {false, true}) {
        if (with_terms) {
          KernelsFor(set).softmax(integers.data(), columns, terms.data(), 1, columns, 1, p.data(), columns);
        } else {
          KernelsFor(set).softmax_float(scores.data(), columns, 1, columns, 1, p.data(), columns);
        }
        EXPECT_EQ(p[columns - 1], 1.0F) << Name(set);
        for (int64_t c = 0; c + 1 < columns; ++c) {
          ASSERT_NEAR(p[c], 0, 1e-37) << Name(set);
        }
      }
    }
  }
}

class SoftmaxTest : public KernelsTest {};

TEST_P(SoftmaxTest, ProbabilitiesAddUpToOne) {
  for (Kind kind : kKinds) {
    for (int64_t columns : Columns()) {
      Case test(kind, 2, columns, 0, 300000, 2e-5F);
      std::vector<float> p(2 * columns);
      test.Floats(kernels(), p.data(), columns);
      for (int64_t r = 0; r < 2; ++r) {
        double sum = 0;
        for (int64_t c = 0; c < columns; ++c) {
          sum += p[r * columns + c];
        }
        // The kernel's own sum is of floats, a partial one for each lane, which rounds at most 9001 / 8 times.
        ASSERT_NEAR(sum, 1, 1e-6) << columns << ", kind " << static_cast<int>(kind);
      }
    }
  }
}

TEST_P(SoftmaxTest, EqualScoresHaveEqualCodes) {
  const CodeMap map = {2000, 0, 0, 255, 0};
  for (int64_t columns : Columns()) {
    for (const int32_t score : {0, -7, 2147483647, -2147483647 - 1}) {
      const std::vector<int32_t> scores(columns, score);
      const std::vector<float> floats(columns, static_cast<float>(score)), terms(columns, 0.25F);
      const double scaled = 2000.0 / static_cast<double>(columns);
      for (Kind kind : kKinds) {
        std::vector<uint8_t> codes(columns);
        int32_t sum = -1;
        if (kind == Kind::kFloats) {
          kernels().softmax_quantize_float(floats.data(), columns, 1, columns, 0.5F, map, codes.data(), columns, &sum);
        } else {
          kernels().softmax_quantize(scores.data(), columns, kind == Kind::kIntegers ? nullptr : terms.data(), 1,
                                     columns, 0.5F, map, codes.data(), columns, &sum);
        }
        ASSERT_TRUE(IsCodeOf(scaled, 1e-3, map, codes[0])) << columns;
        ASSERT_EQ(codes, std::vector<uint8_t>(columns, codes[0])) << columns;
        ASSERT_EQ(sum, codes[0] * columns);
      }
    }
  }
}

TEST_P(SoftmaxTest, OneScoreAboveAllTakesTheHighestCode) {
  const CodeMap map = {255, 0, 0, 255, 0};
  constexpr int32_t kMin = std::numeric_limits<int32_t>::min(), kMax = std::numeric_limits<int32_t>::max();
  for (int64_t columns : {1, 2, 16, 37, 197, 4097}) {
    for (int64_t at : {int64_t{0}, columns / 2, columns - 1}) {
      std::vector<int32_t> scores(columns, kMin);
      scores[at] = kMax;  // 2^32 - 1 above the others
      std::vector<uint8_t> codes(columns), expected(columns, 0);
      expected[at] = 255;
      int32_t sum = -1;
      kernels().softmax_quantize(scores.data(), columns, nullptr, 1, columns, 1e-7F, map, codes.data(), columns, &sum);
      ASSERT_EQ(codes, expected) << columns << " " << at;
      ASSERT_EQ(sum, 255);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, SoftmaxTest, AllSets(), SetName);

}  // namespace
}  // namespace ptq::exec
