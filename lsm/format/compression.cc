// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/format/compression.h"

#include <lz4.h>
#include <zstd.h>

#include <cassert>
#include <climits>

#include "lsm/format/coding.h"
#include "lsm/format/table_format.h"

namespace lsm {
namespace {

static_assert(kMaxBlockSize <= LZ4_MAX_INPUT_SIZE && kMaxBlockSize <= INT_MAX);

// What one byte of input can become at most: an LZ4 length byte stands for 255 bytes, and four
// bytes of a zstd frame for a block of 128 KiB.
constexpr uint64_t kLz4MaxRatio = 255;
constexpr uint64_t kZstdMaxRatio = 32768;

// Both return the size of the result, or 0 if it does not fit `room`.
size_t CompressLz4(std::string_view input, char* output, size_t room) {
  const int size = LZ4_compress_default(input.data(), output, static_cast<int>(input.size()),
                                        static_cast<int>(room));
  return size > 0 ? static_cast<size_t>(size) : 0;
}

size_t CompressZstd(int level, std::string_view input, char* output, size_t room) {
  const size_t size = ZSTD_compress(output, room, input.data(), input.size(), level);
  return ZSTD_isError(size) ? 0 : size;
}

}  // namespace

Compression CompressBlock(Compression wanted, int zstd_level, std::string_view input,
                          std::string* stored) {
  assert(input.size() <= kMaxBlockSize);
  const size_t limit = input.size() - input.size() / 8;
  const size_t prefix = VarintLength(input.size());
  if (wanted == Compression::kNone || limit <= prefix || limit == input.size()) {
    return Compression::kNone;
  }
  stored->resize(limit);
  EncodeVarint64(stored->data(), input.size());
  char* const output = stored->data() + prefix;
  const size_t size = wanted == Compression::kLz4
                          ? CompressLz4(input, output, limit - prefix)
                          : CompressZstd(zstd_level, input, output, limit - prefix);
  if (size == 0) return Compression::kNone;
  stored->resize(prefix + size);
  return wanted;
}

uint64_t UncompressedSize(std::string_view stored) {
  uint64_t size;
  return GetVarint64(&stored, &size) ? size : 0;
}

const char* DecompressBlock(uint8_t type, std::string_view stored, OwnedBytes* output) {
  uint64_t size;
  if (!GetVarint64(&stored, &size)) return "malformed uncompressed size";
  if (size > kMaxBlockSize || stored.size() > kMaxBlockSize) return "block too large";
  if (type == static_cast<uint8_t>(Compression::kLz4)) {
    if (size > stored.size() * kLz4MaxRatio) return "implausible uncompressed size";
    *output = OwnedBytes(size);
    const int got = LZ4_decompress_safe(stored.data(), output->data.get(),
                                        static_cast<int>(stored.size()), static_cast<int>(size));
    return got >= 0 && static_cast<uint64_t>(got) == size ? nullptr : "malformed LZ4 block";
  }
  if (type == static_cast<uint8_t>(Compression::kZstd)) {
    if (size > stored.size() * kZstdMaxRatio) return "implausible uncompressed size";
    if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != size) {
      return "uncompressed size differs from the zstd frame's";
    }
    *output = OwnedBytes(size);
    const size_t got = ZSTD_decompress(output->data.get(), size, stored.data(), stored.size());
    return !ZSTD_isError(got) && got == size ? nullptr : "malformed zstd frame";
  }
  return "unknown compression";
}

}  // namespace lsm
