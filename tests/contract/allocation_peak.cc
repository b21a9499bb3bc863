#include "tests/contract/allocation_peak.h"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>

namespace ptq::testing {
namespace {

std::atomic<bool> counting{false};
std::atomic<int64_t> now{0};
std::atomic<int64_t> peak{0};

void Count(int64_t bytes) {
  if (!counting) {
    return;
  }
  const int64_t held = now += bytes;
  int64_t seen = peak;
  while (held > seen && !peak.compare_exchange_weak(seen, held)) {
  }
}

class TensorMemory final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t bytes, int64_t, int64_t, c10::Device) override { Count(bytes); }
  bool memoryProfilingEnabled() const override { return true; }
};

void* Allocate(std::size_t size) {
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  Count(static_cast<int64_t>(malloc_usable_size(memory)));
  return memory;
}

void Free(void* memory) {
  if (memory != nullptr) {
    Count(-static_cast<int64_t>(malloc_usable_size(memory)));
  }
  std::free(memory);
}

}  // namespace

int64_t AllocationPeak(const std::function<void()>& work) {
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, std::make_shared<TensorMemory>());
  now = peak = 0;
  counting = true;
  work();
  counting = false;
  return peak;
}

}  // namespace ptq::testing

void* operator new(std::size_t size) { return ptq::testing::Allocate(size); }
void* operator new[](std::size_t size) { return ptq::testing::Allocate(size); }
void operator delete(void* memory) noexcept { ptq::testing::Free(memory); }
void operator delete[](void* memory) noexcept { ptq::testing::Free(memory); }
void operator delete(void* memory, std::size_t) noexcept { ptq::testing::Free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { ptq::testing::Free(memory); }
