// SPDX-License-Identifier: BSD-3-Clause
// MEMORY: what takes memory.

#include <fmt/format.h>

#include <string>

#include "redis-compat/arg_parser.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/help_text.h"
#include "redis-compat/instance.h"
#include "redis-compat/keyspace.h"
#include "redis-compat/memory_report.h"

namespace redis::memory_commands {

namespace {

using lsm::Status;

// A map whose size is written when it is known.
class Fields {
 public:
  explicit Fields(resp::Version version) : writer_(&body_, version) {}

  void Add(std::string_view name, uint64_t value) {
    Name(name);
    writer_.Integer(static_cast<int64_t>(value));
  }
  void AddSigned(std::string_view name, int64_t value) {
    Name(name);
    writer_.Integer(value);
  }
  void AddDouble(std::string_view name, double value) {
    Name(name);
    writer_.Double(value);
  }
  // Followed by what is written to `writer`.
  resp::ReplyWriter& Name(std::string_view name) {
    ++count_;
    writer_.Bulk(name);
    return writer_;
  }
  size_t count() const { return count_; }
  const std::string& body() const { return body_; }

 private:
  std::string body_;
  resp::ReplyWriter writer_;
  size_t count_ = 0;
};

double Ratio(uint64_t a, uint64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}
int64_t Difference(uint64_t a, uint64_t b) {
  return static_cast<int64_t>(a) - static_cast<int64_t>(b);
}

// In Redis's order and by its names. What does not exist here takes no bytes.
void AddShares(const MemoryReport& report, Fields* fields) {
  fields->Add("peak.allocated", report.peak);
  fields->Add("total.allocated", report.total);
  fields->Add("startup.allocated", report.startup);
  fields->Add("replication.backlog", 0);
  fields->Add("clients.slaves", 0);
  fields->Add("clients.normal", report.clients);
  fields->Add("cluster.links", 0);
  fields->Add("aof.buffer", report.open_group);
  fields->Add("lua.caches", 0);
  fields->Add("functions.caches", 0);
  for (const MemoryReport::Database& database : report.databases) {
    resp::ReplyWriter& writer = fields->Name(fmt::format("db.{}", database.number));
    writer.Map(3);
    for (const char* name : {"overhead.hashtable.main", "overhead.hashtable.expires",
                             "overhead.hashtable.slot-to-keys"}) {
      writer.Bulk(name);
      writer.Integer(0);
    }
  }
  fields->Add("overhead.total", report.overhead());
  const uint64_t net = report.total > report.startup ? report.total - report.startup : 0;
  fields->Add("keys.count", report.keys);
  fields->Add("keys.bytes-per-key", report.keys == 0 ? 0 : net / report.keys);
  fields->Add("dataset.bytes", report.dataset());
  fields->AddDouble("dataset.percentage", 100 * Ratio(report.dataset(), net));
  fields->AddDouble("peak.percentage", 100 * Ratio(report.total, report.peak));
}

void AddAllocator(const MemoryReport& report, Fields* fields) {
  const MemoryFigures& allocator = report.allocator;
  fields->Add("allocator.allocated", allocator.allocated);
  fields->Add("allocator.active", allocator.active);
  fields->Add("allocator.resident", allocator.resident);
  fields->AddDouble("allocator-fragmentation.ratio", Ratio(allocator.active, allocator.allocated));
  fields->AddSigned("allocator-fragmentation.bytes",
                    Difference(allocator.active, allocator.allocated));
  fields->AddDouble("allocator-rss.ratio", Ratio(allocator.resident, allocator.active));
  fields->AddSigned("allocator-rss.bytes", Difference(allocator.resident, allocator.active));
  fields->AddDouble("rss-overhead.ratio", Ratio(report.resident, allocator.resident));
  fields->AddSigned("rss-overhead.bytes", Difference(report.resident, allocator.resident));
  fields->AddDouble("fragmentation", Ratio(report.resident, report.total));
  fields->AddSigned("fragmentation.bytes", Difference(report.resident, report.total));
}

void AddEngine(const MemoryReport& report, Fields* fields) {
  fields->Add("varve.memtables", report.engine.memtable_bytes);
  fields->Add("varve.block-cache", report.engine.block_cache_bytes);
  fields->Add("varve.access-tracker", report.access_tracker);
  fields->Add("varve.table-files-on-disk", report.engine.sst_bytes);
}

}  // namespace

Status Usage(CommandContext& c) {
  // Redis looks for the key first.
  const lsm::Result<KeySlot> slot = c.keys.Find(c.args[2]);
  if (!slot.ok()) return slot.status();
  ArgParser parser(c.args, 3);
  while (parser.More()) {
    // Every value is measured whole: there is nothing to take samples of.
    if (!parser.Take("SAMPLES", 1)) {
      parser.Fail(errors::kSyntax);
    } else if (parser.Integer() < 0) {
      parser.Fail(errors::kSyntax);
    }
  }
  if (parser.ReplyError(c.reply)) return Status::Ok();
  if (!slot->exists) {
    c.reply.Null();
  } else {
    c.reply.Integer(static_cast<int64_t>(MemoryOfKey(slot->key, slot->header)));
  }
  return Status::Ok();
}

Status Stats(CommandContext& c) {
  const lsm::Result<MemoryReport> report = MeasureMemory(&c.instance, &c.unit);
  if (!report.ok()) return report.status();
  Fields fields(c.reply.version());
  AddShares(*report, &fields);
  AddAllocator(*report, &fields);
  AddEngine(*report, &fields);
  c.reply.Map(fields.count());
  c.reply.Encoded(fields.body());
  return Status::Ok();
}

Status Doctor(CommandContext& c) {
  const lsm::Result<MemoryReport> report = MeasureMemory(&c.instance, &c.unit);
  if (!report.ok()) return report.status();
  c.reply.Verbatim("txt", Diagnose(*report));
  return Status::Ok();
}

Status Purge(CommandContext& c) {
  const Status purged = c.instance.host().PurgeMemory();
  if (purged.ok()) {
    c.reply.Ok();
  } else {
    c.reply.Error("ERR Error purging dirty pages");
  }
  return Status::Ok();
}

Status MallocStats(CommandContext& c) {
  const std::string report = c.instance.host().AllocatorReport();
  if (report.empty()) {
    c.reply.Bulk("Stats not supported for the current allocator");
  } else {
    c.reply.Verbatim("txt", report);
  }
  return Status::Ok();
}

Status Help(CommandContext& c) {
  ReplyHelp(&c.reply, "MEMORY",
            {"DOCTOR", "Answer what stands out about the memory's use.", "MALLOC-STATS",
             "Answer the allocator's account of itself.", "PURGE",
             "Give memory that is not used back to the system.", "STATS",
             "Answer what takes how much memory.", "USAGE <key> [SAMPLES <count>]",
             "Answer the bytes that a key takes. The whole value is measured, whatever <count>."});
  return Status::Ok();
}

}  // namespace redis::memory_commands
