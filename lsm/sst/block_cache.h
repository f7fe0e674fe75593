// SPDX-License-Identifier: BSD-3-Clause
// BlockCache keeps uncompressed blocks of SST files within a byte budget, sharded; the victim is
// found by CLOCK (one reference bit an entry). A block in use stays alive through its reference
// after it has left the cache.
//
// Thread safety: safe for concurrent use.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace lsm {

class Block;

class BlockCache {
 public:
  explicit BlockCache(size_t capacity_bytes);
  ~BlockCache();

  // Null if absent.
  std::shared_ptr<const Block> Lookup(uint64_t file, uint64_t offset);
  // What Lookup looks at, in this order, so that it can be on its way into the processor's cache:
  // the entry, then the block. Peek is a Lookup that leaves no trace.
  void PrefetchEntry(uint64_t file, uint64_t offset) const;
  void PrefetchBlock(uint64_t file, uint64_t offset) const;
  std::shared_ptr<const Block> Peek(uint64_t file, uint64_t offset) const;
  // `charge`: bytes the block occupies, bookkeeping included.
  void Insert(uint64_t file, uint64_t offset, std::shared_ptr<const Block> block, size_t charge);

  size_t usage_bytes() const;
  size_t capacity_bytes() const;
  void SetCapacity(size_t bytes);
  uint64_t hits() const;
  uint64_t misses() const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace lsm
