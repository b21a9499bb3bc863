#include "core/exec/integer/approximations.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace ptq::exec::internal {
namespace {

// The polynomials in double, with the coefficients that the kernels have: what float arithmetic adds is in the
// kernels' own tests.
constexpr int kPoints = 400000;

// t Phi(-t)
double Tail(double t) { return 0.5 * t * std::erfc(t * std::sqrt(0.5)); }

TEST(Approximations, Exp2IsWithinItsBound) {
  for (int i = 0; i < kPoints; ++i) {
    const double f = static_cast<double>(i) / kPoints;
    double p = 0;
    for (int k = 5; k >= 0; --k) {
      p = p * f + kExp2[k];
    }
    ASSERT_NEAR(p / std::exp2(f), 1, 9.1e-8) << f;
  }
}

TEST(Approximations, TheTailOfGeluIsSmallAndVanishes) {
  double largest = 0;
  for (int i = 0; i < kPoints; ++i) {
    const double t = 12.0 * i / kPoints;
    largest = std::max(largest, Tail(t));
    if (t >= kGeluTailEnd) {
      ASSERT_LE(Tail(t), 6e-7) << t;
    }
  }
  EXPECT_LE(largest, 0.17);
  EXPECT_GT(largest, 0.169);
}

TEST(Approximations, OnePolynomialOfTheTailIsWithinItsBound) {
  for (int i = 0; i <= kPoints; ++i) {
    const double t = static_cast<double>(kGeluTailEnd) * i / kPoints, u = t / kGeluTailHalf - 1;
    double p = 0;
    for (int k = 13; k >= 0; --k) {
      p = p * u + kGeluTail[k];
    }
    ASSERT_NEAR(t * p, -Tail(t), 5.6e-7) << t;
  }
}

TEST(Approximations, PiecesOfTheTailAreWithinTheirBound) {
  for (int i = 0; i <= kPoints; ++i) {
    const double scaled = static_cast<double>(kGeluPiecesEnd) * i / kPoints * kGeluPiecesScale;
    const auto piece = static_cast<int>(std::nearbyint(scaled));
    ASSERT_LE(piece, 31);
    const double u = scaled - piece;
    double p = 0;
    for (int k = 3; k >= 0; --k) {
      p = p * u + kGeluPieces[32 * k + piece];
    }
    ASSERT_NEAR(p, -Tail(scaled / kGeluPiecesScale), 3.8e-7) << scaled;
  }
  EXPECT_EQ(kGeluPieces[0], 0.0F);
}

}  // namespace
}  // namespace ptq::exec::internal
