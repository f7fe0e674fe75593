// SPDX-License-Identifier: BSD-3-Clause
// The checksum of everything on disk: XXH3 with 64 bits (Yann Collet's xxHash, library libxxhash).
// It covers where the bytes belong, so that a block that was written to, or read from, the wrong
// file or place is as visible as a flipped bit.

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace lsm {

// `file` is the number in the file's name, or a log segment's generation.
uint64_t Checksum(std::string_view bytes, uint64_t file, uint64_t offset);

// The checksum of every beginning of some bytes, each for the price of what it is longer than the
// one before.
class GrowingChecksum {
 public:
  GrowingChecksum(uint64_t file, uint64_t offset);
  ~GrowingChecksum();
  void Append(std::string_view bytes);
  // Of everything so far.
  uint64_t Value() const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

// For hashing keys in memory, and in filters and the tags of data blocks, which are persisted:
// never change it.
uint64_t HashKey(std::string_view key);

}  // namespace lsm
