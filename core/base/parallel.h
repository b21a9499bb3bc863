// parallel.h: independent pieces of work on several threads.
#pragma once

#include <cstdint>
#include <functional>

namespace ptq {

// Calls run(i) once for each i in [0, count), on at most `threads` threads, the caller's among them; returns when all
// are done.  run must not throw, and calls for different i must not depend on each other.
void ParallelFor(int threads, int64_t count, const std::function<void(int64_t)>& run);

}  // namespace ptq
