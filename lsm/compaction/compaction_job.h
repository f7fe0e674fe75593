// SPDX-License-Identifier: BSD-3-Clause
// RunCompaction reads the inputs of compactions and writes what takes their place, in one
// sequential pass. Small trees are compacted together: their records share output files, a slice a
// tree, in the order of trees.
//
// What is left out: versions that nobody needs, records that the caller's filter calls dead, and
// tombstones of keys that have no record beneath the output level.
//
// Thread safety: a free function on immutable files; safe beside readers.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "lsm/compaction/compaction.h"
#include "lsm/compaction/flush_job.h"
#include "lsm/compaction_filter.h"
#include "lsm/sst/table_cache.h"
#include "lsm/status.h"
#include "lsm/version/version.h"

namespace lsm {

struct CompactionJob {
  struct Part {
    TreeId tree = 0;
    Compaction compaction;  // a kMerge
    // What the compaction was picked from.
    std::shared_ptr<const Version> base;
  };
  std::vector<Part> parts;           // ascending by tree
  std::vector<SequenceNumber> pins;  // ascending
  uint64_t target_file_size = 0;
  // Blob files that are mostly garbage: what is still needed of them is written to new ones.
  std::set<uint64_t> wasteful_blobs;
  TableCache* tables = nullptr;                   // for reading them
  CompactionFilter* filter = nullptr;             // may be null
  std::optional<Compression> bottom_compression;  // of the last level; absent: as elsewhere
  RateLimiter::Priority priority = RateLimiter::Priority::kDeeper;
  const std::atomic<bool>* cancelled = nullptr;  // ends it with kAborted; may be null
  const std::atomic<bool>* hurry = nullptr;      // does so too if the work can wait; may be null
};

struct CompactionOutput {
  std::vector<std::vector<FileMetadata>> files;  // a list for each part, in key order
  std::vector<uint64_t> numbers;                 // of the files, which several parts may share
  std::vector<uint64_t> blobs;                   // blob files
  uint64_t bytes_written = 0;
};

// The files are synced; their directory is not. All versions of a key are in one file. On failure
// the files written so far are removed. `new_file_number` is called once a file. `failed_part` (may
// be null) is set if a part failed, rather than what is done for all.
Result<CompactionOutput> RunCompaction(const TableTarget& target, const CompactionJob& job,
                                       const std::function<uint64_t()>& new_file_number,
                                       std::optional<size_t>* failed_part = nullptr);

}  // namespace lsm
