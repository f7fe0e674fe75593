// SPDX-License-Identifier: BSD-3-Clause
// MergeFiles merges SST files of one tree into new ones that do not overlap, in one sequential
// pass, dropping versions that nobody needs.
//
// Thread safety: a free function on immutable files; safe beside readers.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "lsm/compaction/flush_job.h"
#include "lsm/sst/table_cache.h"
#include "lsm/status.h"
#include "lsm/version/version.h"

namespace lsm {

struct MergeInput {
  TreeId tree = 0;
  std::vector<FileRef> files;
  std::vector<SequenceNumber> pins;  // ascending
  // No older record of the files' keys lies in any other file: tombstones may go.
  bool nothing_beneath = false;
  size_t target_file_size = 0;
  const std::atomic<bool>* cancelled = nullptr;  // ends the merge with kAborted; may be null
};

// The files are synced; their directory is not. All versions of a key are in one file. On failure
// the files written so far are removed. `new_file_number` is called once a file.
Result<std::vector<FileMetadata>> MergeFiles(const TableTarget& target, TableCache* tables,
                                             const MergeInput& input,
                                             const std::function<uint64_t()>& new_file_number);

}  // namespace lsm
