// pearson.h: Pearson correlation of a float output o and a quantized output o_hat (Liu et al. 2021, Eq. 11).
//
// Where either variance is 0 the correlation is 1 if both are equal up to a shift, else 0.  No LibTorch.
#pragma once

#include <cstdint>

#include "core/search/code_product.h"

namespace ptq::search {

// What is known about o alone.
struct TargetMoments {
  int64_t count = 0;
  double sum = 0;
  double deviation = 0;  // sum of (o - mean)^2
};

// x: count values in runs of `run` that begin `stride` apart.
TargetMoments MomentsOf(const float* x, int64_t runs, int64_t run, int64_t stride);

// Both sets of values taken together.
TargetMoments Join(const TargetMoments& a, const TargetMoments& b);

// The correlation from the sums over e = o_hat - o.
double Pearson(const TargetMoments& target, const ErrorSums& sums);

// Two passes over the values in double: the meaning of the above.
double PearsonPlain(const float* o, const float* o_hat, int64_t count);

}  // namespace ptq::search
