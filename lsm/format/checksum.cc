// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/format/checksum.h"

#include <xxhash.h>

namespace lsm {

uint64_t Checksum(std::string_view bytes, uint64_t file, uint64_t offset) {
  // An odd multiplier keeps (file, offset) pairs apart for all files below 2^24 and offsets below
  // 2^40; beyond that a collision still needs equal bytes as well.
  const uint64_t seed = (file << 40) ^ (file >> 24) ^ (offset * 0x9e3779b97f4a7c15u);
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

uint64_t HashKey(std::string_view key) { return XXH3_64bits(key.data(), key.size()); }

}  // namespace lsm
