// op_sample.h: one op's operands and float output over all calibration images, as plain memory.
#pragma once

#include <cstdint>

namespace ptq::search {

// Every matrix is contiguous and row major.  A linear op has one head, its tokens as rows and one weight for all
// images; qk and pv have a right operand of their own in each head.
struct OpSample {
  int64_t images = 0, heads = 1, rows = 0, inner = 0, columns = 0;
  bool shared_right = true;
  const float* left = nullptr;    // (images, heads, rows, inner)
  const float* right = nullptr;   // (columns, inner), or (images, heads, columns, inner) where not shared
  const float* target = nullptr;  // (images, heads, rows, columns)
  const float* bias = nullptr;    // (columns); read by the ranking of a projection only

  int64_t products() const { return images * heads; }
};

}  // namespace ptq::search
