// SPDX-License-Identifier: BSD-3-Clause
// The bytes of an SST file around its blocks' contents: handles, the slice directory, properties
// and the footer (FORMAT.md, "SST file").
//
// The Decode functions take hostile bytes. They return null for success, or what is wrong in a few
// words, which the caller completes with file and offset.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/types.h"

namespace lsm {

inline constexpr uint32_t kSstFormatVersion = 2;
inline constexpr size_t kBlockTrailerSize = 9;  // compression, checksum
inline constexpr size_t kSstFooterSize = 48;

// No block's contents are larger than this, compressed or not: a record of the greatest size fits,
// and the compressors' limits are not reached.
inline constexpr size_t kMaxBlockSize = size_t{3} << 29;
static_assert(kMaxBlockSize > kMaxKeySize + kMaxValueSize + (size_t{1} << 20));

// What stands behind a block's entries: a data block has tags. A value has no entries.
enum class BlockKind { kData, kIndex, kValue };

// The tag of an entry whose user key has this hash (HashKey).
inline char BlockTag(uint64_t hash) { return static_cast<char>(hash); }

// Where a block's contents are; the trailer follows them.
struct BlockHandle {
  uint64_t offset = 0;
  uint64_t size = 0;  // without the trailer

  // REQUIRES: the handle has been checked to lie within a file.
  uint64_t end() const { return offset + size + kBlockTrailerSize; }
  bool operator==(const BlockHandle&) const = default;
  // Whether contents and trailer lie within the first `limit` bytes of the file.
  bool Within(uint64_t limit) const {
    return offset <= limit && size <= limit - offset && kBlockTrailerSize <= limit - offset - size;
  }
};

void PutBlockHandle(std::string* to, BlockHandle handle);
[[nodiscard]] bool GetBlockHandle(std::string_view* input, BlockHandle* handle);

// Appends what stands behind a block's contents. `contents` are the bytes that go to `offset`.
void AppendBlockTrailer(std::string* contents, uint8_t compression, uint64_t file, uint64_t offset);

// Where a big value is: a block of a blob file. It is the value of a record of type kBlob.
struct BlobPointer {
  uint64_t file = 0;
  BlockHandle block;

  // Bytes that the value takes in its file.
  uint64_t stored_size() const { return block.size + kBlockTrailerSize; }
  bool operator==(const BlobPointer&) const = default;
};
std::string EncodeBlobPointer(const BlobPointer& pointer);
// Null, or what is wrong. The block may lie anywhere.
[[nodiscard]] const char* DecodeBlobPointer(std::string_view bytes, BlobPointer* pointer);

// The directory block of a blob file: the sizes of its blocks, which stand one behind the other
// from offset 0, with their trailers. Decoding fails unless they end at `directory_offset`.
std::string EncodeBlobDirectory(const std::vector<BlockHandle>& blocks);
[[nodiscard]] const char* DecodeBlobDirectory(std::string_view contents, uint64_t directory_offset,
                                              std::vector<BlockHandle>* blocks);

struct SstSlice {
  TreeId tree = 0;
  BlockHandle index;
  BlockHandle filter;  // size 0: there is none
  BlockHandle properties;
};

void PutSstSlice(std::string* to, const SstSlice& slice);
// Every handle that comes back lies before `directory_offset`.
[[nodiscard]] const char* DecodeSstDirectory(std::string_view contents, uint32_t count,
                                             uint64_t directory_offset,
                                             std::vector<SstSlice>* slices);

struct SstFooter {
  BlockHandle directory;
  uint64_t file_number = 0;
  uint32_t slices = 0;
};

// `offset` is where the footer begins.
std::string EncodeSstFooter(const SstFooter& footer, uint64_t offset);
// REQUIRES: bytes.size() == kSstFooterSize. The directory ends where the footer begins.
[[nodiscard]] const char* DecodeSstFooter(std::string_view bytes, uint64_t file_number,
                                          uint64_t offset, SstFooter* footer);

// What is known of a slice's records as a whole.
struct SstProperties {
  uint64_t entries = 0;
  uint64_t tombstones = 0;
  uint64_t data_blocks = 0;
  uint64_t raw_key_bytes = 0;  // of user keys
  uint64_t raw_value_bytes = 0;
  SequenceNumber smallest_sequence = 0;
  SequenceNumber largest_sequence = 0;
  std::string smallest_key;  // user keys
  std::string largest_key;

  bool operator==(const SstProperties&) const = default;
};

std::string EncodeSstProperties(const SstProperties& properties);
// Unknown names are skipped; a known one that is missing is an error.
[[nodiscard]] const char* DecodeSstProperties(std::string_view contents, SstProperties* properties);

}  // namespace lsm
