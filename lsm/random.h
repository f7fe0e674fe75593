// SPDX-License-Identifier: BSD-3-Clause
// Random is a small seeded generator (SplitMix64, Steele, Lea and Flood 2014): the same seed gives
// the same sequence on every machine. Not for secrets.
// Thread safety: none.

#pragma once

#include <cassert>
#include <cstdint>

namespace lsm {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next64() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint32_t Next32() { return static_cast<uint32_t>(Next64() >> 32); }
  // Uniform in [0, n) but for a bias below 2^-32 for n < 2^32. REQUIRES: n > 0
  uint64_t Uniform(uint64_t n) {
    assert(n > 0);
    return Next64() % n;
  }
  bool OneIn(uint64_t n) { return Uniform(n) == 0; }

 private:
  uint64_t state_;
};

}  // namespace lsm
