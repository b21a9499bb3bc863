// clipping.h: the clipping values of ACIQ (Banner et al. 2019, Section 3), in closed form, and the errors they promise.
// No LibTorch.
//
// The model: 2^bits bins of equal width cover mean - a .. mean + a of a symmetric prior; rounding costs a^2/(3 *
// 4^bits), clipping what the prior's tails hold.  One-sided: the prior's positive half, covered by 0..a; its optimum is
// that of one bit more.  Values are in units of the prior's own spread: b = E|x - mean| of Laplace, the standard
// deviation of Gauss.
#pragma once

namespace ptq::baselines::aciq {

enum class Prior { kLaplace, kGauss };
enum class Sides { kOne, kTwo };

// The principal branch of Lambert's W, W e^W = x, for x >= e, by Newton.
double LambertW(double x);

// The clipping value a that makes ClippedError least.  1 <= bits <= 16.
double OptimalClip(Prior prior, Sides sides, int bits);

// The mean squared error that the model promises at a clipping value: rounding plus clipping.
double ClippedError(Prior prior, Sides sides, double clip, int bits);

}  // namespace ptq::baselines::aciq
