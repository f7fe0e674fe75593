// SPDX-License-Identifier: BSD-3-Clause
// A hash of bytes that clients choose, for tables in memory: SipHash-1-3 (Aumasson and Bernstein
// 2012) with a key that the system gives the process at random, so that nobody outside can choose
// bytes that collide. Not for anything that is stored.
//
// Thread safety: safe.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace redis {

using HashKey = std::array<uint64_t, 2>;

uint64_t SipHash(const HashKey& key, std::string_view bytes);

// With the process's key. Can be the hash of a std::unordered_map that is searched by views.
struct SeededHash {
  using is_transparent = void;
  size_t operator()(std::string_view bytes) const;
};

}  // namespace redis
