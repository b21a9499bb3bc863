// mcnemar.h: whether two classifiers differ on the same images.
#pragma once

#include <cstdint>

namespace ptq {

// The exact two-sided p of McNemar's test: the chance that `lost` and `gained` images, on which exactly one of the two
// is right, fall apart at least as unevenly where either has the chance 1/2.  1 where both are 0.
double McNemarExact(int64_t lost, int64_t gained);

}  // namespace ptq
