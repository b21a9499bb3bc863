#include <algorithm>
#include <atomic>
#include <cstring>

#include "core/base/check.h"
#include "core/search/code_product.h"
#include "core/search/code_product_kernels.h"

namespace ptq::search {
namespace internal {
namespace {

InstructionSet BestInstructionSet() {
  for (InstructionSet set : {InstructionSet::kAvx512Vnni, InstructionSet::kAvx2}) {
    if (CpuHas(set)) {
      return set;
    }
  }
  return InstructionSet::kScalar;
}

std::atomic<InstructionSet>& CurrentInstructionSet() {
  static std::atomic<InstructionSet> current(BestInstructionSet());
  return current;
}

}  // namespace

bool CpuHas(InstructionSet set) {
  switch (set) {
    case InstructionSet::kAvx512Vnni:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
    case InstructionSet::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case InstructionSet::kScalar:
      break;
  }
  return true;
}

void UseInstructionSet(InstructionSet set) {
  PTQ_CHECK(CpuHas(set));
  CurrentInstructionSet() = set;
}

const Kernel* KernelFor(CodeContainer container) {
  const InstructionSet set = CurrentInstructionSet();
  if (container == CodeContainer::kWide || set == InstructionSet::kScalar) {
    return nullptr;
  }
  if (set == InstructionSet::kAvx2) {
    return container == CodeContainer::kInt8 ? &kAvx2Int8 : &kAvx2Int16;
  }
  return container == CodeContainer::kInt8 ? &kVnniInt8 : &kVnniInt16;
}

namespace {

// How a side is stored: out = (code - base) ^ flip, of `bits` bits; code = stored value + shift.
struct Storing {
  int32_t base = 0, shift = 0;
  uint32_t flip = 0, largest = 0;
};

Storing StoringOf(CodeContainer container, CodeBounds bounds, bool is_left) {
  Storing storing;
  if (container == CodeContainer::kInt16) {
    storing.base = -(1 << 15);
    storing.flip = 1 << 15;
    storing.largest = UINT16_MAX;
  } else if (is_left) {
    storing.shift = bounds.min >= 0 && bounds.max <= UINT8_MAX ? 0 : bounds.min;
    storing.base = storing.shift;
    storing.largest = UINT8_MAX;
  } else {
    storing.shift = bounds.min >= INT8_MIN && bounds.max <= INT8_MAX ? 0 : bounds.min - INT8_MIN;
    storing.base = storing.shift + INT8_MIN;
    storing.flip = 1 << 7;
    storing.largest = UINT8_MAX;
  }
  return storing;
}

void StoreRow(const Kernel& kernel, const Storing& storing, const int32_t* codes, int64_t count, uint8_t* out,
              int32_t* sum) {
  const StoredRow row = kernel.store(codes, count, storing.base, storing.flip, out);
  PTQ_CHECK(row.bits <= storing.largest) << "a code lies outside its bounds";
  *sum = static_cast<int32_t>(row.sum);
}

}  // namespace
}  // namespace internal

using internal::CodeLine;
using internal::kLanes;

void LeftCodes::Assign(CodeContainer container, CodeBounds bounds, const int32_t* codes, int64_t rows, int64_t inner) {
  container_ = container;
  kernel_ = internal::KernelFor(container);
  rows_ = rows;
  inner_ = inner;
  if (kernel_ == nullptr) {
    plain_.assign(codes, codes + rows * inner);
    return;
  }
  const int64_t stride = internal::GroupsOf(*kernel_, inner) * 4;
  const internal::Storing storing = internal::StoringOf(container, bounds, /*is_left=*/true);
  shift_ = storing.shift;
  packed_.resize(((rows + internal::kSpareRows) * stride + 63) / 64 + 1);
  sums_.resize(rows);
  uint8_t* out = packed_.data()->bytes;
  for (int64_t i = 0; i < rows; ++i, out += stride) {
    internal::StoreRow(*kernel_, storing, codes + i * inner, inner, out, &sums_[i]);
  }
}

void RightCodes::Assign(CodeContainer container, CodeBounds bounds, const int32_t* codes, int64_t columns,
                        int64_t inner) {
  container_ = container;
  kernel_ = internal::KernelFor(container);
  columns_ = columns;
  inner_ = inner;
  if (kernel_ == nullptr) {
    plain_.assign(codes, codes + columns * inner);
    return;
  }
  const int64_t groups = internal::GroupsOf(*kernel_, inner);
  const int64_t vectors = (columns + kLanes - 1) / kLanes;
  const internal::Storing storing = internal::StoringOf(container, bounds, /*is_left=*/false);
  shift_ = storing.shift;
  packed_.resize(vectors * groups);
  sums_.resize(columns);
  // One vector's 16 columns as rows; what lies behind `inner` stays zero.
  const int64_t stride = (groups * 4 + 63) / 64 * 64;
  std::vector<CodeLine> rows(kLanes * stride / 64);
  uint8_t* const scratch = rows.empty() ? nullptr : rows.data()->bytes;
  for (int64_t first = 0; first < vectors; first += internal::kBlockVectors) {
    const int64_t block = std::min(internal::kBlockVectors, vectors - first);
    const internal::PanelCut cut(block, kernel_->max_vectors(groups));
    int64_t panel_first = first;
    for (int64_t panel = 0; panel < cut.count; panel_first += cut.Width(panel), ++panel) {
      for (int64_t v = 0; v < cut.Width(panel); ++v) {
        for (int64_t c = 0; c < kLanes; ++c) {
          const int64_t column = (panel_first + v) * kLanes + c;
          if (column < columns) {
            internal::StoreRow(*kernel_, storing, codes + column * inner, inner, scratch + c * stride, &sums_[column]);
          } else if (stride > 0) {
            std::memset(scratch + c * stride, 0, stride);
          }
        }
        kernel_->interleave(scratch, stride, groups, packed_.data() + panel_first * groups + v, cut.Width(panel));
      }
    }
  }
}

const char* InstructionSetFor(CodeContainer container) {
  const internal::Kernel* const kernel = internal::KernelFor(container);
  return kernel == nullptr ? "scalar" : kernel->name;
}

}  // namespace ptq::search
