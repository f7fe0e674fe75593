// SPDX-License-Identifier: BSD-3-Clause
// The portable dump of a memtable, MMT1: bytes that depend only on what the table holds. Drawn in
// lsm/format/FORMAT.md.
//
// A dump is limited to 4 GiB: then any table that it can describe fits into an arena.
//
// Thread safety: none needed; see each function.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/file_system.h"
#include "lsm/memtable/memtable.h"
#include "lsm/status.h"

namespace lsm {

inline constexpr uint64_t kMaxMemTableDump = uint64_t{4} << 30;

struct MemTableDumpSize {
  uint64_t entries = 0;
  uint64_t bytes = 0;
};

// The size of the table's dump, without making it. REQUIRES: nobody writes the table.
MemTableDumpSize MeasureMemTableDump(const MemTable& table);

// Replaces `*out` by the newest record of every key, in ascending order. kInvalidArgument if the
// dump would be too large. REQUIRES: nobody writes the table.
Status DumpMemTable(const MemTable& table, std::string* out);

// The same from the start of `file`, in pieces, so that the dump is never in memory as a whole.
Status DumpMemTable(const MemTable& table, WritableFile* file);

// A table with the entries of the dump, the i-th (from 1) with sequence number i. kCorruption if
// the bytes are not a whole dump and nothing else; the message says what is wrong and where.
Result<std::unique_ptr<MemTable>> LoadMemTableDump(std::string_view bytes);

}  // namespace lsm
