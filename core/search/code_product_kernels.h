// code_product_kernels.h: what code_product.h is made of; for its own sources and its test.
//
// Stored codes.  A group is 4 bytes of one row: 4 codes (u8 left, s8 right), or 2 codes (int16).  Rows are padded to
// whole groups: on the right with zeros, on the left with anything.  With code = stored + shift on each side,
//
//   sum l r = sum ls rs + shift_l * sum r + shift_r * sum l - inner * shift_l * shift_r      modulo 2^32,
//
// exact wherever the container's promise holds.  The last three terms are what an accumulator starts from.
//
// The right operand is cut into blocks of 1024 columns, these into panels of at most Kernel::max_vectors vectors of
// 16 columns.  A panel of V vectors, the v0-th and on, holds line (g, v) = group g of its vector v's 16 columns at
// packed[v0 * groups + g * V + v].
#pragma once

#include <cstdint>

#include "core/search/code_product.h"

namespace ptq::search::internal {

constexpr int64_t kSums = 3;
constexpr int64_t kLanes = 16;           // lanes of a row's sums, columns of a vector
constexpr int64_t kBlockColumns = 1024;  // columns whose sums stay in float32
constexpr int64_t kBlockVectors = kBlockColumns / kLanes;
constexpr int64_t kSpareRows = 16;  // a kernel reads (and drops) up to this many rows behind the last one

// One panel against some rows.
struct PanelJob {
  const uint8_t* left;  // row r at left + r * 4 * groups
  const int32_t* row_terms;
  int64_t rows, groups;
  const CodeLine* right;
  const int32_t* column_terms;  // this and the next two: 16 * vectors entries, zero behind the last column
  const float* scale;
  const float* offset;
  int64_t vectors, columns;  // 16 * (vectors - 1) < columns <= 16 * vectors
  const float* target;       // element (0, first column of the panel)
  int64_t target_stride;
  float* o_hat;  // likewise, or null
  int64_t o_hat_stride;
  float* lanes;  // (rows, kSums, kLanes): the running sums of e, e * e, e * target
};

// What storing a row found out.
struct StoredRow {
  uint32_t sum;   // of the codes, modulo 2^32
  uint32_t bits;  // all bits of code - base: above 2^8 - 1 or 2^16 - 1 for a code that does not fit
};

struct Kernel {
  const char* name;
  int code_bytes;  // of a stored code
  int64_t (*max_vectors)(int64_t groups);
  void (*run)(const PanelJob& job);
  void (*add_lanes)(const float* lanes, int64_t rows, ErrorSums* sums);  // as AddLanes
  // out[i] = (codes[i] - base) ^ flip, in code_bytes each.
  StoredRow (*store)(const int32_t* codes, int64_t count, int32_t base, uint32_t flip, uint8_t* out);
  // The 16 rows at rows, rows + stride, ..: group g of each, side by side, becomes out[g * out_step].
  // stride is a multiple of 64 and at least 4 * groups; rows is aligned to 64.
  void (*interleave)(const uint8_t* rows, int64_t stride, int64_t groups, CodeLine* out, int64_t out_step);
};

extern const Kernel kVnniInt8, kVnniInt16, kAvx2Int8, kAvx2Int16;

// lanes: (rows, 3, 16), added to `sums` lane by lane, ascending.
void AddLanes(const float* lanes, int64_t rows, ErrorSums* sums);

enum class InstructionSet { kScalar, kAvx2, kAvx512Vnni };
bool CpuHas(InstructionSet set);
// Which kernel operands are assigned for from now on; operands of different kernels do not meet.  For tests.
void UseInstructionSet(InstructionSet set);
// Null: the plain way.
const Kernel* KernelFor(CodeContainer container);

// The panels of a right operand: panel `index` of `count` in a block of `vectors`, wide ones first.
struct PanelCut {
  PanelCut(int64_t vectors, int64_t max_vectors)
      : count((vectors + max_vectors - 1) / max_vectors),
        width(count == 0 ? 0 : vectors / count),
        wider(count == 0 ? 0 : vectors % count) {}
  int64_t Width(int64_t index) const { return width + (index < wider ? 1 : 0); }
  int64_t count, width, wider;
};

inline int64_t GroupsOf(const Kernel& kernel, int64_t inner) { return (inner * kernel.code_bytes + 3) / 4; }

// Two's complement arithmetic modulo 2^32, without undefined overflow.
inline int32_t WrappingMultiply(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) * static_cast<uint32_t>(b));
}
inline int32_t WrappingAdd(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}

}  // namespace ptq::search::internal
