#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/core/exec/integer/kernel_cases.h"

namespace ptq::exec {
namespace {

// Rows and their LayerNorm in double, with what float arithmetic may be off: some roundings of the result, and of the
// mean, whose partial sums are as large as the row's values.
struct Case {
  Case(int64_t rows, int64_t width, double mean, double deviation)
      : rows(rows), width(width), x(rows * width), gamma(width), beta(width), y(rows * width), tolerance(rows * width) {
    RandomStream stream(width, "layer_norm_test");
    FillNormal(stream, deviation, x);
    FillNormal(stream, 1, gamma);
    FillNormal(stream, 0.5, beta);
    for (int64_t i = 0; i < rows * width; ++i) {
      x[i] += static_cast<float>(mean);
    }
    weights = {gamma.data(), beta.data(), 1e-6F};
    for (int64_t r = 0; r < rows; ++r) {
      double sum = 0, squares = 0, largest = 0;
      for (int64_t c = 0; c < width; ++c) {
        sum += x[r * width + c];
        largest = std::max<double>(largest, std::abs(x[r * width + c]));
      }
      const double row_mean = sum / static_cast<double>(width);
      for (int64_t c = 0; c < width; ++c) {
        squares += std::pow(x[r * width + c] - row_mean, 2);
      }
      const double factor = 1 / std::sqrt(squares / static_cast<double>(width) + weights.eps);
      for (int64_t c = 0; c < width; ++c) {
        const double scaled = (x[r * width + c] - row_mean) * factor * gamma[c];
        y[r * width + c] = scaled + beta[c];
        tolerance[r * width + c] =
            6e-7 * (std::abs(scaled) + std::abs(beta[c])) + 3e-7 * largest * factor * std::abs(gamma[c]);
      }
    }
  }
  int64_t rows, width;
  AtPageEnd<float> x, gamma, beta;
  std::vector<double> y, tolerance;
  LayerNormWeights weights;
};

TEST(LayerNorm, GivesTheNormalizedRows) {
  for (InstructionSet set : SetsOfThisCpu()) {
    for (int64_t width : kCounts) {
      for (const double mean : {0.0, 0.7, -300.0}) {
        SCOPED_TRACE(std::string(Name(set)) + ", width " + std::to_string(width) + ", mean " + std::to_string(mean));
        Case test(5, width, mean, 1.5);
        GuardedRows<float> out(1, 5 * width, 5 * width);
        KernelsFor(set).layer_norm(test.x.data(), 5, width, test.weights, out.data());
        for (int64_t i = 0; i < 5 * width; ++i) {
          ASSERT_NEAR(out.At(0, i), test.y[i], test.tolerance[i]) << i;
        }
        ASSERT_TRUE(out.GuardsHold());
      }
    }
  }
}

TEST(LayerNorm, AConstantRowBecomesBeta) {
  for (InstructionSet set : SetsOfThisCpu()) {
    const int64_t width = 197;
    const std::vector<float> x(width, 0.5F), gamma(width, 3);
    std::vector<float> beta(width), y(width);
    RandomStream stream(1, "beta");
    FillNormal(stream, 1, beta);
    KernelsFor(set).layer_norm(x.data(), 1, width, {gamma.data(), beta.data(), 1e-6F}, y.data());
    for (int64_t c = 0; c < width; ++c) {
      // The mean is off by some roundings, and the deviation is 1e-3 by epsilon alone.
      EXPECT_NEAR(y[c], beta[c], 3 * 1e3 * 2e-7) << Name(set);
    }
  }
}

TEST(LayerNormQuantize, GivesTheCodesOfTheNormalizedRows) {
  for (InstructionSet set : SetsOfThisCpu()) {
    for (int64_t width : kCounts) {
      Case test(5, width, 0.3, 2);
      for (const CodeMap& map : UnsignedMaps(31.7F)) {
        GuardedRows<uint8_t> out(1, 5 * width, 5 * width);
        KernelsFor(set).layer_norm_quantize(test.x.data(), 5, width, test.weights, map, out.data());
        for (int64_t i = 0; i < 5 * width; ++i) {
          const double scaled = test.y[i] * map.inverse_scale + map.offset;
          const double tolerance = test.tolerance[i] * map.inverse_scale + 2e-7 * std::abs(scaled);
          ASSERT_TRUE(IsCodeOf(scaled, tolerance, map, out.At(0, i))) << Name(set) << " " << width << " " << i;
        }
        ASSERT_TRUE(out.GuardsHold()) << width;
      }
    }
  }
}

TEST(LayerNormQuantize, ARowWithNoNumberIsLowest) {
  for (InstructionSet set : SetsOfThisCpu()) {
    Case test(2, 197, 0, 1);
    test.x[3] = std::nanf("");
    std::vector<uint8_t> out(2 * 197);
    const CodeMap map = {20, 0, -93, 162, 100};
    KernelsFor(set).layer_norm_quantize(test.x.data(), 2, 197, test.weights, map, out.data());
    for (int64_t c = 0; c < 197; ++c) {
      EXPECT_EQ(out[c], 7) << Name(set);
      EXPECT_TRUE(IsCodeOf(test.y[197 + c] * 20, test.tolerance[197 + c] * 20 + 1e-5, map, out[197 + c]));
    }
  }
}

class LayerNormTest : public KernelsTest {
 protected:
  std::vector<float> Norm(const std::vector<float>& x, int64_t width, float eps) {
    const std::vector<float> gamma(width, 1), beta(width, 0);
    std::vector<float> y(x.size());
    kernels().layer_norm(x.data(), static_cast<int64_t>(x.size()) / width, width, {gamma.data(), beta.data(), eps},
                         y.data());
    return y;
  }
};

TEST_P(LayerNormTest, OneColumnBecomesBetaExactly) {
  const std::vector<float> x = {0, 0.1F, -300.7F, 1e30F, -1e-30F};
  EXPECT_EQ(Norm(x, 1, 1e-6F), std::vector<float>(x.size(), 0));
}

// A float sum in partial ones leaves the mean off by up to 4e-7 of the row's values, whatever their deviation.  A
// constant row shows all of it, 1e3 times as large: 1 / sqrt(epsilon), for want of a deviation.
TEST_P(LayerNormTest, AConstantRowIsAsNearToBetaAsItsMean) {
  for (int64_t width : {1, 192, 384, 768, 1000}) {
    for (const float value : {0.0F, 0.1F, 1 / 3.0F, -300.7F, 1e4F}) {
      const std::vector<float> y = Norm(std::vector<float>(width, value), width, 1e-6F);
      for (int64_t c = 0; c < width; ++c) {
        ASSERT_NEAR(y[c], 0, 4e-7 * std::abs(value) * 1e3) << "width " << width << " of " << value;
      }
    }
  }
}

// Beside a mean m of up to 1e4 deviations d the result is off by that error of the mean, e = 4e-7 m / d; the deviation
// by the square of e, halved, as it is taken around the mean as found.
TEST_P(LayerNormTest, KeepsASmallVarianceBesideALargeMean) {
  for (int64_t width : {192, 384, 768, 1000}) {
    for (const double mean : {10.0, -1e3, 1e4}) {
      RandomStream stream(width, "large_mean");
      std::vector<float> x(3 * width);
      for (float& value : x) {
        value = static_cast<float>(mean + stream.NextNormal());
      }
      const std::vector<float> y = Norm(x, width, 1e-6F);
      for (int64_t r = 0; r < 3; ++r) {
        double sum = 0, squares = 0;
        for (int64_t c = 0; c < width; ++c) {
          sum += x[r * width + c];
        }
        const double row_mean = sum / static_cast<double>(width);
        for (int64_t c = 0; c < width; ++c) {
          squares += std::pow(x[r * width + c] - row_mean, 2);
        }
        const double factor = 1 / std::sqrt(squares / static_cast<double>(width) + 1e-6);
        const double shift = 4e-7 * std::abs(mean) * factor;
        for (int64_t c = 0; c < width; ++c) {
          const double exact = (x[r * width + c] - row_mean) * factor;
          ASSERT_NEAR(y[r * width + c], exact, shift + (6e-7 + shift * shift / 2) * std::abs(exact))
              << "width " << width << ", mean " << mean << ", column " << c;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, LayerNormTest, AllSets(), SetName);

}  // namespace
}  // namespace ptq::exec
