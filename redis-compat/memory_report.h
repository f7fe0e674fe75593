// SPDX-License-Identifier: BSD-3-Clause
// What takes memory: of a key for MEMORY USAGE, of the server for MEMORY STATS and MEMORY DOCTOR.
//
// Thread safety: belongs to the loop.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/db.h"
#include "lsm/status.h"
#include "redis-compat/host.h"
#include "redis-compat/key_codec.h"

namespace redis {

class Instance;
class WriteUnit;

// Bytes that a key takes in a memtable: its record, with key, header and value, and its entry in
// the expiry index if it expires. In a table on disk it takes less, and no memory of its own.
size_t MemoryOfKey(std::string_view key, const Header& header);

struct MemoryReport {
  struct Database {
    int number;
    int64_t keys;
    int64_t expiring;
  };

  uint64_t peak = 0;
  uint64_t total = 0;    // allocated, or resident where the allocator cannot be asked
  uint64_t startup = 0;  // when the server began to serve
  uint64_t resident = 0;
  MemoryFigures allocator;  // never zeros
  uint64_t clients = 0;     // buffers and sessions
  uint64_t open_group = 0;  // bytes of units that are not in the log yet
  uint64_t client_count = 0;
  uint64_t access_tracker = 0;
  lsm::DbStats engine;
  lsm::WriteStall stall;
  uint64_t block_cache_limit = 0;
  std::vector<Database> databases;  // those that hold keys
  uint64_t keys = 0;

  // Data are what memtables and the block cache hold; everything else is overhead.
  uint64_t dataset() const {
    return std::min(total, engine.memtable_bytes + engine.block_cache_bytes);
  }
  uint64_t overhead() const { return total - dataset(); }
};

lsm::Result<MemoryReport> MeasureMemory(Instance* instance, WriteUnit* unit);
// What there is to be said about it, in words.
std::string Diagnose(const MemoryReport& report);

// Bytes of the process that are in memory; 0 if the system does not tell.
uint64_t ResidentBytes();

}  // namespace redis
