#include "core/base/parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace ptq {

void ParallelFor(int threads, int64_t count, const std::function<void(int64_t)>& run) {
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    for (int64_t i = next++; i < count; i = next++) {
      run(i);
    }
  };
  std::vector<std::thread> others;
  for (int64_t t = 1; t < std::min<int64_t>(threads, count); ++t) {
    others.emplace_back(work);
  }
  work();
  for (std::thread& each : others) {
    each.join();
  }
}

}  // namespace ptq
