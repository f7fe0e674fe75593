// SPDX-License-Identifier: BSD-3-Clause
// MemoryBudget divides Options::memory_limit:
//
//     limit = reserve + memtables + readers of open tables + buffers + block cache
//
//   - The reserve, 12 MiB and an eighth, is what nobody asked for: the program, the stacks of its
//     threads, and pages that the allocator holds though they are empty or partly so. It is
//     measured (tests/bench/engine/memory_limit.cc) with an allocator that gives pages back soon.
// Of the rest,
//   - memtables get at most three eighths: writes slow and stop before they would break that;
//   - readers of tables (indexes and filters) get at most a quarter: beyond it those that were not
//     used for longest are closed;
//   - buffers of the log, flushes and compactions have a fixed allowance, 4 MiB and a 32nd;
//   - the block cache has what the others leave, which is never less than an eighth: it grows and
//     shrinks as they do.
//
// Without a limit, each part has the size that the options say, and tables have none.
//
// A change of the limit evicts nothing, and one of a part no more than a few blocks and what the
// part grew by: they may be told under locks that writers need. Whoever lowers the limit by much
// has the rest done elsewhere (BlockCache::Shrink).
//
// Thread safety: safe for concurrent use. Its lock is a leaf.

#pragma once

#include <atomic>
#include <cstddef>

#include "lsm/options.h"
#include "lsm/sst/block_cache.h"
#include "lsm/util/mutex.h"

namespace lsm {

class MemoryBudget {
 public:
  // A limit below this is taken for this: the engine cannot work with less.
  static constexpr size_t kLeastLimit = size_t{32} << 20;

  // `blocks` must outlive the budget; its capacity is the budget's from now on.
  MemoryBudget(const Options& options, BlockCache* blocks);

  // 0: none.
  void SetLimit(size_t bytes) EXCLUDES_LOCK(mutex_);
  size_t limit() const { return limit_.load(std::memory_order_relaxed); }

  // What the parts use now.
  void SetMemtables(size_t bytes) EXCLUDES_LOCK(mutex_) { Note(&memtables_, bytes); }
  void SetTables(size_t bytes) EXCLUDES_LOCK(mutex_) { Note(&tables_, bytes); }
  size_t tables() const { return tables_.load(std::memory_order_relaxed); }

  // What they may use.
  size_t write_buffer_budget() const;
  // So that a table is flushed while others have room.
  size_t memtable_size() const;
  size_t table_limit() const;

 private:
  // The limit without the reserve; 0: no limit.
  size_t usable() const;
  void Note(std::atomic<size_t>* part, size_t bytes) EXCLUDES_LOCK(mutex_);
  // What is left for the block cache.
  size_t Rest() const;
  void Apply() EXCLUDES_LOCK(mutex_);

  const size_t memtable_size_;
  const size_t write_buffer_budget_;
  const size_t block_cache_size_;
  BlockCache* const blocks_;
  std::atomic<size_t> limit_{0};
  std::atomic<size_t> memtables_{0};
  std::atomic<size_t> tables_{0};
  Mutex mutex_;  // one change of the cache's capacity at a time
};

}  // namespace lsm
