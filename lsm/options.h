// SPDX-License-Identifier: BSD-3-Clause
// Options for opening a database. Sizes are bytes.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "lsm/clock.h"
#include "lsm/compaction_filter.h"
#include "lsm/executor.h"
#include "lsm/file_system.h"
#include "lsm/listener.h"

namespace lsm {

// Persisted in block trailers: never renumber.
enum class Compression : uint8_t { kNone = 0, kLz4 = 1, kZstd = 2 };

struct Options {
  // The seams. Not owned; must outlive the DB. A null executor means Executor::Threads of the DB's
  // own; a null listener hears nothing.
  FileSystem* file_system = FileSystem::Posix();
  Clock* clock = Clock::System();
  Executor* executor = nullptr;
  Listener* listener = nullptr;
  // Once it is true, an Open that replays the log gives up with kAborted. Null: never.
  const std::atomic<bool>* give_up_opening = nullptr;

  // An absent or empty directory becomes a new database. A directory with files that are not ours
  // is always refused.
  bool create_if_missing = true;
  // Close writes every memtable to SST files, so that the next open replays nothing.
  bool flush_on_close = true;

  size_t memtable_size = size_t{64} << 20;         // soft limit; reaching it rotates the memtable
  int memtable_limit = 3;                          // memtables of a tree in memory, active included
  size_t write_buffer_budget = size_t{512} << 20;  // memtables of all trees; writes stop here
  size_t block_cache_size = size_t{256} << 20;
  // All memory of the engine: memtables, block cache, indexes and filters of open files, buffers,
  // and what the allocator loses. 0: none. With a limit the block cache has what the others leave,
  // and memtables less than the sizes above if that would be too much (sst/memory_budget.h).
  size_t memory_limit = 0;
  size_t target_file_size = size_t{16} << 20;
  size_t block_size = 8192;  // uncompressed bytes of a data block before it is cut
  int block_restart_interval = 4;
  int filter_bits_per_key = 10;  // 0: no filters
  // Of the last level, where most keys are: each bit costs most there and saves least.
  int bottom_filter_bits_per_key = 10;
  Compression compression = Compression::kLz4;
  // Values from this size on are kept apart from their keys, in blob files, so that compactions do
  // not write them again and again; 0: none is. Reading such a value takes one more device read.
  size_t blob_value_size = 4096;
  // Of what goes to the last level while nobody writes, or because somebody asked: it saves a
  // quarter of the bytes or more, and costs several times the work.
  Compression bottom_compression = Compression::kZstd;
  int zstd_level = 3;        // 1 to 19: higher is smaller and slower to write, as fast to read
  int max_open_files = 512;  // SST files held open by the table cache

  size_t wal_segment_size = size_t{64} << 20;
  // Trees whose records keep the oldest segments alive are flushed beyond this: it bounds how long
  // the replay after a crash takes.
  size_t wal_size_limit = size_t{448} << 20;

  // L0 files of a tree that start a compaction. What L0 gathers is written once more together with
  // what it overlaps below, so that more files mean less rewriting, and more filters to ask.
  int l0_merge_trigger = 8;
  // What flushes and compactions may write; compactions wait for it, the less urgent the longer.
  // The log is not counted. 0: no limit.
  uint64_t background_bytes_per_second = 0;
  // Asked which records are dead; see compaction_filter.h. Not owned; may be null.
  CompactionFilter* compaction_filter = nullptr;

  // How often it is looked whether nobody writes, so that files can be brought into better order
  // than writing leaves them in. 0: never.
  int64_t idle_after_micros = 5'000'000;
  int l0_slowdown_trigger = 20;
  int l0_stop_trigger = 36;
};

}  // namespace lsm
