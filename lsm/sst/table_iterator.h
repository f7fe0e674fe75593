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
#include "lsm/sst/table_file.h"

namespace lsm {

class TableSlice {
 public:
  TableSlice(std::shared_ptr<const TableFile> file, const SstSlice& where,
             std::shared_ptr<const Block> index, BlockCache* cache)
      : file_(std::move(file)), where_(where), index_(std::move(index)), cache_(cache) {}

  const TableFile& file() const { return *file_; }
  const SstSlice& where() const { return where_; }
  const Block* index() const { return index_.get(); }

  // The data block that the index entry names, from the cache or from disk.
  // REQUIRES: index.Valid()
  Result<std::shared_ptr<const Block>> ReadDataBlock(const Block::Iterator& index,
                                                     bool fill_cache) const;
  Result<BlockHandle> DataHandle(const Block::Iterator& index) const;
  Result<std::shared_ptr<const Block>> ReadDataBlock(BlockHandle handle, bool fill_cache) const;

  Status IndexCorruption(const char* why) const;
  uint64_t blocks_read() const { return blocks_read_.load(std::memory_order_relaxed); }

 private:
  const std::shared_ptr<const TableFile> file_;
  const SstSlice where_;
  const std::shared_ptr<const Block> index_;
  BlockCache* const cache_;  // may be null
  mutable std::atomic<uint64_t> blocks_read_{0};
};

class TableIterator : public InternalIterator {
 public:
  // `slice` must outlive the iterator.
  TableIterator(const TableSlice* slice, bool fill_cache)
      : slice_(slice), fill_cache_(fill_cache), index_(slice->index()) {}

  bool Valid() const override { return data_.Valid(); }
  Status status() const override { return status_; }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view user_key, SequenceNumber sequence) override;
  void SeekBefore(std::string_view user_key) override;
  void Next() override;
  void Prev() override;
  std::string_view user_key() const override { return data_.user_key(); }
  SequenceNumber sequence() const override { return data_.sequence(); }
  RecordType type() const override { return data_.type(); }
  std::string_view value() const override { return data_.value(); }

 private:
  // Makes data_ an iterator over the block that index_ names. False, holding no block, if index_
  // is past an end or there was an error.
  bool LoadBlock();
  void DropBlock();
  // Moves on to the next, or previous, block if data_ has run out of its own.
  void SkipForward();
  void SkipBackward();
  // False, with status_ set, if the data block turned out to be malformed.
  bool DataIntact();

  const TableSlice* const slice_;
  const bool fill_cache_;
  Status status_;
  Block::Iterator index_;
  std::shared_ptr<const Block> block_;  // what data_ walks; null if none
  uint64_t block_offset_ = 0;
  Block::Iterator data_;
};

}  // namespace lsm
