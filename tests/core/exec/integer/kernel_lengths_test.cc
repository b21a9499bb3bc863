// Every length from 1 to 130: whole registers, groups of four of them, and all rests of both.
//
// Codes are held to kTie of a step: two codes of one value then differ by 1 at most, and only where the value lies
// within kTie of a tie.  Scaled values reach 256 here, and a kernel's roundings are some 1e-6 of them (GELU's bound of
// 2e-6 is 7.5e-5 of a step of 1/37.3): below 4e-4 of a step altogether.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "tests/core/exec/integer/kernel_cases.h"

namespace ptq::exec {
namespace {

constexpr int64_t kLongest = 130;
constexpr int64_t kRows = 3;
constexpr double kTie = 1e-3;

class KernelLengthsTest : public KernelsTest {
 protected:
  // run(kernels, out, out_stride) gives the codes of exact's rows, in the set's kernels and in the scalar ones.
  template <typename Stored, typename Run>
  void ExpectCodes(int64_t rows, int64_t columns, int64_t stride, const std::vector<double>& exact, const CodeMap& map,
                   Run run) {
    for (const Kernels* k : {&scalar(), &kernels()}) {
      GuardedRows<Stored> out(rows, columns, stride);
      run(*k, out.data(), stride);
      for (int64_t i = 0; i < rows * columns; ++i) {
        const double scaled = exact[i] * map.inverse_scale + map.offset;
        ASSERT_TRUE(IsCodeOf(scaled, kTie, map, out.At(i / columns, i % columns)))
            << Name(k->set) << ", " << i << " of " << rows << " x " << columns;
      }
      ASSERT_TRUE(out.GuardsHold()) << Name(k->set) << ", " << columns << " columns";
    }
  }

  // The same of floats, at most `absolute` + `relative` * |exact| off.
  template <typename Run>
  void ExpectFloats(int64_t rows, int64_t columns, int64_t stride, const std::vector<double>& exact, double absolute,
                    double relative, Run run) {
    for (const Kernels* k : {&scalar(), &kernels()}) {
      GuardedRows<float> out(rows, columns, stride);
      run(*k, out.data(), stride);
      for (int64_t i = 0; i < rows * columns; ++i) {
        ASSERT_NEAR(out.At(i / columns, i % columns), exact[i], absolute + relative * std::abs(exact[i]))
            << Name(k->set) << ", " << i << " of " << rows << " x " << columns;
      }
      ASSERT_TRUE(out.GuardsHold()) << Name(k->set) << ", " << columns << " columns";
    }
  }
};

// An odd zero, a half step, and a narrow grid.
std::vector<CodeMap> Maps(float inverse_scale) {
  return {{inverse_scale, 0, -93, 162, 93}, {inverse_scale, -0.5F, -128, 127, 128}, {inverse_scale, 0, -7, 7, 128}};
}

TEST_P(KernelLengthsTest, Quantize) {
  for (int64_t n = 1; n <= kLongest; ++n) {
    RandomStream stream(n, "lengths/quantize");
    AtPageEnd<float> x(n);
    FillNormal(stream, 2, x);
    const std::vector<double> exact(x.data(), x.data() + n);
    for (const CodeMap& map : Maps(37.3F)) {
      ExpectCodes<uint8_t>(1, n, n, exact, map, [&](const Kernels& k, uint8_t* out, int64_t) {
        k.quantize_unsigned(x.data(), n, map, out);
      });
    }
    for (const CodeMap& map : SignedMaps(37.3F)) {
      ExpectCodes<int8_t>(1, n, n, exact, map,
                          [&](const Kernels& k, int8_t* out, int64_t) { k.quantize_signed(x.data(), n, map, out); });
    }
  }
}

TEST_P(KernelLengthsTest, QuantizePatches) {
  for (int64_t patch = 1; patch <= 66; ++patch) {
    RandomStream stream(patch, "lengths/patches");
    const int64_t size = 2 * patch, channels = 2;
    AtPageEnd<float> image(channels * size * size);
    FillNormal(stream, 2, image);
    std::vector<double> exact;
    for (int64_t p = 0; p < 4; ++p) {
      for (int64_t i = 0; i < channels * patch * patch; ++i) {
        const int64_t c = i / (patch * patch), y = p / 2 * patch + i / patch % patch, x = p % 2 * patch + i % patch;
        exact.push_back(image[(c * size + y) * size + x]);
      }
    }
    const CodeMap map = Maps(37.3F)[0];
    ExpectCodes<uint8_t>(1, image.size(), image.size(), exact, map, [&](const Kernels& k, uint8_t* out, int64_t) {
      k.quantize_patches(image.data(), channels, size, patch, map, out);
    });
  }
}

TEST_P(KernelLengthsTest, Gelu) {
  for (int64_t n = 1; n <= kLongest; ++n) {
    RandomStream stream(n, "lengths/gelu");
    AtPageEnd<float> x(n);
    FillNormal(stream, 2, x);
    std::vector<double> exact;
    for (int64_t i = 0; i < n; ++i) {
      exact.push_back(0.5 * x[i] * std::erfc(-x[i] * std::sqrt(0.5)));
    }
    for (const CodeMap& map : Maps(37.3F)) {
      ExpectCodes<uint8_t>(1, n, n, exact, map,
                           [&](const Kernels& k, uint8_t* out, int64_t) { k.gelu_quantize(x.data(), n, map, out); });
    }
    ExpectFloats(1, n, n, exact, 2e-6, 1e-6, [&](const Kernels& k, float* out, int64_t) { k.gelu(x.data(), n, out); });
    ExpectFloats(1, n, n, exact, 2e-6, 1e-6, [&](const Kernels& k, float* out, int64_t) {
      std::memcpy(out, x.data(), n * sizeof(float));
      k.gelu(out, n, out);
    });
  }
}

TEST_P(KernelLengthsTest, LayerNorm) {
  for (int64_t n = 1; n <= kLongest; ++n) {
    RandomStream stream(n, "lengths/layer_norm");
    AtPageEnd<float> x(kRows * n), gamma(n), beta(n);
    FillNormal(stream, 2, x);
    FillNormal(stream, 1, gamma);
    FillNormal(stream, 0.5, beta);
    std::vector<double> exact;
    for (int64_t r = 0; r < kRows; ++r) {
      double mean = 0, variance = 0;
      for (int64_t c = 0; c < n; ++c) {
        mean += static_cast<double>(x[r * n + c]) / static_cast<double>(n);
      }
      for (int64_t c = 0; c < n; ++c) {
        variance += std::pow(x[r * n + c] - mean, 2) / static_cast<double>(n);
      }
      for (int64_t c = 0; c < n; ++c) {
        exact.push_back((x[r * n + c] - mean) / std::sqrt(variance + 1e-2) * gamma[c] + beta[c]);
      }
    }
    const LayerNormWeights weights = {gamma.data(), beta.data(), 1e-2F};
    for (const CodeMap& map : Maps(31.7F)) {
      ExpectCodes<uint8_t>(1, kRows * n, kRows * n, exact, map, [&](const Kernels& k, uint8_t* out, int64_t) {
        k.layer_norm_quantize(x.data(), kRows, n, weights, map, out);
      });
    }
    ExpectFloats(1, kRows * n, kRows * n, exact, 1e-5, 1e-6,
                 [&](const Kernels& k, float* out, int64_t) { k.layer_norm(x.data(), kRows, n, weights, out); });
  }
}

// Rows of scores, `stride` apart, with their probabilities.
struct Scores {
  explicit Scores(int64_t n) : stride(n + 1 + n % 3), ints((kRows - 1) * stride + n), floats(ints.size()), terms(n) {
    RandomStream stream(n, "lengths/softmax");
    FillIntegers(stream, 300000, ints);
    FillNormal(stream, 100000, floats);
    FillNormal(stream, 100000, terms);
  }
  enum Kind { kInts, kIntsAndTerms, kFloats };
  double Score(Kind kind, int64_t i, int64_t c) {
    return kind == kFloats ? floats[i] : ints[i] + (kind == kIntsAndTerms ? double{terms[c]} : 0.0);
  }
  std::vector<double> Softmax(Kind kind) {
    std::vector<double> p;
    for (int64_t r = 0; r < kRows; ++r) {
      double sum = 0;
      for (int64_t c = 0; c < terms.size(); ++c) {
        sum += std::exp(double{kFactor} * Score(kind, r * stride + c, c));
      }
      for (int64_t c = 0; c < terms.size(); ++c) {
        p.push_back(std::exp(double{kFactor} * Score(kind, r * stride + c, c)) / sum);
      }
    }
    return p;
  }
  static constexpr float kFactor = 1e-5F;
  int64_t stride;
  AtPageEnd<int32_t> ints;
  AtPageEnd<float> floats, terms;
};

TEST_P(KernelLengthsTest, SoftmaxToCodes) {
  for (int64_t n = 1; n <= kLongest; ++n) {
    Scores scores(n);
    for (const auto kind : {Scores::kInts, Scores::kIntsAndTerms, Scores::kFloats}) {
      const std::vector<double> exact = scores.Softmax(kind);
      for (const CodeMap& map : Maps(162)) {
        for (const bool with_sums : {false, true}) {
          const auto run = [&](const Kernels& k, uint8_t* out, int64_t out_stride) {
            GuardedRows<int32_t> sums(1, kRows, kRows);
            int32_t* const row_sums = with_sums ? sums.data() : nullptr;
            if (kind == Scores::kFloats) {
              k.softmax_quantize_float(scores.floats.data(), scores.stride, kRows, n, Scores::kFactor, map, out,
                                       out_stride, row_sums);
            } else {
              k.softmax_quantize(scores.ints.data(), scores.stride,
                                 kind == Scores::kInts ? nullptr : scores.terms.data(), kRows, n, Scores::kFactor, map,
                                 out, out_stride, row_sums);
            }
            for (int64_t r = 0; with_sums && r < kRows; ++r) {
              int32_t sum = 0;
              for (int64_t c = 0; c < n; ++c) {
                sum += out[r * out_stride + c];
              }
              ASSERT_EQ(sums.At(0, r), sum) << n;
            }
            ASSERT_TRUE(sums.GuardsHold());
          };
          ExpectCodes<uint8_t>(kRows, n, n + 2, exact, map, run);
        }
      }
    }
  }
}

TEST_P(KernelLengthsTest, SoftmaxToFloats) {
  for (int64_t n = 1; n <= kLongest; ++n) {
    Scores scores(n);
    for (const auto kind : {Scores::kInts, Scores::kIntsAndTerms, Scores::kFloats}) {
      // The exponent's rounding, relatively: 10 * 2^-23, and that of a score with its term.
      ExpectFloats(kRows, n, n + 2, scores.Softmax(kind), 0, 3e-6, [&](const Kernels& k, float* out, int64_t stride) {
        if (kind == Scores::kFloats) {
          k.softmax_float(scores.floats.data(), scores.stride, kRows, n, Scores::kFactor, out, stride);
        } else {
          k.softmax(scores.ints.data(), scores.stride, kind == Scores::kInts ? nullptr : scores.terms.data(), kRows, n,
                    Scores::kFactor, out, stride);
        }
      });
    }
  }
}

TEST_P(KernelLengthsTest, RequantizeAndDequantize) {
  constexpr float kScale = 1.3e-6F;
  for (int64_t n = 1; n <= kLongest; ++n) {
    RandomStream stream(n, "lengths/requantize");
    const int64_t stride = n + 1 + n % 3;
    AtPageEnd<int32_t> sums((kRows - 1) * stride + n);
    AtPageEnd<float> rows(kRows), columns(n);
    FillIntegers(stream, 2000000, sums);
    FillNormal(stream, 300000, rows);
    FillNormal(stream, 300000, columns);
    for (int terms = 0; terms < 4; ++terms) {
      const float* const r = (terms & 1) != 0 ? rows.data() : nullptr;
      const float* const c = (terms & 2) != 0 ? columns.data() : nullptr;
      std::vector<double> exact;
      for (int64_t i = 0; i < kRows * n; ++i) {
        exact.push_back(double{kScale} * (sums[i / n * stride + i % n] + (r != nullptr ? double{r[i / n]} : 0) +
                                          (c != nullptr ? double{c[i % n]} : 0)));
      }
      for (const CodeMap& map : Maps(60)) {
        ExpectCodes<uint8_t>(kRows, n, n + 2, exact, map, [&](const Kernels& k, uint8_t* out, int64_t out_stride) {
          k.requantize(sums.data(), stride, kRows, n, r, c, kScale, map, out, out_stride);
        });
      }
      // Two sums below 2^23 are rounded to halves at most.
      ExpectFloats(kRows, n, n + 2, exact, terms == 0 ? 0 : 1.0 * kScale, 6.1e-8,
                   [&](const Kernels& k, float* out, int64_t out_stride) {
                     k.dequantize(sums.data(), stride, kRows, n, r, c, kScale, out, out_stride);
                   });
    }
  }
}

// Sums of bytes, and of floats that are small integers, have one value in every instruction set.
TEST_P(KernelLengthsTest, SumsAreExact) {
  for (int64_t n = 1; n <= kLongest; ++n) {
    RandomStream stream(n, "lengths/sums");
    const int64_t stride = n + 1 + n % 3;
    AtPageEnd<uint8_t> codes((kRows - 1) * stride + n);
    for (int64_t i = 0; i < codes.size(); ++i) {
      codes[i] = static_cast<uint8_t>(stream.NextBelow(256));
    }
    const auto* const signed_codes = reinterpret_cast<const int8_t*>(codes.data());
    std::vector<int32_t> unsigned_rows(kRows), signed_rows(kRows), signed_columns(n);
    for (int64_t i = 0; i < kRows * n; ++i) {
      const int64_t at = i / n * stride + i % n;
      unsigned_rows[i / n] += codes[at];
      signed_rows[i / n] += signed_codes[at];
      signed_columns[i % n] += signed_codes[at];
    }
    GuardedRows<int32_t> a(1, kRows, kRows), b(1, kRows, kRows), c(1, n, n);
    kernels().row_sums_unsigned(codes.data(), stride, kRows, n, a.data());
    kernels().row_sums_signed(signed_codes, stride, kRows, n, b.data());
    kernels().column_sums_signed(signed_codes, stride, kRows, n, c.data());
    EXPECT_EQ(std::vector<int32_t>(a.data(), a.data() + kRows), unsigned_rows) << n;
    EXPECT_EQ(std::vector<int32_t>(b.data(), b.data() + kRows), signed_rows) << n;
    EXPECT_EQ(std::vector<int32_t>(c.data(), c.data() + n), signed_columns) << n;
    ASSERT_TRUE(a.GuardsHold() && b.GuardsHold() && c.GuardsHold()) << n;
  }
}

TEST_P(KernelLengthsTest, AddsAreExact) {
  for (int64_t n = 1; n <= kLongest; ++n) {
    RandomStream stream(n, "lengths/adds");
    AtPageEnd<float> x(kRows * n), rows(kRows), columns(n);
    FillIntegers(stream, 2000, x);
    FillIntegers(stream, 2000, rows);
    FillIntegers(stream, 2000, columns);
    GuardedRows<float> y(1, kRows * n, kRows * n);
    std::vector<float> added, both;
    for (int64_t i = 0; i < kRows * n; ++i) {
      y.At(0, i) = static_cast<float>(i);
      added.push_back(static_cast<float>(i) + x[i]);
      both.push_back(added[i] + rows[i / n] * columns[i % n]);
    }
    kernels().add(x.data(), kRows * n, y.data());
    EXPECT_EQ(std::vector<float>(y.data(), y.data() + kRows * n), added) << n;
    kernels().add_outer(rows.data(), columns.data(), kRows, n, y.data());
    EXPECT_EQ(std::vector<float>(y.data(), y.data() + kRows * n), both) << n;
    ASSERT_TRUE(y.GuardsHold()) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, KernelLengthsTest, AllSets(), SetName);

}  // namespace
}  // namespace ptq::exec
