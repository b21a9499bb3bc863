#include "core/exec/integer/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/core/exec/integer/kernel_cases.h"

namespace ptq::exec {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void Quantize(const Kernels& kernels, const float* x, int64_t count, const CodeMap& map, uint8_t* out) {
  kernels.quantize_unsigned(x, count, map, out);
}
void Quantize(const Kernels& kernels, const float* x, int64_t count, const CodeMap& map, int8_t* out) {
  kernels.quantize_signed(x, count, map, out);
}

template <typename Stored>
void TestQuantize(const std::vector<CodeMap>& maps) {
  for (InstructionSet set : SetsOfThisCpu()) {
    SCOPED_TRACE(Name(set));
    for (int64_t count : kCounts) {
      for (const CodeMap& map : maps) {
        RandomStream stream(count, "quantize");
        AtPageEnd<float> x(count);
        FillNormal(stream, 100, x);
        for (int64_t i = 0; i < count; i += 3) {
          x[i] = std::floor(x[i]) + 0.5F;  // a tie where the scale is 1
        }
        GuardedRows<Stored> out(1, count, count);
        Quantize(KernelsFor(set), x.data(), count, map, out.data());
        for (int64_t i = 0; i < count; ++i) {
          const double scaled = static_cast<double>(x[i]) * map.inverse_scale + map.offset;
          ASSERT_TRUE(IsCodeOf(scaled, 1.3e-7 * (std::abs(scaled) + 1), map, out.At(0, i))) << x[i];
          if (map.offset == 0) {
            // One rounding before the ties: all instruction sets agree on every bit.
            const float value = std::nearbyint(
                std::clamp(x[i] * map.inverse_scale, static_cast<float>(map.low), static_cast<float>(map.high)));
            ASSERT_EQ(out.At(0, i), static_cast<int32_t>(value) + map.zero) << x[i] << "; " << Show(map);
          }
        }
        ASSERT_TRUE(out.GuardsHold()) << count;
      }
    }
  }
}

TEST(Quantize, GivesUnsignedCodes) {
  TestQuantize<uint8_t>(UnsignedMaps(1));
  TestQuantize<uint8_t>(UnsignedMaps(0.731F));
}

TEST(Quantize, GivesSignedCodes) {
  TestQuantize<int8_t>(SignedMaps(1));
  TestQuantize<int8_t>(SignedMaps(0.731F));
}

// Ties go to the even code before the zero is added, be it odd or even.
TEST(Quantize, RoundsTiesToEven) {
  for (InstructionSet set : SetsOfThisCpu()) {
    for (int64_t count : {5, 16, 64}) {
      for (const int32_t zero : {10, 11}) {
        std::vector<float> x(count, 2.5F);
        std::vector<uint8_t> out(count);
        KernelsFor(set).quantize_unsigned(x.data(), count, {1, 0, -10, 200, zero}, out.data());
        EXPECT_EQ(out, std::vector<uint8_t>(count, 2 + zero)) << Name(set);
        x.assign(count, -1.5F);
        KernelsFor(set).quantize_unsigned(x.data(), count, {1, 0, -10, 200, zero}, out.data());
        EXPECT_EQ(out, std::vector<uint8_t>(count, -2 + zero)) << Name(set);
      }
    }
  }
}

TEST(Quantize, SaturatesAndMapsWhatIsNoNumberToTheLowest) {
  const std::vector<std::pair<float, int>> cases = {{kInfinity, 120},    {-kInfinity, -3}, {3e38F, 120}, {-3e38F, -3},
                                                    {std::nanf(""), -3}, {2.2e9F, 120},    {-2.2e9F, -3}};
  for (InstructionSet set : SetsOfThisCpu()) {
    for (const auto& [value, code] : cases) {
      for (int64_t count : {3, 16, 24, 64, 131}) {
        const std::vector<float> x(count, value);
        std::vector<uint8_t> unsigned_out(count);
        std::vector<int8_t> signed_out(count);
        KernelsFor(set).quantize_unsigned(x.data(), count, {10, 0, -3, 120, 5}, unsigned_out.data());
        KernelsFor(set).quantize_signed(x.data(), count, {10, 0, -3, 120, 5}, signed_out.data());
        EXPECT_EQ(unsigned_out, std::vector<uint8_t>(count, code + 5)) << Name(set) << " " << value;
        EXPECT_EQ(signed_out, std::vector<int8_t>(count, code + 5)) << Name(set) << " " << value;
        KernelsFor(set).quantize_unsigned(x.data(), count, {10, 0, 0, 255, 0}, unsigned_out.data());
        EXPECT_EQ(unsigned_out, std::vector<uint8_t>(count, code < 0 ? 0 : 255)) << Name(set) << " " << value;
      }
    }
  }
}

TEST(QuantizePatches, LaysPatchesOutRowByRow) {
  struct Shape {
    int64_t channels, size, patch;
  };
  for (InstructionSet set : SetsOfThisCpu()) {
    for (const Shape& s : {Shape{3, 32, 16}, {3, 28, 14}, {1, 6, 2}, {2, 9, 3}, {3, 64, 32}, {1, 5, 5}}) {
      AtPageEnd<float> image(s.channels * s.size * s.size);
      RandomStream stream(s.size, "patches");
      FillNormal(stream, 50, image);
      GuardedRows<uint8_t> out(1, image.size(), image.size());
      const CodeMap map = {1.3F, 0, -100, 155, 100};
      KernelsFor(set).quantize_patches(image.data(), s.channels, s.size, s.patch, map, out.data());
      const int64_t across = s.size / s.patch;
      int64_t at = 0;
      for (int64_t p = 0; p < across * across; ++p) {
        for (int64_t c = 0; c < s.channels; ++c) {
          for (int64_t i = 0; i < s.patch; ++i) {
            for (int64_t j = 0; j < s.patch; ++j, ++at) {
              const int64_t y = p / across * s.patch + i, x = p % across * s.patch + j;
              uint8_t code;
              KernelsFor(InstructionSet::kScalar)
                  .quantize_unsigned(image.data() + (c * s.size + y) * s.size + x, 1, map, &code);
              ASSERT_EQ(out.At(0, at), code) << Name(set) << " " << s.size << " " << at;
            }
          }
        }
      }
      ASSERT_TRUE(out.GuardsHold());
    }
  }
}

// The sums of a product, with and without terms.
struct Sums {
  Sums(int64_t rows, int64_t columns, bool with_row_terms, bool with_column_terms)
      : rows(rows),
        columns(columns),
        stride(columns + columns % 4),
        sums((rows - 1) * stride + columns),
        row_values(rows),
        column_values(columns) {
    RandomStream stream(columns, "sums");
    FillIntegers(stream, 2000000, sums);
    FillNormal(stream, 500000, row_values);
    FillNormal(stream, 500000, column_values);
    row_terms = with_row_terms ? row_values.data() : nullptr;
    column_terms = with_column_terms ? column_values.data() : nullptr;
  }
  double Exact(int64_t r, int64_t c) {
    return sums[r * stride + c] + (row_terms != nullptr ? double{row_terms[r]} : 0) +
           (column_terms != nullptr ? double{column_terms[c]} : 0);
  }
  static constexpr double kLargest = 6e6;  // of the terms' partial sums
  int64_t rows, columns, stride;
  AtPageEnd<int32_t> sums;
  AtPageEnd<float> row_values, column_values;
  const float *row_terms, *column_terms;
};

TEST(Requantize, GivesTheCodesOfTheScaledSums) {
  for (InstructionSet set : SetsOfThisCpu()) {
    for (int64_t columns : kCounts) {
      for (int terms = 0; terms < 4; ++terms) {
        Sums test(3, columns, (terms & 1) != 0, (terms & 2) != 0);
        for (const CodeMap& map : UnsignedMaps(70)) {
          const float scale = 1.3e-6F;
          GuardedRows<uint8_t> out(3, columns, columns + 5);
          KernelsFor(set).requantize(test.sums.data(), test.stride, 3, columns, test.row_terms, test.column_terms,
                                     scale, map, out.data(), columns + 5);
          for (int64_t r = 0; r < 3; ++r) {
            for (int64_t c = 0; c < columns; ++c) {
              const double scaled = test.Exact(r, c) * scale * map.inverse_scale + map.offset;
              const double tolerance = 2.5e-7 * (Sums::kLargest * scale * map.inverse_scale + std::abs(scaled));
              ASSERT_TRUE(IsCodeOf(scaled, tolerance, map, out.At(r, c))) << Name(set) << " " << columns << " " << c;
            }
          }
          ASSERT_TRUE(out.GuardsHold());
        }
      }
    }
  }
}

TEST(Dequantize, GivesTheScaledSums) {
  for (InstructionSet set : SetsOfThisCpu()) {
    for (int64_t columns : kCounts) {
      for (int terms = 0; terms < 4; ++terms) {
        Sums test(3, columns, (terms & 1) != 0, (terms & 2) != 0);
        const float scale = 1.3e-6F;
        GuardedRows<float> out(3, columns, columns + 5);
        KernelsFor(set).dequantize(test.sums.data(), test.stride, 3, columns, test.row_terms, test.column_terms, scale,
                                   out.data(), columns + 5);
        for (int64_t r = 0; r < 3; ++r) {
          for (int64_t c = 0; c < columns; ++c) {
            const double tolerance =
                (terms == 0 ? 0 : 2e-7 * Sums::kLargest * scale) + 1e-7 * std::abs(test.Exact(r, c)) * scale;
            ASSERT_NEAR(out.At(r, c), test.Exact(r, c) * scale, tolerance) << Name(set) << " " << columns << " " << c;
          }
        }
        ASSERT_TRUE(out.GuardsHold());
      }
    }
  }
}

enum class Fill { kRandom, kLeast, kMost };

template <typename Stored>
void FillBytes(Fill fill, RandomStream& stream, AtPageEnd<Stored>& codes) {
  for (int64_t i = 0; i < codes.size(); ++i) {
    codes[i] = fill == Fill::kRandom  ? static_cast<Stored>(stream.NextBelow(256))
               : fill == Fill::kLeast ? std::numeric_limits<Stored>::min()
                                      : std::numeric_limits<Stored>::max();
  }
}

template <typename Stored, typename Sum>
void TestRowSums(Sum sum) {
  RandomStream stream(1, "row_sums");
  for (int64_t columns : kCounts) {
    for (const Fill fill : {Fill::kRandom, Fill::kLeast, Fill::kMost}) {
      const int64_t stride = columns + 3;
      AtPageEnd<Stored> codes(3 * stride + columns);
      FillBytes(fill, stream, codes);
      GuardedRows<int32_t> sums(1, 4, 4);
      sum(codes.data(), stride, 4, columns, sums.data());
      for (int64_t r = 0; r < 4; ++r) {
        int32_t exact = 0;
        for (int64_t c = 0; c < columns; ++c) {
          exact += codes[r * stride + c];
        }
        ASSERT_EQ(sums.At(0, r), exact) << columns;
      }
      ASSERT_TRUE(sums.GuardsHold());
    }
  }
}

TEST(RowSums, AreExact) {
  for (InstructionSet set : SetsOfThisCpu()) {
    SCOPED_TRACE(Name(set));
    TestRowSums<uint8_t>(KernelsFor(set).row_sums_unsigned);
    TestRowSums<int8_t>(KernelsFor(set).row_sums_signed);
  }
}

TEST(ColumnSums, AreExact) {
  RandomStream stream(1, "column_sums");
  for (InstructionSet set : SetsOfThisCpu()) {
    for (int64_t columns : kCounts) {
      for (const Fill fill : {Fill::kRandom, Fill::kLeast, Fill::kMost}) {
        const int64_t rows = 197, stride = columns + 3;
        AtPageEnd<int8_t> codes((rows - 1) * stride + columns);
        FillBytes(fill, stream, codes);
        GuardedRows<int32_t> sums(1, columns, columns);
        KernelsFor(set).column_sums_signed(codes.data(), stride, rows, columns, sums.data());
        for (int64_t c = 0; c < columns; ++c) {
          int32_t exact = 0;
          for (int64_t r = 0; r < rows; ++r) {
            exact += codes[r * stride + c];
          }
          ASSERT_EQ(sums.At(0, c), exact) << Name(set) << " " << columns << " " << c;
        }
        ASSERT_TRUE(sums.GuardsHold());
      }
    }
  }
}

TEST(Add, IsExact) {
  RandomStream stream(1, "add");
  for (InstructionSet set : SetsOfThisCpu()) {
    for (int64_t count : kCounts) {
      AtPageEnd<float> x(count);
      FillNormal(stream, 3, x);
      GuardedRows<float> y(1, count, count);
      std::vector<float> expected;
      for (int64_t i = 0; i < count; ++i) {
        y.At(0, i) = static_cast<float>(stream.NextNormal());
        expected.push_back(y.At(0, i) + x[i]);
      }
      KernelsFor(set).add(x.data(), count, y.data());
      EXPECT_EQ(std::vector<float>(y.data(), y.data() + count), expected) << Name(set) << " " << count;
      EXPECT_TRUE(y.GuardsHold());
    }
  }
}

TEST(AddOuter, AddsTheProductOfARowAndAColumnValue) {
  RandomStream stream(1, "add_outer");
  for (InstructionSet set : SetsOfThisCpu()) {
    for (int64_t columns : kCounts) {
      AtPageEnd<float> row_values(3), column_values(columns);
      FillNormal(stream, 3, row_values);
      FillNormal(stream, 3, column_values);
      GuardedRows<float> y(1, 3 * columns, 3 * columns);
      for (int64_t i = 0; i < 3 * columns; ++i) {
        y.At(0, i) = static_cast<float>(i % 17);
      }
      KernelsFor(set).add_outer(row_values.data(), column_values.data(), 3, columns, y.data());
      for (int64_t i = 0; i < 3 * columns; ++i) {
        const double product = static_cast<double>(row_values[i / columns]) * column_values[i % columns];
        const double exact = static_cast<double>(i % 17) + product;
        ASSERT_NEAR(y.At(0, i), exact, 6.1e-8 * (std::abs(product) + std::abs(exact))) << Name(set) << " " << columns;
      }
      EXPECT_TRUE(y.GuardsHold());
    }
  }
}

// Nothing to do is done without a look at memory.
TEST(Kernels, TakeEmptyOperands) {
  for (InstructionSet set : SetsOfThisCpu()) {
    const Kernels& k = KernelsFor(set);
    EXPECT_EQ(k.set, set);
    int32_t sum = 5;
    k.quantize_unsigned(nullptr, 0, {}, nullptr);
    k.layer_norm(nullptr, 0, 192, {}, nullptr);
    k.softmax(nullptr, 0, nullptr, 0, 197, 1, nullptr, 0);
    k.gelu_quantize(nullptr, 0, {}, nullptr);
    k.requantize(nullptr, 0, 0, 64, nullptr, nullptr, 1, {}, nullptr, 0);
    k.row_sums_signed(nullptr, 0, 1, 0, &sum);
    EXPECT_EQ(sum, 0) << Name(set);
    k.add(nullptr, 0, nullptr);
  }
}

}  // namespace
}  // namespace ptq::exec
