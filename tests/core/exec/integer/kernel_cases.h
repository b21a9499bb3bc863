// kernel_cases.h: what the tests of the kernels share.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/exec/integer/kernels.h"

namespace ptq::exec {

inline std::vector<InstructionSet> SetsOfThisCpu() {
  std::vector<InstructionSet> sets;
  for (InstructionSet set : {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512Vnni}) {
    if (CheckAvailable(set).ok()) {
      sets.push_back(set);
    }
  }
  return sets;
}

// A test of one instruction set's kernels; skipped where this CPU lacks it.
class KernelsTest : public ::testing::TestWithParam<InstructionSet> {
 protected:
  void SetUp() override {
    const Status available = CheckAvailable(GetParam());
    if (!available.ok()) {
      GTEST_SKIP() << available.error().message;
    }
    kernels_ = &KernelsFor(GetParam());
  }
  const Kernels& kernels() const { return *kernels_; }
  static const Kernels& scalar() { return KernelsFor(InstructionSet::kScalar); }

 private:
  const Kernels* kernels_ = nullptr;
};

inline std::string SetName(const ::testing::TestParamInfo<InstructionSet>& info) { return Name(info.param); }

inline auto AllSets() {
  return ::testing::Values(InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512Vnni);
}

// Around whole registers and groups of four of them, and ViT's.
inline const std::vector<int64_t> kCounts = {1,  7,  8,  9,   15,  16,  17,  31,  32,  33,  47,
                                             63, 64, 65, 127, 129, 192, 197, 384, 577, 768, 3072};

// An array whose end is the end of readable memory: a load behind it kills the test.
template <typename T>
class AtPageEnd {
 public:
  explicit AtPageEnd(int64_t count) : count_(count) {
    const size_t bytes = (static_cast<size_t>(count) * sizeof(T) + kPage - 1) / kPage * kPage;
    size_ = bytes + kPage;
    begin_ = static_cast<uint8_t*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_NE(static_cast<void*>(begin_), MAP_FAILED);
    EXPECT_EQ(mprotect(begin_ + bytes, kPage, PROT_NONE), 0);
    data_ = reinterpret_cast<T*>(begin_ + bytes) - count;
  }
  AtPageEnd(const AtPageEnd&) = delete;
  AtPageEnd& operator=(const AtPageEnd&) = delete;
  ~AtPageEnd() { munmap(begin_, size_); }

  T* data() { return data_; }
  T& operator[](int64_t i) { return data_[i]; }
  int64_t size() const { return count_; }

 private:
  static constexpr size_t kPage = 4096;
  int64_t count_;
  size_t size_;
  uint8_t* begin_;
  T* data_;
};

// An output of `rows` rows, `stride` apart, whose first `columns` entries alone may change.
template <typename T>
class GuardedRows {
 public:
  GuardedRows(int64_t rows, int64_t columns, int64_t stride)
      : rows_(rows), columns_(columns), stride_(stride), memory_(kBefore + rows * stride) {
    std::memset(memory_.data(), kGuard, static_cast<size_t>(memory_.size()) * sizeof(T));
  }
  T* data() { return memory_.data() + kBefore; }
  T& At(int64_t row, int64_t column) { return data()[row * stride_ + column]; }

  bool GuardsHold() {
    T guard;
    std::memset(&guard, kGuard, sizeof(guard));
    for (int64_t i = 0; i < memory_.size(); ++i) {
      const int64_t at = i - kBefore;
      const bool mine = at >= 0 && at % stride_ < columns_;
      if (!mine && std::memcmp(&memory_[i], &guard, sizeof(guard)) != 0) {
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr int kGuard = 0xA5;
  static constexpr int64_t kBefore = 70;
  int64_t rows_, columns_, stride_;
  AtPageEnd<T> memory_;
};

// The grids of the codes: full, restricted, shifted, with a half step, with an odd zero.
inline std::vector<CodeMap> UnsignedMaps(float inverse_scale) {
  return {{inverse_scale, 0, 0, 255, 0},     {inverse_scale, 0, -93, 162, 93}, {inverse_scale, 0, -128, 127, 128},
          {inverse_scale, 0, -7, 7, 128},    {inverse_scale, -0.5F, -8, 7, 8}, {inverse_scale, -0.5F, -128, 127, 128},
          {inverse_scale, 0, 0, 15, 0},      {inverse_scale, 0, -40, 23, 41},  {inverse_scale, 0, 20, 200, -15},
          {inverse_scale, 0, -300, -45, 300}};
}
inline std::vector<CodeMap> SignedMaps(float inverse_scale) {
  return {{inverse_scale, 0, -128, 127, 0},     {inverse_scale, 0, -127, 127, 0}, {inverse_scale, 0, -7, 7, 0},
          {inverse_scale, -0.5F, -128, 127, 0}, {inverse_scale, 0, 0, 255, -128}, {inverse_scale, 0, -30, 33, -5}};
}

inline std::string Show(const CodeMap& map) {
  return "inverse_scale " + std::to_string(map.inverse_scale) + ", offset " + std::to_string(map.offset) + ", low " +
         std::to_string(map.low) + ", high " + std::to_string(map.high) + ", zero " + std::to_string(map.zero);
}

// Whether `stored` is the code of the scaled real value `scaled` = x * inverse_scale + offset, or the other one of two
// where `scaled` lies within `tolerance` of a tie.
inline ::testing::AssertionResult IsCodeOf(double scaled, double tolerance, const CodeMap& map, int stored) {
  if (!(tolerance < 0.4)) {
    return ::testing::AssertionFailure() << "the tolerance " << tolerance << " lets anything pass";
  }
  const double clamped = std::clamp<double>(scaled, map.low, map.high);
  const int code = stored - map.zero;
  if (code < map.low || code > map.high || std::abs(code - clamped) > 0.5 + tolerance) {
    return ::testing::AssertionFailure() << "code " << code << " of " << scaled << ", tolerance " << tolerance << "; "
                                         << Show(map);
  }
  return ::testing::AssertionSuccess();
}

template <typename Array>
void FillNormal(RandomStream& stream, double scale, Array& values) {
  for (int64_t i = 0; i < static_cast<int64_t>(values.size()); ++i) {
    values[i] = static_cast<float>(scale * stream.NextNormal());
  }
}

// Integers in [-bound, bound].
template <typename Array>
void FillIntegers(RandomStream& stream, int64_t bound, Array& values) {
  for (int64_t i = 0; i < static_cast<int64_t>(values.size()); ++i) {
    values[i] = static_cast<int32_t>(static_cast<int64_t>(stream.NextBelow(2 * bound + 1)) - bound);
  }
}

}  // namespace ptq::exec
