#include "baselines/aciq/clipping.h"

#include <cmath>

#include "core/base/check.h"

namespace ptq::baselines::aciq {
namespace {

constexpr double kSqrt2 = 1.41421356237309504880;
constexpr double kSqrt2OverPi = 0.79788456080286535588;

// Half the derivative of the Gaussian error: a (erfc(a/sqrt 2) + 1/(3 * 4^bits)) - sqrt(2/pi) e^(-a^2/2).
double GaussSlope(double a, int bits) {
  return a * (std::erfc(a / kSqrt2) + std::ldexp(1.0 / 3, -2 * bits)) - kSqrt2OverPi * std::exp(-a * a / 2);
}

double TwoSidedError(Prior prior, double a, int bits) {
  const double rounding = a * a * std::ldexp(1.0 / 3, -2 * bits);
  if (prior == Prior::kLaplace) {
    return 2 * std::exp(-a) + rounding;
  }
  return (a * a + 1) * std::erfc(a / kSqrt2) - kSqrt2OverPi * a * std::exp(-a * a / 2) + rounding;
}

}  // namespace

double LambertW(double x) {
  PTQ_CHECK(x >= std::exp(1.0)) << x;
  const double log_x = std::log(x);
  double w = log_x;
  for (int step = 0; step < 50; ++step) {
    const double next = w * (1 + log_x - std::log(w)) / (1 + w);  // Newton on w + ln w = ln x
    if (std::fabs(next - w) <= 1e-15 * w) {
      return next;
    }
    w = next;
  }
  return w;
}

double OptimalClip(Prior prior, Sides sides, int bits) {
  PTQ_CHECK(bits >= 1 && bits <= 16) << bits;
  const int two_sided_bits = sides == Sides::kOne ? bits + 1 : bits;
  if (prior == Prior::kLaplace) {
    return LambertW(std::ldexp(3.0, 2 * two_sided_bits));
  }
  double low = 0;
  double high = 20;
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    (GaussSlope(middle, two_sided_bits) < 0 ? low : high) = middle;
  }
  return (low + high) / 2;
}

double ClippedError(Prior prior, Sides sides, double clip, int bits) {
  return sides == Sides::kTwo ? TwoSidedError(prior, clip, bits) : TwoSidedError(prior, clip, bits + 1) / 2;
}

}  // namespace ptq::baselines::aciq
