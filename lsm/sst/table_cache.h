// SPDX-License-Identifier: BSD-3-Clause
// TableCache keeps SST files open, at most a given number of them; a reader in use stays alive
// through its reference after it has left the cache.
//
// Thread safety: safe for concurrent use.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "lsm/file_system.h"
#include "lsm/sst/block_cache.h"
#include "lsm/sst/table_reader.h"
#include "lsm/status.h"
#include "lsm/types.h"

namespace lsm {

class TableCache {
 public:
  // `fs` and `blocks` must outlive the cache.
  TableCache(FileSystem* fs, std::string directory, int max_open_files, BlockCache* blocks);
  ~TableCache();

  Result<std::shared_ptr<const TableReader>> Find(uint64_t file_number, TreeId slice_tree);
  // Forgets a file that is about to be removed.
  void Evict(uint64_t file_number);

  int open_files() const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace lsm
