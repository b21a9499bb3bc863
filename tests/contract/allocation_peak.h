// allocation_peak.h: how much memory a piece of work holds at once.
#pragma once

#include <cstdint>
#include <functional>

namespace ptq::testing {

// The most bytes that lay allocated at once while `work` ran, above what lay allocated before: tensors (through
// LibTorch's own memory hook) and everything that comes from operator new.  Counts the calling thread's tensors: set
// LibTorch to one thread.
int64_t AllocationPeak(const std::function<void()>& work);

}  // namespace ptq::testing
