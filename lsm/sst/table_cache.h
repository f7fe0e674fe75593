// SPDX-License-Identifier: BSD-3-Clause
// TableCache keeps SST files and readers of their slices open, at most a given number of files and
// as many readers as the memory budget has room for, beside those whose readers are in
// use: to let go of these would free nothing, and whoever looks for them shall find them.
//
// Thread safety: safe for concurrent use.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/format/table_format.h"
#include "lsm/sst/block_cache.h"
#include "lsm/sst/memory_budget.h"
#include "lsm/sst/table_reader.h"
#include "lsm/status.h"
#include "lsm/types.h"

namespace lsm {

class TableFile;

class TableCache {
 public:
  // `fs`, `blocks` and `budget` must outlive the cache. `budget` may be null: then only the number
  // of files is limited.
  TableCache(FileSystem* fs, std::string directory, int max_open_files, BlockCache* blocks,
             MemoryBudget* budget = nullptr);
  ~TableCache();

  Result<std::shared_ptr<const TableReader>> Find(uint64_t file_number, TreeId slice_tree);
  // Null if the file is not open.
  std::shared_ptr<const TableReader> FindOpen(uint64_t file_number, TreeId slice_tree);
  // The value that a record of type kBlob points to, from the block cache or from disk. kCorruption
  // if there is no such file. With `cached_only` it is kWouldBlock rather than waiting for a
  // device.
  Result<PinnedValue> ReadBlob(const BlobPointer& pointer, bool fill_cache, bool cached_only);
  // Brings it into the block cache and keeps it there.
  Result<BlockCache::Pin> PinBlob(const BlobPointer& pointer);
  // Forgets a file, SST or blob, that is about to be removed.
  void Evict(uint64_t file_number);

  // After a limit has become smaller.
  void ShrinkToLimits();

  int open_files() const;
  size_t memory_bytes() const;

 private:
  struct Rep;
  Result<std::shared_ptr<const TableFile>> FindBlobFile(uint64_t file_number, bool cached_only);

  std::unique_ptr<Rep> rep_;
};

// PinnedTables keeps some of the readers that one thread has used, so that it need not ask the
// cache for them again. Their files stay open as long, even if they have left the cache.
//
// Thread safety: none.
class PinnedTables {
 public:
  // `tables` must outlive it.
  explicit PinnedTables(TableCache* tables) : tables_(tables) {}

  // The reader is good until Clear, or until the next Find.
  Result<const TableReader*> Find(uint64_t file_number, TreeId slice_tree);
  // The reader is good until Clear. Null if the file is not open, or if no reader can be kept.
  const TableReader* FindOpen(uint64_t file_number, TreeId slice_tree);
  // As Find, but null if the file is not open.
  const TableReader* FindInMemory(uint64_t file_number, TreeId slice_tree);
  void Clear();

 private:
  struct Place {
    uint64_t file = 0;
    TreeId tree = 0;
    std::shared_ptr<const TableReader> reader;  // null: free
  };
  // Where the reader is or may be kept; null if all such places are taken.
  Place* PlaceOf(uint64_t file_number, TreeId slice_tree);
  void Keep(Place* place, uint64_t file_number, TreeId slice_tree,
            std::shared_ptr<const TableReader> reader);

  static constexpr size_t kPlaces = 64;
  TableCache* const tables_;
  std::vector<Place> places_;                    // kPlaces, or none as long as nothing was found
  uint64_t used_ = 0;                            // a bit for each place
  std::shared_ptr<const TableReader> unplaced_;  // found no place
};

}  // namespace lsm
