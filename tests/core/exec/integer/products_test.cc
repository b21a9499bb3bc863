#include "core/exec/integer/products.h"

#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "core/base/random.h"
#include "core/exec/integer/exact_product.h"

namespace ptq::exec {
namespace {

// Bytes of every value, or the extremes alone, of which sums leave 16 bits at once.
template <typename Byte>
std::vector<Byte> Bytes(int64_t count, int low, int high, const char* name, bool extremes) {
  RandomStream random(1, name);
  std::vector<Byte> bytes(count);
  for (Byte& byte : bytes) {
    const auto value = static_cast<int>(random.NextBelow(high - low + 1)) + low;
    byte = static_cast<Byte>(extremes ? (value % 3 == 0 ? low : high) : value);
  }
  return bytes;
}

std::vector<float> Floats(int64_t count, const char* name) {
  RandomStream random(2, name);
  std::vector<float> values(count);
  for (float& value : values) {
    value = static_cast<float>(random.NextNormal());
  }
  return values;
}

// Memory on cache lines, as the executor's buffers.
struct Scratch {
  explicit Scratch(size_t size) : bytes(size + 128) {}
  void* data() { return bytes.data() + (64 - reinterpret_cast<uintptr_t>(bytes.data()) % 64) % 64; }
  std::vector<uint8_t> bytes;
};

std::vector<InstructionSet> Available() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet set : {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512Vnni}) {
    if (CheckAvailable(set).ok()) {
      sets.push_back(set);
    }
  }
  return sets;
}

struct Shape {
  int64_t rows, inner, columns;
};
constexpr Shape kShapes[] = {{1, 1, 1}, {1, 192, 10}, {5, 7, 3}, {17, 48, 33}, {9, 255, 64}, {3, 3072, 16}};

class ProductsTest : public ::testing::TestWithParam<std::tuple<int, bool, int>> {
 protected:
  Shape shape() const { return kShapes[std::get<0>(GetParam())]; }
  bool extremes() const { return std::get<1>(GetParam()); }
  int threads() const { return std::get<2>(GetParam()); }

  IntegerLinear RandomLinear(LinearOutput output) const {
    IntegerLinear linear;
    linear.rows = shape().rows;
    linear.inner = shape().inner;
    linear.columns = shape().columns;
    linear.weight = Bytes<int8_t>(linear.columns * linear.inner, -128, 127, "weight", extremes());
    linear.output = output;
    return linear;
  }
  static int32_t Sum(const IntegerLinear& linear, const std::vector<uint8_t>& left, int64_t i, int64_t j) {
    int32_t sum = 0;
    for (int64_t k = 0; k < linear.inner; ++k) {
      sum += static_cast<int32_t>(left[i * linear.inner + k]) * linear.weight[j * linear.inner + k];
    }
    return sum;
  }
};

// With scale 1 and bias 0 the float is the sum, as long as it has 24 bits.
TEST_P(ProductsTest, SumsAreExact) {
  IntegerLinear linear = RandomLinear(LinearOutput::kFloat);
  linear.scale.assign(linear.columns, 1);
  linear.bias.assign(linear.columns, 0);
  const auto left = Bytes<uint8_t>(linear.rows * linear.inner, 0, 255, "left", extremes());
  for (const InstructionSet set : Available()) {
    const auto product = MakeLinear(linear, set, threads());
    Scratch scratch(product->scratch_bytes());
    std::vector<float> out(linear.rows * linear.columns, -1);
    product->Bind(left.data(), out.data(), scratch.data())();
    for (int64_t i = 0; i < linear.rows; ++i) {
      for (int64_t j = 0; j < linear.columns; ++j) {
        ASSERT_EQ(out[i * linear.columns + j], static_cast<float>(Sum(linear, left, i, j)))
            << product->kernel() << " " << i << " " << j;
      }
    }
  }
}

TEST_P(ProductsTest, ScalesBiasesAndOutputs) {
  for (const LinearOutput output : {LinearOutput::kFloat, LinearOutput::kFloatAdded, LinearOutput::kSigned}) {
    IntegerLinear linear = RandomLinear(output);
    const float spread = 100 / (127 * 127 * std::sqrt(static_cast<float>(linear.inner)));
    for (const float value : Floats(linear.columns, "scale")) {
      linear.scale.push_back((std::abs(value) + 0.1F) * spread);
    }
    linear.bias = Floats(linear.columns, "bias");
    for (float& bias : linear.bias) {
      bias *= 1000;
    }
    linear.low = -31;
    linear.high = 100;
    const auto left = Bytes<uint8_t>(linear.rows * linear.inner, 0, 255, "left", extremes());
    for (const InstructionSet set : Available()) {
      const auto product = MakeLinear(linear, set, threads());
      Scratch scratch(product->scratch_bytes());
      std::vector<float> out = Floats(linear.rows * linear.columns, "before");
      const std::vector<float> before = out;
      std::vector<int8_t> codes(linear.rows * linear.columns);
      void* target = output == LinearOutput::kSigned ? static_cast<void*>(codes.data()) : out.data();
      product->Bind(left.data(), target, scratch.data())();
      for (int64_t i = 0; i < linear.rows * linear.columns; ++i) {
        const int64_t j = i % linear.columns;
        const int32_t sum = Sum(linear, left, i / linear.columns, j);
        const float y = (static_cast<float>(sum) + linear.bias[j]) * linear.scale[j];
        if (output == LinearOutput::kSigned) {
          ASSERT_EQ(codes[i], static_cast<int8_t>(std::nearbyint(std::min(std::max(y, -31.0F), 100.0F))))
              << product->kernel() << " " << i << " of " << y;
        } else {
          const float expected = output == LinearOutput::kFloatAdded ? before[i] + y : y;
          ASSERT_NEAR(out[i], expected, 1e-6 * (std::abs(y) + 1)) << product->kernel() << " " << i;
        }
      }
    }
  }
}

TEST_P(ProductsTest, FloatProducts) {
  FloatLinear linear;
  linear.rows = shape().rows;
  linear.inner = shape().inner;
  linear.columns = shape().columns;
  linear.weight = Floats(linear.columns * linear.inner, "float weight");
  linear.bias = Floats(linear.columns, "float bias");
  const std::vector<float> left = Floats(linear.rows * linear.inner, "float left");
  for (const LinearOutput output : {LinearOutput::kFloat, LinearOutput::kFloatAdded}) {
    linear.output = output;
    const auto product = MakeLinear(linear, threads());
    Scratch scratch(product->scratch_bytes());
    std::vector<float> out(linear.rows * linear.columns, 7);
    product->Bind(left.data(), out.data(), scratch.data())();
    for (int64_t i = 0; i < linear.rows * linear.columns; ++i) {
      double y = linear.bias[i % linear.columns];
      for (int64_t k = 0; k < linear.inner; ++k) {
        y += static_cast<double>(left[i / linear.columns * linear.inner + k]) *
             linear.weight[i % linear.columns * linear.inner + k];
      }
      ASSERT_NEAR(out[i], y + (output == LinearOutput::kFloatAdded ? 7 : 0), 1e-4 * std::sqrt(linear.inner));
    }
  }
}

// Both layouts of the right operand: qk's (k in rows) and pv's (v in columns), inside wider rows.
TEST_P(ProductsTest, AttentionSumsAreExact) {
  using Types = HeadProduct::Types;
  const Shape s = shape();
  for (const Types types : {Types::kSignedCodes, Types::kUnsignedCodes}) {
    for (const bool right_rows : {true, false}) {
      HeadProduct product{types, s.rows, s.inner, s.columns, s.inner + 3, 1, s.inner + 5, s.columns + 2};
      if (!right_rows) {
        product.right_inner_stride = s.columns + 5;
        product.right_column_stride = 1;
      }
      const auto left = Bytes<uint8_t>(s.rows * (s.inner + 3), 0, 255, "left", extremes());
      const auto right = Bytes<int8_t>((s.inner + 5) * (s.columns + 5), -128, 127, "right", extremes());
      for (const InstructionSet set : Available()) {
        const auto attention = MakeAttention(product, set);
        Scratch scratch(attention->scratch_bytes());
        std::vector<int32_t> out(s.rows * product.out_stride, -77);
        attention->Bind(left.data(), right.data(), out.data(), scratch.data())();
        for (int64_t i = 0; i < s.rows; ++i) {
          for (int64_t j = 0; j < product.out_stride; ++j) {
            int32_t sum = j < s.columns ? 0 : -77;  // what lies between the rows stays as it was
            for (int64_t k = 0; k < s.inner && j < s.columns; ++k) {
              const uint8_t byte = left[i * product.left_stride + k];
              sum += (types == Types::kSignedCodes ? static_cast<int8_t>(byte) : static_cast<int>(byte)) *
                     right[k * product.right_inner_stride + j * product.right_column_stride];
            }
            ASSERT_EQ(out[i * product.out_stride + j], sum) << attention->kernel() << " " << i << " " << j;
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ProductsTest,
                         ::testing::Combine(::testing::Range(0, 6), ::testing::Bool(), ::testing::Values(1, 2)));

TEST(ExactProductTest, TheVectorKernelIsTheScalarOne) {
  for (const int64_t rows : {1, 4, 7}) {
    for (const int64_t inner : {1, 2, 31, 64}) {
      for (const int64_t columns : {1, 15, 16, 40}) {
        const auto left = Bytes<uint8_t>(rows * inner, 0, 255, "left", true);
        const auto right = Bytes<int8_t>(columns * inner, -128, 127, "right", true);
        std::vector<int16_t> widened(rows * (inner + 1)), packed(PairCodes::Size(inner, columns));
        WidenRows(left.data(), inner, rows, inner, widened.data());
        PackPairs(right.data(), 1, inner, inner, columns, packed.data());
        std::vector<int32_t> plain(rows * columns), fast(rows * columns);
        MultiplyPairs(InstructionSet::kScalar, widened.data(), packed.data(), rows, inner, columns, plain.data(),
                      columns);
        if (CheckAvailable(InstructionSet::kAvx2).ok()) {
          MultiplyPairs(InstructionSet::kAvx2, widened.data(), packed.data(), rows, inner, columns, fast.data(),
                        columns);
          EXPECT_EQ(plain, fast);
        }
        for (int64_t i = 0; i < rows * columns; ++i) {
          int32_t sum = 0;
          for (int64_t k = 0; k < inner; ++k) {
            sum += static_cast<int32_t>(left[i / columns * inner + k]) * right[i % columns * inner + k];
          }
          ASSERT_EQ(plain[i], sum);
        }
      }
    }
  }
}

}  // namespace
}  // namespace ptq::exec
