#include "baselines/bit_split/direct_form.h"

#include <cstddef>

namespace ptq::bit_split {
namespace {

// X code.
std::vector<double> Products(const float* x, int64_t samples, const SplitRow& row) {
  const std::vector<int32_t> codes = Stitch(row.digits, row.bits);
  std::vector<double> products(samples, 0.0);
  for (int64_t s = 0; s < samples; ++s) {
    for (size_t n = 0; n < codes.size(); ++n) {
      products[s] += static_cast<double>(x[s * codes.size() + n]) * codes[n];
    }
  }
  return products;
}

void FitScale(const float* x, const float* y, int64_t samples, SplitRow& row) {
  const std::vector<double> products = Products(x, samples, row);
  double product = 0;
  double square = 0;
  for (int64_t s = 0; s < samples; ++s) {
    product += y[s] * products[s];
    square += products[s] * products[s];
  }
  if (product == 0 || square == 0) {
    return;
  }
  row.scale = product / square;
  if (row.scale < 0) {
    row.scale = -row.scale;
    for (int8_t& digit : row.digits) {
      digit = static_cast<int8_t>(-digit);
    }
  }
}

}  // namespace

double DirectError(const float* x, const float* y, int64_t samples, const SplitRow& row) {
  const std::vector<double> products = Products(x, samples, row);
  double error = 0;
  for (int64_t s = 0; s < samples; ++s) {
    const double difference = y[s] - row.scale * products[s];
    error += difference * difference;
  }
  return error;
}

void ReconstructDirectly(const float* x, const float* y, int64_t samples, int epochs, SplitRow& row) {
  for (int epoch = 0; epoch < epochs; ++epoch) {
    FitScale(x, y, samples, row);
    for (int8_t& digit : row.digits) {
      int8_t best = 0;
      double least = 0;
      for (const int8_t value : {int8_t{0}, int8_t{1}, int8_t{-1}}) {
        digit = value;
        const double error = DirectError(x, y, samples, row);
        if (value == 0 || error < least) {
          best = value;
          least = error;
        }
      }
      digit = best;
    }
  }
  FitScale(x, y, samples, row);
}

}  // namespace ptq::bit_split
