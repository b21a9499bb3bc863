#include "core/base/random.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/check.h"

namespace ptq {
namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64 bits with good avalanche.
uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

// FNV-1a over the name, mixed with the parent key.
uint64_t Key(uint64_t parent, std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return Mix(Mix(parent + 0x9e3779b97f4a7c15ULL) ^ hash);
}

}  // namespace

RandomStream::RandomStream(uint64_t seed, std::string_view name) : key_(Key(seed, name)) {}

RandomStream RandomStream::Child(std::string_view name) const { return RandomStream(Key(key_, name)); }

uint64_t RandomStream::NextU64() { return Mix(key_ + (++counter_) * 0x9e3779b97f4a7c15ULL); }

uint64_t RandomStream::NextBelow(uint64_t bound) {
  PTQ_CHECK(bound > 0);
  const uint64_t reject_below = (0 - bound) % bound;  // 2^64 mod bound
  uint64_t bits = NextU64();
  while (bits < reject_below) {
    bits = NextU64();
  }
  return bits % bound;
}

double RandomStream::NextDouble() { return static_cast<double>(NextU64() >> 11) * 0x1.0p-53; }

double RandomStream::NextNormal() {
  const double u = 1.0 - NextDouble();  // in (0, 1]
  const double v = NextDouble();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * M_PI * v);
}

std::vector<int64_t> SampleWithoutReplacement(RandomStream& stream, int64_t population, int64_t count) {
  PTQ_CHECK(count >= 0 && count <= population) << count << " of " << population;
  std::vector<int64_t> indices(population);
  std::iota(indices.begin(), indices.end(), 0);
  for (int64_t i = 0; i < count; ++i) {  // partial Fisher-Yates
    std::swap(indices[i], indices[i + static_cast<int64_t>(stream.NextBelow(population - i))]);
  }
  indices.resize(count);
  std::sort(indices.begin(), indices.end());
  return indices;
}

}  // namespace ptq
