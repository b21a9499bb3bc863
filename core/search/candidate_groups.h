// candidate_groups.h: the candidates of a search, cut into groups for the threads.
#pragma once

#include <algorithm>
#include <functional>

#include "core/base/error.h"
#include "core/base/parallel.h"

namespace ptq::search {

// Calls run(worker, begin, end) for groups of neighbours that together are the `count` candidates; calls of one worker
// follow one another, calls of different workers run at once.  `stop`, where given, is asked between rounds of groups,
// from the calling thread.  Errors: Interrupted.
template <typename Run>
Status ForCandidateGroups(int threads, size_t count, const std::function<bool()>& stop, const Run& run) {
  constexpr size_t kLargest = 8;  // what a group shares is read from near caches by all its candidates but the first
  const auto workers = static_cast<size_t>(threads);
  const size_t group = std::clamp<size_t>((count + workers - 1) / workers, 1, kLargest);
  for (size_t begin = 0; begin < count; begin += group * workers) {
    if (stop && stop()) {
      return Interrupted("stopped during the interval search");
    }
    ParallelFor(threads, threads, [&](int64_t worker) {
      const size_t first = begin + static_cast<size_t>(worker) * group;
      if (first < count) {
        run(static_cast<size_t>(worker), first, std::min(first + group, count));
      }
    });
  }
  return OkStatus();
}

}  // namespace ptq::search
