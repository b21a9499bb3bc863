#include "core/base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace ptq {
namespace {

TEST(ParallelForTest, RunsEachPieceOnceWhateverTheThreads) {
  for (const int threads : {1, 2, 3, 8}) {
    for (const int64_t count : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(count);
      ParallelFor(threads, count, [&](int64_t i) { ++runs[i]; });
      for (int64_t i = 0; i < count; ++i) {
        EXPECT_EQ(runs[i], 1) << threads << " threads, piece " << i;
      }
    }
  }
}

}  // namespace
}  // namespace ptq
