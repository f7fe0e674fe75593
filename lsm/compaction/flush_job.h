// SPDX-License-Identifier: BSD-3-Clause
// WriteMemTables writes frozen memtables to one SST file, a slice a tree, in one sequential pass.
// Tombstones are kept; versions that nobody needs are not.
//
// Thread safety: a free function on frozen tables; safe beside readers.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/memtable/memtable.h"
#include "lsm/options.h"
#include "lsm/sst/table_builder.h"
#include "lsm/status.h"
#include "lsm/version/version_edit.h"

namespace lsm {

// Where and how SST files are written.
struct TableTarget {
  FileSystem* fs = nullptr;
  std::string directory;
  TableBuilderOptions table;

  static TableTarget From(const Options& options, const std::string& directory);
};

struct SliceInput {
  TreeId tree = 0;
  std::vector<const MemTable*> tables;  // in any order
};

// The file is synced; its directory is not. Slices are in the order of trees; a tree without
// records has none, and without any record there is no file. A failed file is removed.
// REQUIRES: `inputs` ascend by tree; `pins` ascend.
Result<std::vector<FileMetadata>> WriteMemTables(const TableTarget& target, uint64_t file_number,
                                                 const std::vector<SliceInput>& inputs,
                                                 const std::vector<SequenceNumber>& pins);

// What the manifest has to know about a finished file.
std::vector<FileMetadata> DescribeFile(uint64_t file_number, uint64_t file_size,
                                       const std::vector<SliceSummary>& slices);

}  // namespace lsm
