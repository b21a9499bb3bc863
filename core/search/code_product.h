// code_product.h: products of integer codes, compared with a float target while they are made.
//
// An interval search asks of each candidate how far the quantized product o_hat is from the float output o.  Codes are
// small integers, so the product is computed exactly in integers, several times faster than in float, and is reduced
// to a few sums per row without being stored.  No LibTorch.
//
//   acc[i][j]   = sum_k left[i][k] * right[j][k]            exact
//   o_hat[i][j] = scale[j] * float(acc[i][j])
//   e[i][j]     = fma(scale[j], float(acc[i][j]), -target[i][j]) - offset[j]
//
// Sums of the small differences e, in place of o_hat, keep a correlation of 1 - 1e-9 apart from one of 1 - 2e-9.  Every
// instruction set gives the same bits: row i's sums run in 16 lanes, lane j % 16, j ascending, in float32 inside a
// block of at most 1024 columns, then lanes and blocks are added in double in ascending order.
#pragma once

#include <cstdint>
#include <vector>

namespace ptq::search {

namespace internal {
struct Kernel;
struct alignas(64) CodeLine {
  uint8_t bytes[64];
};
}  // namespace internal

// Codes less their zero point: the range that a side of a product may hold.
struct CodeBounds {
  int32_t min = 0, max = 0;
};

// How both sides of a product are held.  A function of bounds and inner size alone, never of the CPU.
enum class CodeContainer {
  kInt8,   // either side spans at most 256 values and no sum leaves int32
  kInt16,  // |code| < 2^15 and no sum leaves int32
  kWide,   // anything up to 2^17 in magnitude, in 64-bit sums; plain and slow
};
CodeContainer ContainerFor(CodeBounds left, CodeBounds right, int64_t inner);

// The left operand, (rows, inner), and the right one, (columns, inner): a weight's rows are the product's columns.
// Assign copies `codes` (row major, inside `bounds`) into the container's layout and reuses memory of earlier calls.
class LeftCodes {
 public:
  void Assign(CodeContainer container, CodeBounds bounds, const int32_t* codes, int64_t rows, int64_t inner);
  int64_t rows() const { return rows_; }

 private:
  friend class CodeProduct;
  CodeContainer container_ = CodeContainer::kInt8;
  const internal::Kernel* kernel_ = nullptr;  // null: `plain_` holds the codes, else `packed_`
  int64_t rows_ = 0, inner_ = 0;
  int32_t shift_ = 0;                       // code = stored + shift_
  std::vector<internal::CodeLine> packed_;  // row major, rows padded to 4 bytes
  std::vector<int32_t> sums_;               // per row, of the codes, modulo 2^32
  std::vector<int32_t> plain_;
};

class RightCodes {
 public:
  void Assign(CodeContainer container, CodeBounds bounds, const int32_t* codes, int64_t columns, int64_t inner);
  int64_t columns() const { return columns_; }

 private:
  friend class CodeProduct;
  CodeContainer container_ = CodeContainer::kInt8;
  const internal::Kernel* kernel_ = nullptr;
  int64_t columns_ = 0, inner_ = 0;
  int32_t shift_ = 0;
  std::vector<internal::CodeLine> packed_;  // panels; see code_product_kernels.h
  std::vector<int32_t> sums_;               // per column, of the codes, modulo 2^32
  std::vector<int32_t> plain_;
};

// Sums over one row's columns.
struct ErrorSums {
  double e = 0;   // of e
  double ee = 0;  // of e * e
  double et = 0;  // of e * target
};

// What the product is compared with.
struct ProductTarget {
  const float* values = nullptr;  // row i begins at values + i * stride
  int64_t stride = 0;
};

// sums: left.rows() entries, overwritten.  scale, offset: right.columns() entries.  o_hat: null, or rows x columns
// floats, row major, overwritten.  Safe to call from several threads on shared operands.
void CompareProduct(const LeftCodes& left, const RightCodes& right, const ProductTarget& target, const float* scale,
                    const float* offset, ErrorSums* sums, float* o_hat);

// The same as plainly as it can be written: the meaning of CompareProduct, which tests hold to it bit for bit.
void CompareProductPlain(const int32_t* left, const int32_t* right, int64_t rows, int64_t columns, int64_t inner,
                         const ProductTarget& target, const float* scale, const float* offset, ErrorSums* sums,
                         float* o_hat);

// The instruction set that CompareProduct uses for a container on this CPU: "avx512_vnni", "avx2", "scalar".
const char* InstructionSetFor(CodeContainer container);

}  // namespace ptq::search
