// SPDX-License-Identifier: BSD-3-Clause
// What INFO says about the process: Server, Clients, Memory, Persistence, Replication, CPU.

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "redis-compat/blocked_clients.h"
#include "redis-compat/checkpoints.h"
#include "redis-compat/client_limits.h"
#include "redis-compat/config_parse.h"
#include "redis-compat/info_fields.h"
#include "redis-compat/instance.h"
#include "redis-compat/memory_report.h"
#include "redis-compat/version.h"

namespace redis::info {
namespace {

std::string Executable() {
  std::array<char, 4096> path = {};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  return length <= 0 ? "" : std::string(path.data(), static_cast<size_t>(length));
}

void AddSystem(InfoFields* fields) {
  utsname system = {};
  if (uname(&system) == 0) {
    fields->Add("os", fmt::format("{} {} {}", system.sysname, system.release, system.machine));
  }
  fields->Add("arch_bits", sizeof(void*) * 8);
  fields->Add("monotonic_clock", "POSIX clock_gettime");
}

void AddBuild(Host* host, InfoFields* fields) {
  if (!host->PollingApi().empty()) fields->Add("multiplexing_api", host->PollingApi());
  fields->Add("atomicvar_api", "c++20-atomic");
#if defined(__GNUC__) && !defined(__clang__)
  fields->Add("gcc_version",
              fmt::format("{}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__));
#endif
}

uint64_t Above(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

// How much the allocator takes beyond what was asked of it, and the process beyond the allocator.
void AddAllocator(const MemoryFigures& memory, uint64_t used, uint64_t resident,
                  InfoFields* fields) {
  if (memory.allocated != 0) {
    fields->AddRatio("allocator_frag_ratio", memory.active, memory.allocated);
    fields->Add("allocator_frag_bytes", Above(memory.active, memory.allocated));
    fields->AddRatio("allocator_rss_ratio", memory.resident, memory.active);
    fields->Add("allocator_rss_bytes", Above(memory.resident, memory.active));
    fields->AddRatio("rss_overhead_ratio", resident, memory.resident);
    fields->Add("rss_overhead_bytes", static_cast<int64_t>(resident - memory.resident));
  }
  fields->AddRatio("mem_fragmentation_ratio", resident, used);
  fields->Add("mem_fragmentation_bytes", static_cast<int64_t>(resident - used));
}

// There are no scripts.
void AddScripting(InfoFields* fields) {
  fields->AddSize("used_memory_lua", 0);
  fields->Add("used_memory_vm_eval", 0);
  fields->Add("used_memory_scripts_eval", 0);
  fields->Add("number_of_cached_scripts", 0);
  fields->Add("number_of_functions", 0);
  fields->Add("number_of_libraries", 0);
  fields->Add("used_memory_vm_functions", 0);
  fields->AddSize("used_memory_vm_total", 0);
  fields->Add("used_memory_functions", 0);
  fields->AddSize("used_memory_scripts", 0);
}

}  // namespace

lsm::Status AddServer(CommandContext& context, std::string* out) {
  Instance& instance = context.instance;
  const Settings& settings = instance.settings();
  InfoFields fields(out);
  fields.Add("redis_version", kRedisVersion);
  fields.Add("varve_version", kVarveVersion);
  fields.Add("redis_mode", "standalone");
  AddSystem(&fields);
  AddBuild(&instance.host(), &fields);
  fields.Add("process_id", getpid());
  fields.Add("process_supervised", instance.config().Value("supervised"));
  fields.Add("run_id", instance.run_id());
  fields.Add("tcp_port", settings.port);
  fields.Add("server_time_usec", instance.clock().NowMicros());
  const int64_t uptime_s = std::max<int64_t>(0, instance.now_ms() - instance.started_ms()) / 1000;
  fields.Add("uptime_in_seconds", uptime_s);
  fields.Add("uptime_in_days", uptime_s / (24 * 3600));
  fields.Add("hz", settings.hz);
  fields.Add("configured_hz", settings.hz);
  constexpr int64_t kLruClockBits = 24;
  fields.Add("lru_clock", (context.now_ms / 1000) & ((int64_t{1} << kLruClockBits) - 1));
  fields.Add("executable", Executable());
  fields.Add("config_file", instance.config().file());
  fields.Add("io_threads_active", 0);
  int number = 0;
  for (const std::string& listener : instance.host().Listeners()) {
    fields.Add(fmt::format("listener{}", number++), listener);
  }
  return {};
}

lsm::Status AddClients(CommandContext& context, std::string* out) {
  Instance& instance = context.instance;
  InfoFields fields(out);
  fields.Add("connected_clients", instance.sessions().size());
  fields.Add("cluster_connections", 0);
  fields.Add("maxclients", instance.settings().maxclients);
  size_t largest_input = 0;
  size_t largest_output = 0;
  for (const auto& [id, session] : instance.sessions()) {
    largest_input = std::max(largest_input, session->input_bytes());
    largest_output = std::max(largest_output, session->output_bytes());
  }
  fields.Add("client_recent_max_input_buffer", largest_input);
  fields.Add("client_recent_max_output_buffer", largest_output);
  fields.Add("blocked_clients", instance.blocked_clients().count());
  fields.Add("tracking_clients", 0);
  fields.Add("clients_in_timeout_table", instance.blocked_clients().count_with_timeout());
  fields.Add("total_blocking_keys", 0);  // no command waits for a key
  fields.Add("total_blocking_keys_on_nokey", 0);
  return {};
}

lsm::Status AddMemory(CommandContext& context, std::string* out) {
  InfoFields fields(out);
  Instance& instance = context.instance;
  Statistics& statistics = instance.statistics();
  const uint64_t resident = ResidentBytes();
  const MemoryFigures memory = instance.host().Memory();
  const uint64_t used = memory.allocated != 0 ? memory.allocated : resident;
  statistics.memory_peak = std::max(statistics.memory_peak, used);
  // Data are what memtables and the block cache hold; everything else is overhead.
  const lsm::DbStats engine = instance.db().Stats();
  const uint64_t dataset = std::min(used, engine.memtable_bytes + engine.block_cache_bytes);
  fields.AddSize("used_memory", used);
  fields.AddSize("used_memory_rss", resident);
  fields.AddSize("used_memory_peak", statistics.memory_peak);
  fields.AddPercent("used_memory_peak_perc", used, statistics.memory_peak);
  fields.Add("used_memory_overhead", used - dataset);
  fields.Add("used_memory_startup", statistics.memory_at_start);
  fields.Add("used_memory_dataset", dataset);
  fields.AddPercent("used_memory_dataset_perc", dataset,
                    std::max(dataset, Above(used, statistics.memory_at_start)));
  if (memory.allocated != 0) {
    fields.Add("allocator_allocated", memory.allocated);
    fields.Add("allocator_active", memory.active);
    fields.Add("allocator_resident", memory.resident);
  }
  const int64_t pages = sysconf(_SC_PHYS_PAGES);
  if (pages > 0) {
    fields.AddSize("total_system_memory",
                   static_cast<uint64_t>(pages) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  }
  AddScripting(&fields);
  uint64_t maxmemory = 0;
  if (!ParseMemory(instance.config().Value("maxmemory"), &maxmemory)) maxmemory = 0;
  fields.AddSize("maxmemory", maxmemory);
  fields.Add("maxmemory_policy", instance.config().Value("maxmemory-policy"));
  AddAllocator(memory, used, resident, &fields);
  fields.Add("mem_not_counted_for_evict", 0);
  fields.Add("mem_replication_backlog", 0);
  fields.Add("mem_total_replication_buffers", 0);
  fields.Add("mem_clients_slaves", 0);
  fields.Add("mem_clients_normal", instance.client_limits().memory());
  fields.Add("mem_cluster_links", 0);
  fields.Add("mem_aof_buffer", instance.open_group_bytes());
  if (!memory.allocator.empty()) fields.Add("mem_allocator", memory.allocator);
  fields.Add("active_defrag_running", 0);
  fields.Add("lazyfree_pending_objects", 0);
  fields.Add("lazyfreed_objects", 0);
  return {};
}

// How far the replay of the log has come.
void AddLoading(const Instance& instance, InfoFields* fields) {
  const Instance::LoadProgress progress = instance.load_progress();
  const int64_t elapsed_s = (instance.now_ms() - progress.started_ms) / 1000;
  const auto done = static_cast<double>(progress.done_bytes);
  const auto total = static_cast<double>(progress.total_bytes);
  const double left_s =
      done > 0 ? static_cast<double>(elapsed_s) * std::max(0.0, total - done) / done : 1;
  fields->Add("loading_start_time", progress.started_ms / 1000);
  fields->Add("loading_total_bytes", progress.total_bytes);
  fields->Add("loading_loaded_bytes", progress.done_bytes);
  fields->Add("loading_loaded_perc", fmt::format("{:.2f}", total > 0 ? 100 * done / total : 0));
  fields->Add("loading_eta_seconds", static_cast<int64_t>(left_s));
}

// Nothing forks: what BGSAVE makes are checkpoints. There is no append-only file to rewrite: the
// log of the engine is there whatever appendonly says, and a failure to write it is what
// aof_last_write_status tells.
lsm::Status AddPersistence(CommandContext& context, std::string* out) {
  InfoFields fields(out);
  fields.Add("loading", context.instance.loading() ? 1 : 0);
  fields.Add("async_loading", 0);
  fields.Add("current_cow_peak", 0);
  fields.Add("current_cow_size", 0);
  fields.Add("current_cow_size_age", 0);
  fields.Add("current_fork_perc", "0.00");
  const Checkpoints& checkpoints = context.instance.checkpoints();
  fields.Add("rdb_changes_since_last_save", checkpoints.changes());
  fields.Add("rdb_bgsave_in_progress", checkpoints.running() ? 1 : 0);
  fields.Add("rdb_last_save_time", checkpoints.last_save_s());
  fields.Add("rdb_last_bgsave_status", checkpoints.last_result().ok() ? "ok" : "err");
  fields.Add("rdb_last_bgsave_time_sec", checkpoints.last_duration_s());
  fields.Add("rdb_current_bgsave_time_sec", checkpoints.current_duration_s());
  fields.Add("rdb_saves", checkpoints.saves());
  fields.Add("rdb_last_cow_size", 0);
  fields.Add("rdb_last_load_keys_expired", 0);
  fields.Add("rdb_last_load_keys_loaded", 0);
  fields.Add("aof_enabled", 0);
  fields.Add("aof_rewrite_in_progress", 0);
  fields.Add("aof_rewrite_scheduled", 0);
  fields.Add("aof_last_rewrite_time_sec", -1);
  fields.Add("aof_current_rewrite_time_sec", -1);
  fields.Add("aof_last_bgrewrite_status", "ok");
  fields.Add("aof_rewrites", 0);
  fields.Add("aof_rewrites_consecutive_failures", 0);
  fields.Add("aof_last_write_status", context.instance.db().BackgroundError().ok() ? "ok" : "err");
  fields.Add("aof_last_cow_size", 0);
  fields.Add("module_fork_in_progress", 0);
  fields.Add("module_fork_last_cow_size", 0);
  if (context.instance.loading()) AddLoading(context.instance, &fields);
  const lsm::CheckpointProgress progress = context.instance.db().LastCheckpoint();
  fields.Add("engine_checkpoint_done_bytes", progress.done_bytes);
  fields.Add("engine_checkpoint_total_bytes", progress.total_bytes);
  fields.Add("engine_newest_checkpoint", checkpoints.newest());
  return {};
}

// There are no replicas, and no backlog for them.
lsm::Status AddReplication(CommandContext& context, std::string* out) {
  InfoFields fields(out);
  fields.Add("role", "master");
  fields.Add("connected_slaves", 0);
  fields.Add("master_failover_state", "no-failover");
  fields.Add("master_replid", context.instance.replication_id());
  fields.Add("master_replid2", std::string(40, '0'));
  fields.Add("master_repl_offset", 0);
  fields.Add("second_repl_offset", -1);
  fields.Add("repl_backlog_active", 0);
  fields.Add("repl_backlog_size", context.instance.config().Value("repl-backlog-size"));
  fields.Add("repl_backlog_first_byte_offset", 0);
  fields.Add("repl_backlog_histlen", 0);
  return {};
}

lsm::Status AddCpu(CommandContext& /*context*/, std::string* out) {
  InfoFields fields(out);
  const auto add = [&](int who, std::string_view suffix) {
    rusage usage = {};
    if (getrusage(who, &usage) != 0) return;
    fields.AddSeconds(fmt::format("used_cpu_sys{}", suffix), usage.ru_stime);
    fields.AddSeconds(fmt::format("used_cpu_user{}", suffix), usage.ru_utime);
  };
  add(RUSAGE_SELF, "");
  add(RUSAGE_CHILDREN, "_children");
  add(RUSAGE_THREAD, "_main_thread");
  return {};
}

}  // namespace redis::info
