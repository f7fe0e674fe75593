// SPDX-License-Identifier: BSD-3-Clause
// WriteMemTables writes frozen memtables to one SST file, a slice a tree, in one sequential pass.
// Tombstones are kept; versions that nobody needs are not. Big values go to blob files.
//
// Thread safety: a free function on frozen tables; safe beside readers.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/memtable/memtable.h"
#include "lsm/options.h"
#include "lsm/sst/table_builder.h"
#include "lsm/status.h"
#include "lsm/util/rate_limiter.h"
#include "lsm/version/version_edit.h"

namespace lsm {

// Where and how SST files are written.
struct TableTarget {
  FileSystem* fs = nullptr;
  std::string directory;
  TableBuilderOptions table;
  size_t blob_value_size = 0;  // values from this size on go to blob files; 0: none does
  uint64_t blob_file_size = 0;
  TableBuilderOptions bottom;      // of the last level
  RateLimiter* limiter = nullptr;  // may be null

  static TableTarget From(const Options& options, const std::string& directory,
                          RateLimiter* limiter = nullptr);
};

struct SliceInput {
  TreeId tree = 0;
  std::vector<const MemTable*> tables;  // in any order
};

struct FlushOutput {
  std::vector<FileMetadata> files;  // slices of one file
  std::vector<uint64_t> blobs;      // blob files
  uint64_t bytes_written = 0;
};

// The files are synced; their directory is not. Slices are in the order of trees; a tree without
// records has none, and without any record there is no file. After a failure what was written is
// removed. `new_file_number` is called once a file.
// REQUIRES: `inputs` ascend by tree; `pins` ascend.
Result<FlushOutput> WriteMemTables(const TableTarget& target,
                                   const std::function<uint64_t()>& new_file_number,
                                   const std::vector<SliceInput>& inputs,
                                   const std::vector<SequenceNumber>& pins);

// What the manifest has to know about a finished file; the sizes of blob files are left at 0.
std::vector<FileMetadata> DescribeFile(uint64_t file_number, uint64_t file_size,
                                       const std::vector<SliceSummary>& slices);

}  // namespace lsm
