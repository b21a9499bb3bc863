// products.h: the matrix products of the integer executor, bound to buffers once and run many times.
//
// With VNNI, and for every float32 product: oneDNN.  Without it, code products run on exact_product.h: oneDNN's
// saturate in 16 bits there.  No LibTorch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/exec/integer/instruction_set.h"

namespace ptq::exec {

// One product with its operands' memory: calling it runs it.
using BoundProduct = std::function<void()>;

enum class LinearOutput {
  kFloat,       // out = y, float32
  kFloatAdded,  // out += y, float32
  kSigned,      // out = rne(clamp(y, low, high)), int8
};

// y[i][j] = scale[j] * (sum_k left[i][k] * weight[j][k] + bias[j]), left uint8, weight int8, the sum exact.
struct IntegerLinear {
  int64_t rows = 0, inner = 0, columns = 0;
  std::vector<int8_t> weight;  // (columns, inner)
  std::vector<float> scale, bias;
  LinearOutput output = LinearOutput::kFloat;
  float low = -128, high = 127;  // of kSigned
};

// y[i][j] = sum_k left[i][k] * weight[j][k] + bias[j], float32.  output: kFloat or kFloatAdded.
struct FloatLinear {
  int64_t rows = 0, inner = 0, columns = 0;
  std::vector<float> weight;  // (columns, inner)
  std::vector<float> bias;
  LinearOutput output = LinearOutput::kFloat;
};

// A product with a weight, packed once; rows x inner times columns x inner.
class Linear {
 public:
  virtual ~Linear() = default;
  // left (rows, inner), out (rows, columns), dense; scratch: scratch_bytes() bytes, aligned to 64, not shared with a
  // product that runs at the same time.
  virtual BoundProduct Bind(const void* left, void* out, void* scratch) const = 0;
  virtual size_t scratch_bytes() const = 0;
  virtual std::string kernel() const = 0;  // "brg:avx512_core_vnni u8s8s8"
};

// threads: of one call.  set: of integer products.
std::unique_ptr<Linear> MakeLinear(const IntegerLinear& linear, InstructionSet set, int threads);
std::unique_ptr<Linear> MakeLinear(const FloatLinear& linear, int threads);

// out[i][j] = sum_k left[i][k] * right(k, j) for one head, on one thread.  Element (i, k) of left lies at
// i * left_stride + k, (k, j) of right at k * right_inner_stride + j * right_column_stride, one of which is 1.
struct HeadProduct {
  enum class Types {
    kSignedCodes,    // int8 x int8 -> int32
    kUnsignedCodes,  // uint8 x int8 -> int32
    kFloat,          // float32 x float32 -> float32
  };
  Types types = Types::kSignedCodes;
  int64_t rows = 0, inner = 0, columns = 0;
  int64_t left_stride = 0, right_inner_stride = 0, right_column_stride = 0, out_stride = 0;
};

class Attention {
 public:
  virtual ~Attention() = default;
  virtual BoundProduct Bind(const void* left, const void* right, void* out, void* scratch) const = 0;
  virtual size_t scratch_bytes() const = 0;
  virtual std::string kernel() const = 0;
};
std::unique_ptr<Attention> MakeAttention(const HeadProduct& product, InstructionSet set);

}  // namespace ptq::exec
