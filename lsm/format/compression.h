// SPDX-License-Identifier: BSD-3-Clause
// A block's contents as they are stored: plain, or varint uncompressed size and an LZ4 block or a
// zstd frame (FORMAT.md, "block on disk").
//
// Thread safety: pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/options.h"

namespace lsm {

// Bytes on the heap whose size never changes; unlike a string they are not zeroed first.
struct OwnedBytes {
  OwnedBytes() = default;
  explicit OwnedBytes(size_t n) : data(std::make_unique_for_overwrite<char[]>(n)), size(n) {}
  std::string_view view() const { return {data.get(), size}; }

  std::unique_ptr<char[]> data;
  size_t size = 0;
};

// Compresses `input` into `*stored` and returns how. kNone, with `*stored` undefined, if it would
// not get smaller by an eighth at least: such a block is stored as it is.
// REQUIRES: input.size() <= kMaxBlockSize
Compression CompressBlock(Compression wanted, int zstd_level, std::string_view input,
                          std::string* stored);

// What CompressBlock's result, of a type other than kNone, says to become; 0 if it is malformed.
uint64_t UncompressedSize(std::string_view stored);

// Undoes CompressBlock for a type other than kNone. The bytes may be hostile: the size they claim
// is believed only as far as that many bytes can come out of so small an input. Returns null, or
// what is wrong.
[[nodiscard]] const char* DecompressBlock(uint8_t type, std::string_view stored,
                                          OwnedBytes* output);

}  // namespace lsm
