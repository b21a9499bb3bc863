// random.h: named streams of random numbers that are the same on every machine.
//
// One user seed, one stream per purpose ("calibration_sample", "reservoir/blocks.3.mlp.fc2.left"), so that a new
// consumer never shifts the numbers of an old one.  Counter based: the n-th number of a stream is a pure function of
// (seed, name, n).  The bits are frozen by a test; a change of them moves numbers.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace ptq {

class RandomStream {
 public:
  RandomStream(uint64_t seed, std::string_view name);

  // The next 64 uniform bits.
  uint64_t NextU64();
  // Uniform in [0, bound), without modulo bias.  bound > 0.
  uint64_t NextBelow(uint64_t bound);
  // Uniform in [0, 1), 53 bits.
  double NextDouble();
  // Standard normal, by Box-Muller; uses two numbers of the stream.
  double NextNormal();

  // A stream for a part of this purpose; does not advance this one.
  RandomStream Child(std::string_view name) const;

 private:
  explicit RandomStream(uint64_t key) : key_(key) {}
  uint64_t key_;
  uint64_t counter_ = 0;
};

// `count` different indices of 0..population-1 in ascending order.  count <= population.
std::vector<int64_t> SampleWithoutReplacement(RandomStream& stream, int64_t population, int64_t count);

}  // namespace ptq
