#include "core/vit/tensor_map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace ptq::vit {
namespace {

template <typename T>
HostTensor Raw(DType dtype, const std::vector<T>& values) {
  auto bytes = std::make_shared<std::vector<std::byte>>(values.size() * sizeof(T));
  std::memcpy(bytes->data(), values.data(), bytes->size());
  return {dtype, {static_cast<int64_t>(values.size())}, bytes};
}

std::vector<uint16_t> EveryPattern() {
  std::vector<uint16_t> patterns(65536);
  for (size_t i = 0; i < patterns.size(); ++i) {
    patterns[i] = static_cast<uint16_t>(i);
  }
  return patterns;
}

// The IEEE definition, (-1)^s 2^(e-bias) (1 + m/2^fraction_bits), in double.
double Meaning(uint16_t bits, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits;
  const int all_ones = (1 << exponent_bits) - 1;
  const int bias = all_ones / 2;
  const int exponent = (bits >> fraction_bits) & all_ones;
  const double fraction = std::ldexp(bits & ((1 << fraction_bits) - 1), -fraction_bits);
  double magnitude = exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
  if (exponent == all_ones) {
    magnitude = fraction == 0 ? INFINITY : std::nan("");
  }
  return std::copysign(magnitude, (bits & 0x8000) != 0 ? -1.0 : 1.0);
}

void ExpectExactWidening(DType dtype, int exponent_bits) {
  const std::vector<uint16_t> patterns = EveryPattern();
  const std::vector<float> widened = ToFloats(Raw(dtype, patterns));
  ASSERT_EQ(widened.size(), patterns.size());
  for (size_t i = 0; i < patterns.size(); ++i) {
    const double expected = Meaning(patterns[i], exponent_bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(widened[i])) << i;
    } else {
      ASSERT_EQ(static_cast<double>(widened[i]), expected) << i;
      ASSERT_EQ(std::signbit(widened[i]), std::signbit(expected)) << i;
    }
  }
}

TEST(ToFloatsTest, Float16IsExactForEveryPattern) { ExpectExactWidening(DType::kF16, 5); }
TEST(ToFloatsTest, BFloat16IsExactForEveryPattern) { ExpectExactWidening(DType::kBF16, 8); }

TEST(ToFloatsTest, OtherTypes) {
  EXPECT_EQ(ToFloats(Raw<double>(DType::kF64, {0.1, -2})), (std::vector<float>{0.1F, -2}));
  EXPECT_EQ(ToFloats(Raw<int64_t>(DType::kI64, {-5, 1LL << 40})), (std::vector<float>{-5, 0x1p40F}));
  EXPECT_EQ(ToFloats(Raw<int32_t>(DType::kI32, {-5, 16777217})), (std::vector<float>{-5, 16777216}));
  EXPECT_EQ(ToFloats(Raw<int16_t>(DType::kI16, {-32768, 7})), (std::vector<float>{-32768, 7}));
  EXPECT_EQ(ToFloats(Raw<int8_t>(DType::kI8, {-128, 127})), (std::vector<float>{-128, 127}));
  EXPECT_EQ(ToFloats(Raw<uint8_t>(DType::kU8, {0, 255})), (std::vector<float>{0, 255}));
  EXPECT_EQ(ToFloats(Raw<uint8_t>(DType::kBool, {0, 1})), (std::vector<float>{0, 1}));
}

TEST(ToFloatsTest, Float32IsBitExact) {
  const std::vector<float> values = {-0.0F, 1e-45F, std::numeric_limits<float>::max(), INFINITY};
  const std::vector<float> back = ToFloats(MakeTensor(values, {2, 2}));
  EXPECT_EQ(std::memcmp(back.data(), values.data(), sizeof(float) * values.size()), 0);
}

TEST(HostTensorTest, ElementsAndShapeText) {
  EXPECT_EQ(MakeTensor(std::vector<float>(6), {2, 3}).ShapeString(), "[2, 3]");
  EXPECT_EQ(MakeTensor(std::vector<float>(1), {}).ShapeString(), "[]");
  EXPECT_EQ(MakeTensor(std::vector<float>(1), {}).elements(), 1);
  EXPECT_EQ(MakeTensor(std::vector<float>(), {0, 7}).elements(), 0);
}

TEST(HostTensorTest, CopiesShareBytes) {
  const HostTensor a = MakeTensor(std::vector<int32_t>{1, 2}, {2});
  const HostTensor b = a;
  EXPECT_EQ(a.bytes.get(), b.bytes.get());
}

TEST(HostTensorDeathTest, AShapeThatDoesNotHoldTheValues) {
  EXPECT_DEATH(MakeTensor(std::vector<float>(5), {2, 3}), "\\[2, 3\\]");
}

TEST(DTypeTest, SizesAndNames) {
  const std::tuple<DType, int64_t, const char*> cases[] = {
      {DType::kF32, 4, "F32"}, {DType::kF16, 2, "F16"},  {DType::kBF16, 2, "BF16"}, {DType::kF64, 8, "F64"},
      {DType::kI64, 8, "I64"}, {DType::kI32, 4, "I32"},  {DType::kI16, 2, "I16"},   {DType::kI8, 1, "I8"},
      {DType::kU8, 1, "U8"},   {DType::kBool, 1, "BOOL"}};
  for (const auto& [dtype, size, name] : cases) {
    EXPECT_EQ(SizeOf(dtype), size);
    EXPECT_STREQ(Name(dtype), name);
  }
}

}  // namespace
}  // namespace ptq::vit
