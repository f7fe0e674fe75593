// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/info.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>

#include "redis-compat/blocked_clients.h"
#include "redis-compat/client_text.h"
#include "redis-compat/config_parse.h"
#include "redis-compat/command_table.h"
#include "redis-compat/instance.h"
#include "redis-compat/keyspace.h"
#include "redis-compat/observer.h"
#include "redis-compat/version.h"

namespace redis {
namespace {

// "name:value" lines.
class Fields {
 public:
  explicit Fields(std::string* out) : out_(out) {}

  template <typename T>
  void Add(std::string_view name, const T& value) {
    fmt::format_to(std::back_inserter(*out_), "{}:{}\r\n", name, value);
  }
  void AddSeconds(std::string_view name, const timeval& time) {
    fmt::format_to(std::back_inserter(*out_), "{}:{}.{:06}\r\n", name, time.tv_sec, time.tv_usec);
  }
  void AddSize(std::string_view name, uint64_t bytes) {
    Add(name, bytes);
    fmt::format_to(std::back_inserter(*out_), "{}_human:{}\r\n", name, HumanSize(bytes));
  }

 private:
  std::string* const out_;
};

// 0 if the system does not tell.
uint64_t ResidentBytes() {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen("/proc/self/statm", "re"), &fclose);
  unsigned long long total = 0;
  unsigned long long resident = 0;
  if (file == nullptr || fscanf(file.get(), "%llu %llu", &total, &resident) != 2) return 0;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

lsm::Status AddServer(CommandContext& context, std::string* out) {
  Instance& instance = context.instance;
  const Settings& settings = instance.settings();
  Fields fields(out);
  fields.Add("redis_version", kRedisVersion);
  fields.Add("varve_version", kVarveVersion);
  fields.Add("redis_mode", "standalone");
  utsname system = {};
  if (uname(&system) == 0) {
    fields.Add("os", fmt::format("{} {} {}", system.sysname, system.release, system.machine));
  }
  fields.Add("arch_bits", sizeof(void*) * 8);
  fields.Add("process_id", getpid());
  fields.Add("run_id", instance.run_id());
  fields.Add("tcp_port", settings.port);
  fields.Add("server_time_usec", instance.clock().NowMicros());
  const int64_t uptime_s = std::max<int64_t>(0, instance.now_ms() - instance.started_ms()) / 1000;
  fields.Add("uptime_in_seconds", uptime_s);
  fields.Add("uptime_in_days", uptime_s / (24 * 3600));
  fields.Add("hz", settings.hz);
  fields.Add("configured_hz", settings.hz);
  fields.Add("config_file", instance.config().file());
  fields.Add("io_threads_active", 0);
  return {};
}

lsm::Status AddClients(CommandContext& context, std::string* out) {
  Fields fields(out);
  fields.Add("connected_clients", context.instance.sessions().size());
  fields.Add("maxclients", context.instance.settings().maxclients);
  size_t largest_input = 0;
  size_t largest_output = 0;
  for (const auto& [id, session] : context.instance.sessions()) {
    largest_input = std::max(largest_input, session->input_bytes());
    largest_output = std::max(largest_output, session->output_bytes());
  }
  fields.Add("client_recent_max_input_buffer", largest_input);
  fields.Add("client_recent_max_output_buffer", largest_output);
  fields.Add("blocked_clients", context.instance.blocked_clients().count());
  return {};
}

lsm::Status AddMemory(CommandContext& context, std::string* out) {
  Fields fields(out);
  const Config& config = context.instance.config();
  const uint64_t resident = ResidentBytes();
  const uint64_t allocated = context.instance.host().AllocatedBytes();
  fields.AddSize("used_memory", allocated != 0 ? allocated : resident);
  fields.AddSize("used_memory_rss", resident);
  const int64_t pages = sysconf(_SC_PHYS_PAGES);
  if (pages > 0) {
    fields.AddSize("total_system_memory",
                   static_cast<uint64_t>(pages) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  }
  uint64_t clients = 0;
  for (const auto& [id, session] : context.instance.sessions()) {
    clients += session->input_bytes() + session->output_bytes();
  }
  fields.Add("mem_clients_normal", clients);
  fields.Add("maxmemory", config.Value("maxmemory"));
  fields.Add("maxmemory_policy", config.Value("maxmemory-policy"));
  return {};
}

lsm::Status AddPersistence(CommandContext& context, std::string* out) {
  Fields fields(out);
  fields.Add("loading", 0);  // nobody is answered before the log is replayed
  fields.Add("async_loading", 0);
  const lsm::DB& db = context.instance.db();
  fields.Add("varve_durability", context.instance.config().Value("appendfsync"));
  fields.Add("varve_visible_sequence", db.visible_sequence());
  fields.Add("varve_synced_sequence", db.synced_through());
  fields.Add("varve_unsynced_age_usec", db.UnsyncedAgeMicros());
  const lsm::Status error = db.BackgroundError();
  fields.Add("varve_background_error", error.ok() ? "" : error.ToString());
  return {};
}

lsm::Status AddStats(CommandContext& context, std::string* out) {
  Fields fields(out);
  const Statistics& stats = context.instance.statistics();
  fields.Add("total_connections_received", stats.connections_received);
  fields.Add("total_commands_processed", stats.commands_processed);
  fields.Add("instantaneous_ops_per_sec", stats.rates.commands.PerSecond());
  fields.Add("total_net_input_bytes", stats.input_bytes);
  fields.Add("total_net_output_bytes", stats.output_bytes);
  const auto kbps = [](uint64_t bytes) { return fmt::format("{:.2f}", double(bytes) / 1024); };
  fields.Add("instantaneous_input_kbps", kbps(stats.rates.input_bytes.PerSecond()));
  fields.Add("instantaneous_output_kbps", kbps(stats.rates.output_bytes.PerSecond()));
  fields.Add("rejected_connections", stats.connections_rejected);
  fields.Add("expired_keys", stats.expired_keys);
  fields.Add("evicted_keys", 0);  // keys are never evicted
  fields.Add("keyspace_hits", stats.keyspace_hits);
  fields.Add("keyspace_misses", stats.keyspace_misses);
  fields.Add("unexpected_error_replies", stats.unexpected_errors);
  fields.Add("total_error_replies", stats.error_replies);
  fields.Add("varve_write_pauses", stats.write_pauses);
  return {};
}

lsm::Status AddReplication(CommandContext& /*context*/, std::string* out) {
  Fields fields(out);
  fields.Add("role", "master");
  fields.Add("connected_slaves", 0);  // replicas cannot connect
  return {};
}

lsm::Status AddCpu(CommandContext& /*context*/, std::string* out) {
  Fields fields(out);
  rusage process = {};
  if (getrusage(RUSAGE_SELF, &process) == 0) {
    fields.AddSeconds("used_cpu_sys", process.ru_stime);
    fields.AddSeconds("used_cpu_user", process.ru_utime);
  }
  rusage thread = {};
  if (getrusage(RUSAGE_THREAD, &thread) == 0) {
    fields.AddSeconds("used_cpu_sys_main_thread", thread.ru_stime);
    fields.AddSeconds("used_cpu_user_main_thread", thread.ru_utime);
  }
  return {};
}

lsm::Status AddNothing(CommandContext& /*context*/, std::string* /*out*/) { return {}; }

lsm::Status AddCommandStats(CommandContext& context, std::string* out) {
  AppendCommandStats(context.instance.statistics(), out);
  return {};
}

lsm::Status AddErrorStats(CommandContext& context, std::string* out) {
  AppendErrorStats(context.instance.statistics(), out);
  return {};
}

lsm::Status AddLatencyStats(CommandContext& context, std::string* out) {
  if (!context.instance.settings().latency_tracking) return {};
  AppendLatencyStats(context.instance.observer().latencies(),
                     context.instance.config().Value("latency-tracking-info-percentiles"), out);
  return {};
}

lsm::Status AddEngine(CommandContext& context, std::string* out) {
  AppendEngineStats(context.instance.db().Stats(), context.instance.db().CurrentStall(), out);
  return {};
}

lsm::Status AddCluster(CommandContext& /*context*/, std::string* out) {
  Fields(out).Add("cluster_enabled", 0);
  return {};
}

// The average milliseconds that keys with an expiry have left, estimated from keys picked by
// chance; 0 if none of them has one.
lsm::Result<int64_t> EstimateTtl(Keyspace* keys, int64_t now_ms) {
  constexpr int kSamples = 16;
  int64_t sum_ms = 0;
  int64_t count = 0;
  for (int i = 0; i < kSamples; ++i) {
    const auto key = keys->RandomKey();
    if (!key.ok()) return key.status();
    if (!key->has_value()) break;
    const lsm::Result<KeySlot> slot = keys->Find(**key);
    if (!slot.ok()) return slot.status();
    if (!slot->exists || !slot->header.expiry_ms) continue;
    sum_ms += std::clamp<int64_t>(*slot->header.expiry_ms - now_ms, 0, INT64_MAX / kSamples);
    ++count;
  }
  return count == 0 ? 0 : sum_ms / count;
}

// Databases without keys are not listed.
lsm::Status AddKeyspace(CommandContext& context, std::string* out) {
  for (int database = 0; database < context.instance.settings().databases; ++database) {
    Keyspace keys(&context.instance, &context.unit, database, context.now_ms);
    const lsm::Result<int64_t> count = keys.KeyCount();
    if (!count.ok()) return count.status();
    if (count.value() == 0) continue;
    const lsm::Result<int64_t> expiring = keys.ExpiryCount();
    if (!expiring.ok()) return expiring.status();
    lsm::Result<int64_t> ttl = int64_t{0};
    if (expiring.value() > 0) ttl = EstimateTtl(&keys, context.now_ms);
    if (!ttl.ok()) return ttl.status();
    fmt::format_to(std::back_inserter(*out), "db{}:keys={},expires={},avg_ttl={}\r\n", database,
                   count.value(), expiring.value(), ttl.value());
  }
  return {};
}

struct Section {
  std::string_view name;
  std::string_view heading;
  enum { kDefault, kAll } least;  // the smaller group of sections that has it
  lsm::Status (*add)(CommandContext& context, std::string* out);
};

// In the order in which they are printed.
constexpr Section kSections[] = {
    {"server", "Server", Section::kDefault, AddServer},
    {"clients", "Clients", Section::kDefault, AddClients},
    {"memory", "Memory", Section::kDefault, AddMemory},
    {"persistence", "Persistence", Section::kDefault, AddPersistence},
    {"stats", "Stats", Section::kDefault, AddStats},
    {"replication", "Replication", Section::kDefault, AddReplication},
    {"cpu", "CPU", Section::kDefault, AddCpu},
    {"modules", "Modules", Section::kDefault, AddNothing},
    {"commandstats", "Commandstats", Section::kAll, AddCommandStats},
    {"errorstats", "Errorstats", Section::kDefault, AddErrorStats},
    {"latencystats", "Latencystats", Section::kAll, AddLatencyStats},
    {"engine", "Engine", Section::kDefault, AddEngine},
    {"cluster", "Cluster", Section::kDefault, AddCluster},
    {"keyspace", "Keyspace", Section::kDefault, AddKeyspace},
};

bool IsAskedFor(const Section& section, const std::vector<std::string_view>& names) {
  if (names.empty()) return section.least == Section::kDefault;
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    if (EqualsIgnoringCase(name, "all") || EqualsIgnoringCase(name, "everything")) return true;
    if (EqualsIgnoringCase(name, "default")) return section.least == Section::kDefault;
    return EqualsIgnoringCase(name, section.name);
  });
}

}  // namespace

std::string HumanSize(uint64_t bytes) {
  constexpr std::string_view kUnits = "KMGTPE";
  if (bytes < 1024) return fmt::format("{}B", bytes);
  double size = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (size >= 1024 && unit + 1 < kUnits.size()) {
    size /= 1024;
    ++unit;
  }
  return fmt::format("{:.2f}{}", size, kUnits[unit]);
}

void AppendCommandStats(const Statistics& statistics, std::string* out) {
  for (const CommandSpec& spec : AllCommands()) {
    const size_t row = CommandIndex(spec);
    if (row >= statistics.commands.size()) return;
    const CommandStats& stats = statistics.commands[row];
    if (stats.calls == 0 && stats.rejected == 0) continue;
    const double per_call = stats.calls == 0 ? 0
                                             : static_cast<double>(stats.microseconds) /
                                                   static_cast<double>(stats.calls);
    fmt::format_to(
        std::back_inserter(*out),
        "cmdstat_{}:calls={},usec={},usec_per_call={:.2f},rejected_calls={},failed_calls={}\r\n",
        spec.name, stats.calls, stats.microseconds, per_call, stats.rejected, stats.failed);
  }
}

void AppendErrorStats(const Statistics& statistics, std::string* out) {
  for (const auto& [code, count] : statistics.errors_by_code) {
    fmt::format_to(std::back_inserter(*out), "errorstat_{}:count={}\r\n", code, count);
  }
}

void AppendLatencyStats(const CommandLatencies& latencies, std::string_view percentiles,
                        std::string* out) {
  const std::vector<std::string> names = SplitWords(percentiles);
  for (const CommandSpec& spec : AllCommands()) {
    const LatencyHistogram* const histogram = latencies.Find(CommandIndex(spec));
    if (histogram == nullptr) continue;
    fmt::format_to(std::back_inserter(*out), "latency_percentiles_usec_{}:", spec.name);
    for (const std::string& name : names) {
      const uint64_t nanos = histogram->Percentile(strtod(name.c_str(), nullptr));
      fmt::format_to(std::back_inserter(*out), "{}p{}={:.3f}", &name == &names[0] ? "" : ",", name,
                     static_cast<double>(nanos) / 1000);
    }
    *out += "\r\n";
  }
}

void AppendEngineStats(const lsm::DbStats& stats, const lsm::WriteStall& stall, std::string* out) {
  Fields fields(out);
  fields.Add("memtable_bytes", stats.memtable_bytes);
  fields.Add("immutable_memtables", stats.immutable_memtables);
  fields.Add("trees", stats.trees);
  fields.Add("sst_files", stats.sst_files);
  fields.Add("sst_bytes", stats.sst_bytes);
  fields.Add("l0_files_max", stats.l0_files_max);
  fields.Add("wal_segments", stats.wal_segments);
  fields.Add("wal_bytes_written", stats.wal_bytes_written);
  fields.Add("wal_groups", stats.wal_groups);
  fields.Add("wal_syncs", stats.wal_syncs);
  fields.Add("rotations", stats.rotations);
  fields.Add("flushes", stats.flushes);
  fields.Add("flush_bytes_written", stats.flush_bytes_written);
  fields.Add("merges", stats.merges);
  fields.Add("merge_bytes_read", stats.merge_bytes_read);
  fields.Add("merge_bytes_written", stats.merge_bytes_written);
  fields.Add("stall_state", lsm::ToString(stall.state));
  fields.Add("stall_reason", lsm::ToString(stall.reason));
  fields.Add("stall_stops", stats.stall_stops);
  fields.Add("stall_slowdowns", stats.stall_slowdowns);
  fields.Add("block_cache_hits", stats.block_cache_hits);
  fields.Add("block_cache_misses", stats.block_cache_misses);
  fields.Add("block_cache_bytes", stats.block_cache_bytes);
  fields.Add("filter_useful", stats.filter_useful);
  fields.Add("replayed_units", stats.replayed_units);
  fields.Add("replayed_bytes", stats.replayed_bytes);
}

lsm::Result<std::string> BuildInfo(CommandContext& context,
                                   const std::vector<std::string_view>& sections) {
  std::string text;
  for (const Section& section : kSections) {
    if (!IsAskedFor(section, sections)) continue;
    if (!text.empty()) text += "\r\n";
    text += fmt::format("# {}\r\n", section.heading);
    RETURN_IF_ERROR(section.add(context, &text));
  }
  return text;
}

}  // namespace redis
