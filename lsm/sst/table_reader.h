// SPDX-License-Identifier: BSD-3-Clause
// TableReader answers from one slice of an SST file. Every block is checked against its checksum
// when it comes from disk; what does not fit is kCorruption, naming file and offset.
//
// Thread safety: immutable after Open; safe for concurrent use. Iterators belong to one thread.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/file_system.h"
#include "lsm/format/internal_iterator.h"
#include "lsm/format/table_format.h"
#include "lsm/pinned_value.h"
#include "lsm/sst/block_cache.h"
#include "lsm/status.h"
#include "lsm/types.h"

namespace lsm {

class Block;
class MissingBlocks;
class TableFile;
struct BlockSource;

class TableReader {
 public:
  // Reads the footer, the slice directory, and the slice's index and filter.
  // `cache` may be null. kNotFound if the file has no slice of `tree`.
  static Result<std::unique_ptr<TableReader>> Open(FileSystem* fs, const std::string& path,
                                                   uint64_t file_number, TreeId tree,
                                                   BlockCache* cache);
  // The same for a file that is open already, so that readers of its slices share one handle.
  static Result<std::unique_ptr<TableReader>> Open(std::shared_ptr<const TableFile> file,
                                                   TreeId tree, BlockCache* cache);
  ~TableReader();

  // The newest record of `key` that `sequence` can see. `value` is set if it is a value.
  // `filtered` (may be null) is set if the filter alone said no. `hash` is HashKey(key).
  Result<TableLookup> Get(std::string_view key, SequenceNumber sequence, PinnedValue* value,
                          bool* filtered) const;
  Result<TableLookup> Get(std::string_view key, uint64_t hash, SequenceNumber sequence,
                          PinnedValue* value, bool* filtered) const;
  // The same without waiting for a device: kWouldBlock, and the number of the data block that has
  // to be read, if the answer is not in memory.
  Result<TableLookup> GetFromMemory(std::string_view key, uint64_t hash, SequenceNumber sequence,
                                    PinnedValue* value, bool* filtered, size_t* missing) const;
  // Bytes that a data block takes in the file.
  size_t BlockSize(size_t block) const;
  // Brings a data block into the block cache and pins it. REQUIRES: the reader has a cache
  Result<BlockCache::Pin> PinBlock(size_t block) const;

  // The steps of Get, for TablePrefetch. They read nothing from disk. `hash` is HashKey(key).
  static constexpr size_t kNoBlock = SIZE_MAX;
  void PrefetchFilter(uint64_t hash) const;
  bool MayContain(uint64_t hash) const;
  // The number of the data block that has the key if any has it.
  size_t FindBlock(std::string_view key, SequenceNumber sequence) const;
  // The block's entry in the cache, the block, and, if it is in the cache, a reference to it.
  void PrefetchCacheEntry(size_t block) const;
  void PrefetchBlock(size_t block) const;
  std::shared_ptr<const Block> PeekBlock(size_t block) const;

  // Holds at most one data block, and none before it is positioned. The reader must outlive it.
  // With `missing`, which must outlive it too, it does not wait for a device: where a block is not
  // in memory, it ends with kWouldBlock and tells which.
  std::unique_ptr<InternalIterator> NewIterator(bool fill_cache,
                                                MissingBlocks* missing = nullptr) const;

  using Properties = SstProperties;
  Result<Properties> ReadProperties() const;

  // Of the heap, without the file that it may share with others.
  size_t MemoryUsage() const;
  // Data blocks that were read from disk for this reader so far.
  uint64_t blocks_read() const;

 private:
  struct Rep;
  explicit TableReader(std::unique_ptr<Rep> rep);
  Result<TableLookup> Get(std::string_view key, uint64_t hash, SequenceNumber sequence,
                          PinnedValue* value, bool* filtered, BlockSource source,
                          size_t* block) const;
  std::unique_ptr<Rep> rep_;
};

// Reads every byte of an SST file and checks all that can be checked without the manifest:
// checksums, key order, properties, that the parts fill the file without gaps.
Status VerifySst(FileSystem* fs, const std::string& path, uint64_t file_number);

// Text for people: footer, slices, properties, and each record, one a line.
Status DumpSst(FileSystem* fs, const std::string& path, uint64_t file_number,
               const std::function<void(std::string_view line)>& line);

}  // namespace lsm
