// SPDX-License-Identifier: BSD-3-Clause
// TableSlice is one slice of an open SST file, with its index in memory; TableIterator walks it.
//
// The iterator is of two levels: a position in the index, and one in the data block that the index
// names. It holds at most one data block, and none before it is positioned or past either end.
// The first error stays: whatever is called after it, the iterator is !Valid().
//
// Thread safety: TableSlice is safe for concurrent use; an iterator belongs to one thread.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "lsm/format/internal_iterator.h"
#include "lsm/sst/block.h"
#include "lsm/sst/block_cache.h"
#include "lsm/sst/block_index.h"
#include "lsm/sst/missing_blocks.h"
#include "lsm/sst/table_file.h"

namespace lsm {

class TableSlice {
 public:
  TableSlice(std::shared_ptr<const TableFile> file, BlockIndex index, BlockCache* cache)
      : file_(std::move(file)), index_(std::move(index)), cache_(cache) {}

  const TableFile& file() const { return *file_; }
  const BlockIndex& index() const { return index_; }

  // A data block, from the cache or from `source`.
  Result<std::shared_ptr<const Block>> ReadDataBlock(BlockHandle handle, bool fill_cache,
                                                     BlockSource source) const;
  // Brings a data block into the cache and pins it there. REQUIRES: there is a cache
  Result<BlockCache::Pin> PinDataBlock(BlockHandle handle) const;

  // See TableReader. REQUIRES: number < index().size()
  void PrefetchCacheEntry(size_t number) const;
  void PrefetchBlock(size_t number) const;
  std::shared_ptr<const Block> PeekBlock(size_t number) const;

  uint64_t blocks_read() const { return blocks_read_.load(std::memory_order_relaxed); }

 private:
  const std::shared_ptr<const TableFile> file_;
  const BlockIndex index_;
  BlockCache* const cache_;  // may be null
  mutable std::atomic<uint64_t> blocks_read_{0};
};

class TableIterator : public InternalIterator {
 public:
  // `slice` must outlive the iterator, and so must `missing`, if it is not null: then the iterator
  // never waits for a device.
  TableIterator(const TableSlice* slice, bool fill_cache, ReadAhead ahead, MissingBlocks* missing)
      : slice_(slice), fill_cache_(fill_cache), missing_(missing), ahead_(std::move(ahead)) {}

  Status status() const override { return status_; }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view user_key, SequenceNumber sequence) override;
  void SeekBefore(std::string_view user_key) override;
  void Next() override;
  void Prev() override;

 private:
  // Makes data_ an iterator over a block. False, holding no block, if there is none of that number
  // or there was an error.
  bool LoadBlock(size_t number);
  // Tells missing_ of a block that is not in memory, and of those that will be wanted behind it.
  void NoteMissing(size_t number);
  void DropBlock();
  // Moves on to the next, or previous, block if data_ has run out of its own, and stands where that
  // leads. Every move ends so.
  void SkipForward();
  void SkipBackward();
  // False, with status_ set, if the data block turned out to be malformed.
  bool DataIntact();

  const TableSlice* const slice_;
  const bool fill_cache_;
  MissingBlocks* const missing_;
  size_t walked_ = 0;  // blocks that followed the one before since the last jump
  ReadAhead ahead_;
  Status status_;
  std::shared_ptr<const Block> block_;  // what data_ walks; null if none
  size_t number_ = 0;                   // of the block
  Block::Iterator data_;
};

}  // namespace lsm
