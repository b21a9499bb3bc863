#include "tests/real/mcnemar.h"

#include <algorithm>
#include <cmath>

namespace ptq {

double McNemarExact(int64_t lost, int64_t gained) {
  const auto n = static_cast<double>(lost + gained);
  const auto fewer = static_cast<double>(std::min(lost, gained));
  double tail = 0;  // P(X <= fewer), X binomial (n, 1/2)
  for (double k = 0; k <= fewer; ++k) {
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) - n * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

}  // namespace ptq
