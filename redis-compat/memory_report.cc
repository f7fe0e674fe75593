// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/memory_report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "redis-compat/access_tracker.h"
#include "redis-compat/client_limits.h"
#include "redis-compat/instance.h"
#include "redis-compat/keyspace.h"
#include "redis-compat/write_unit.h"

namespace redis {

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Of a record in a memtable: its node, its head, its share of the index and of what chunks leave
// unused, on average.
constexpr size_t kRecordOverhead = 56;

// Below this there is nothing to be said about memory.
constexpr uint64_t kLittle = 5 * kMiB;
// A ratio tells something only where this many bytes are behind it.
constexpr uint64_t kWorthTelling = 10 * kMiB;
constexpr uint64_t kManyBytesPerClient = 200 * 1024;

bool Exceeds(uint64_t bytes, uint64_t base, double ratio) {
  return bytes > base && bytes - base > kWorthTelling &&
         static_cast<double>(bytes) > static_cast<double>(base) * ratio;
}

}  // namespace

size_t MemoryOfKey(std::string_view key, const Header& header) {
  std::string stored;
  EncodeUserKey(key, &stored);
  size_t bytes = kRecordOverhead + stored.size();
  EncodeHeader({header.type, header.encoding, header.expiry_ms, {}}, &stored);
  bytes += stored.size() + header.payload.size();
  if (header.expiry_ms) {
    EncodeExpiryKey(*header.expiry_ms, key, &stored);
    bytes += kRecordOverhead + stored.size();
  }
  return bytes;
}

uint64_t ResidentBytes() {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen("/proc/self/statm", "re"), &fclose);
  unsigned long long total = 0;
  unsigned long long resident = 0;
  if (file == nullptr || fscanf(file.get(), "%llu %llu", &total, &resident) != 2) return 0;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

lsm::Result<MemoryReport> MeasureMemory(Instance* instance, WriteUnit* unit) {
  MemoryReport report;
  report.resident = ResidentBytes();
  report.allocator = instance->host().Memory();
  if (report.allocator.allocated == 0) {
    report.allocator.allocated = report.resident;
    report.allocator.active = report.resident;
    report.allocator.resident = report.resident;
  }
  report.total = report.allocator.allocated;
  Statistics& statistics = instance->statistics();
  statistics.memory_peak = std::max(statistics.memory_peak, report.total);
  report.peak = statistics.memory_peak;
  report.startup = statistics.memory_at_start;
  report.open_group = instance->open_group_bytes();
  report.clients = instance->client_limits().memory();
  report.client_count = instance->sessions().size();
  if (instance->access_tracker() != nullptr) {
    report.access_tracker = instance->access_tracker()->memory_usage();
  }
  report.engine = instance->db().Stats();
  report.stall = instance->db().CurrentStall();
  report.block_cache_limit = instance->settings().block_cache_size;
  for (const int number : unit->NonEmptyDatabases()) {
    Keyspace keys(instance, unit, number, instance->now_ms());
    const lsm::Result<int64_t> count = keys.KeyCount();
    if (!count.ok()) return count.status();
    const lsm::Result<int64_t> expiring = keys.ExpiryCount();
    if (!expiring.ok()) return expiring.status();
    if (*count == 0) continue;
    report.databases.push_back({number, *count, *expiring});
    report.keys += static_cast<uint64_t>(*count);
  }
  return report;
}

std::string Diagnose(const MemoryReport& report) {
  std::string text;
  const auto tell = [&text](const std::string& what) { text += " * " + what + "\n\n"; };
  if (report.total < report.startup + kLittle && report.peak < report.startup + kLittle) {
    return "The server uses so little memory that there is nothing to be told about it.\n";
  }
  if (Exceeds(report.peak, report.total, 1.5)) {
    tell(
        fmt::format("Peak: at some time {} MiB were in use, now it is {} MiB. What the allocator "
                    "keeps of the difference is used again; MEMORY PURGE gives it back to the "
                    "system.",
                    report.peak / kMiB, report.total / kMiB));
  }
  if (Exceeds(report.allocator.active, report.allocator.allocated, 1.4)) {
    tell(fmt::format("Fragmentation: {} MiB lie in pages that hold only {} MiB.",
                     report.allocator.active / kMiB, report.allocator.allocated / kMiB));
  }
  if (Exceeds(report.allocator.resident, report.allocator.active, 1.1)) {
    tell(
        fmt::format("Unused pages: the allocator holds {} MiB and uses {} MiB of them. They go "
                    "back by themselves in time, and at once with MEMORY PURGE.",
                    report.allocator.resident / kMiB, report.allocator.active / kMiB));
  }
  if (report.client_count > 0 && report.clients / report.client_count > kManyBytesPerClient) {
    tell(fmt::format(
        "Clients: their buffers take {} MiB, {} KiB for each of {}. Look in CLIENT "
        "LIST for those that do not read (omem) or send large commands (qbuf).",
        report.clients / kMiB, report.clients / report.client_count / 1024, report.client_count));
  }
  if (report.stall.state != lsm::WriteStall::State::kNone) {
    tell(fmt::format("Writes: they are being held up ({}: {}).", lsm::ToString(report.stall.state),
                     lsm::ToString(report.stall.reason)));
  }
  const lsm::DbStats& engine = report.engine;
  const uint64_t reads = engine.block_cache_hits + engine.block_cache_misses;
  if (engine.block_cache_bytes * 10 > report.block_cache_limit * 9 && reads > 100'000 &&
      engine.block_cache_hits * 2 < reads) {
    tell(
        fmt::format("Block cache: it is full, and {} of {} reads did not find their block there. "
                    "A larger block-cache-size may help.",
                    engine.block_cache_misses, reads));
  }
  if (text.empty()) return "Nothing about the memory's use stands out.\n";
  return "What stands out about the memory's use:\n\n" + text;
}

}  // namespace redis
