#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tests/core/exec/integer/kernel_cases.h"

namespace ptq::exec {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

double Exact(double x) { return 0.5 * x * std::erfc(-x * std::sqrt(0.5)); }

double Bound(double exact) { return std::abs(exact) > 1 ? 1e-6 * std::abs(exact) : 2e-6; }

// Each binade up to 10 at many mantissas, and [-10, 10] evenly.
std::vector<float> Sweep() {
  std::vector<float> x;
  uint32_t end;
  const float ten = 10;
  std::memcpy(&end, &ten, sizeof(end));
  for (uint32_t bits = 0; bits <= end; bits += 2039) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    x.push_back(value);
    x.push_back(-value);
  }
  for (int i = -1000000; i <= 1000000; ++i) {
    x.push_back(static_cast<float>(i) * 1e-5F);
  }
  return x;
}

TEST(Gelu, IsWithinItsBoundEverywhere) {
  const std::vector<float> x = Sweep();
  ASSERT_GT(x.size(), 2500000U);
  for (InstructionSet set : SetsOfThisCpu()) {
    std::vector<float> y(x.size());
    KernelsFor(set).gelu(x.data(), static_cast<int64_t>(x.size()), y.data());
    double worst = 0;
    float worst_x = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double exact = Exact(x[i]), used = std::abs(y[i] - exact) / Bound(exact);
      if (!(used <= worst)) {
        worst = used;
        worst_x = x[i];
      }
    }
    EXPECT_LE(worst, 1) << Name(set) << " at " << worst_x;
    RecordProperty(std::string("worst_") + Name(set), std::to_string(worst));
  }
}

TEST(Gelu, KeepsExtremes) {
  const float kHuge = 3e38F, kLeast = std::numeric_limits<float>::denorm_min();
  for (InstructionSet set : SetsOfThisCpu()) {
    SCOPED_TRACE(Name(set));
    // At the end of a whole register and in a rest.
    for (int64_t count : {16, 21, 64, 69}) {
      for (float x : {kHuge, -kHuge, kInfinity, -kInfinity, kLeast, -kLeast, 0.0F, 1e4F, -1e4F, std::nanf("")}) {
        AtPageEnd<float> in(count), out(count);
        for (int64_t i = 0; i < count; ++i) {
          in[i] = 1;
        }
        in[count - 1] = x;
        KernelsFor(set).gelu(in.data(), count, out.data());
        const float y = out[count - 1];
        if (std::isnan(x)) {
          EXPECT_TRUE(std::isnan(y));
        } else if (x > 1) {
          EXPECT_NEAR(y / x == 1 || y == x ? 1.0 : y / x, 1, 1e-6) << x;
        } else {
          EXPECT_NEAR(y, 0, 2e-6) << x;
        }
        EXPECT_NEAR(out[0], Exact(1), 1e-6);
      }
    }
  }
}

TEST(Gelu, WorksInPlace) {
  for (InstructionSet set : SetsOfThisCpu()) {
    for (int64_t count : kCounts) {
      RandomStream stream(1, "gelu_in_place");
      AtPageEnd<float> x(count), y(count);
      FillNormal(stream, 2, x);
      KernelsFor(set).gelu(x.data(), count, y.data());
      KernelsFor(set).gelu(x.data(), count, x.data());
      EXPECT_EQ(std::memcmp(x.data(), y.data(), count * sizeof(float)), 0) << Name(set) << " " << count;
    }
  }
}

TEST(GeluQuantize, GivesTheCodeOfTheRealValue) {
  for (InstructionSet set : SetsOfThisCpu()) {
    SCOPED_TRACE(Name(set));
    for (int64_t count : kCounts) {
      for (const CodeMap& map : UnsignedMaps(37.3F)) {
        RandomStream stream(count, "gelu_quantize");
        AtPageEnd<float> x(count);
        FillNormal(stream, 2, x);
        GuardedRows<uint8_t> codes(1, count, count);
        KernelsFor(set).gelu_quantize(x.data(), count, map, codes.data());
        for (int64_t i = 0; i < count; ++i) {
          const double exact = Exact(x[i]), scaled = exact * map.inverse_scale + map.offset;
          const double tolerance = Bound(exact) * map.inverse_scale + 3e-7 * std::abs(scaled);
          ASSERT_TRUE(IsCodeOf(scaled, tolerance, map, codes.At(0, i))) << x[i] << ", " << i << " of " << count;
        }
        ASSERT_TRUE(codes.GuardsHold()) << count;
      }
    }
  }
}

TEST(GeluQuantize, MapsWhatIsNoNumberToTheLowest) {
  const CodeMap map = {2, 0, -9, 200, 20};
  for (InstructionSet set : SetsOfThisCpu()) {
    for (int64_t count : {1, 16, 19, 64, 70}) {
      std::vector<float> x(count, std::nanf(""));
      std::vector<uint8_t> codes(count);
      KernelsFor(set).gelu_quantize(x.data(), count, map, codes.data());
      EXPECT_EQ(codes, std::vector<uint8_t>(count, 11)) << Name(set);
      x.assign(count, kInfinity);
      KernelsFor(set).gelu_quantize(x.data(), count, map, codes.data());
      EXPECT_EQ(codes, std::vector<uint8_t>(count, 220)) << Name(set);
      x.assign(count, -kInfinity);
      KernelsFor(set).gelu_quantize(x.data(), count, map, codes.data());
      EXPECT_EQ(codes, std::vector<uint8_t>(count, 20)) << Name(set);
    }
  }
}

class GeluTest : public KernelsTest {};

// Every binade of both signs, numbers below the normal ones included, at 64 mantissas.
TEST_P(GeluTest, IsWithinItsBoundOfEveryMagnitude) {
  std::vector<float> x;
  for (uint32_t bits = 0; bits < 0x7F800000; bits += 1 << 17) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    x.insert(x.end(), {value, -value});
  }
  std::vector<float> y(x.size());
  kernels().gelu(x.data(), static_cast<int64_t>(x.size()), y.data());
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_LE(std::abs(y[i] - Exact(x[i])), Bound(Exact(x[i]))) << x[i];
  }
  ASSERT_EQ(y[0], 0.0F);
  ASSERT_EQ(y[1], 0.0F);
}

INSTANTIATE_TEST_SUITE_P(Sets, GeluTest, AllSets(), SetName);

}  // namespace
}  // namespace ptq::exec
