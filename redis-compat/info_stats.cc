// SPDX-License-Identifier: BSD-3-Clause
// What INFO says about commands, data and the engine: Stats, Commandstats, Errorstats,
// Latencystats, Engine, Keyspace.

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "redis-compat/command_table.h"
#include "redis-compat/config_parse.h"
#include "redis-compat/info_fields.h"
#include "redis-compat/instance.h"
#include "redis-compat/keyspace.h"
#include "redis-compat/observer.h"

namespace redis {
namespace {

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

uint64_t CountErrors(const Statistics& statistics, std::string_view code) {
  const auto found = statistics.errors_by_code.find(code);
  return found == statistics.errors_by_code.end() ? 0 : found->second;
}

void AddNetwork(const Statistics& stats, InfoFields* fields) {
  const auto kbps = [](uint64_t bytes) { return fmt::format("{:.2f}", double(bytes) / 1024); };
  fields->Add("total_net_input_bytes", stats.input_bytes);
  fields->Add("total_net_output_bytes", stats.output_bytes);
  fields->Add("total_net_repl_input_bytes", 0);
  fields->Add("total_net_repl_output_bytes", 0);
  fields->Add("instantaneous_input_kbps", kbps(stats.rates.input_bytes.PerSecond()));
  fields->Add("instantaneous_output_kbps", kbps(stats.rates.output_bytes.PerSecond()));
  fields->Add("instantaneous_input_repl_kbps", kbps(0));
  fields->Add("instantaneous_output_repl_kbps", kbps(0));
  fields->Add("rejected_connections", stats.connections_rejected);
  for (const char* const name : {"sync_full", "sync_partial_ok", "sync_partial_err"}) {
    fields->Add(name, 0);  // no replica ever asked
  }
}

// Of what does not exist here, there was none.
void AddNeverHappened(InfoFields* fields) {
  for (const char* const name : {"total_eviction_exceeded_time",
                                 "current_eviction_exceeded_time",
                                 "pubsub_channels",
                                 "pubsub_patterns",
                                 "pubsubshard_channels",
                                 "latest_fork_usec",
                                 "total_forks",
                                 "migrate_cached_sockets",
                                 "slave_expires_tracked_keys",
                                 "active_defrag_hits",
                                 "active_defrag_misses",
                                 "active_defrag_key_hits",
                                 "active_defrag_key_misses",
                                 "total_active_defrag_time",
                                 "current_active_defrag_time",
                                 "tracking_total_keys",
                                 "tracking_total_items",
                                 "tracking_total_prefixes",
                                 "dump_payload_sanitizations",
                                 "io_threaded_reads_processed",
                                 "io_threaded_writes_processed",
                                 "reply_buffer_shrinks",
                                 "reply_buffer_expands",
                                 "acl_access_denied_cmd",
                                 "acl_access_denied_key",
                                 "acl_access_denied_channel"}) {
    fields->Add(name, 0);
  }
}

void AddWork(const Statistics& stats, InfoFields* fields) {
  uint64_t micros = 0;
  for (const CommandStats& command : stats.commands) micros += command.microseconds;
  fields->Add("total_reads_processed", stats.socket_reads);
  fields->Add("total_writes_processed", stats.socket_writes);
  fields->Add("eventloop_cycles", stats.ticks);
  fields->Add("eventloop_duration_cmd_sum", micros);
  fields->Add("instantaneous_eventloop_cycles_per_sec", stats.rates.ticks.PerSecond());
}

}  // namespace

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
  InfoFields fields(out);
  fields.Add("engine_memtable_bytes", stats.memtable_bytes);
  fields.Add("engine_immutable_memtables", stats.immutable_memtables);
  fields.Add("engine_trees", stats.trees);
  fields.Add("engine_sst_files", stats.sst_files);
  fields.Add("engine_sst_bytes", stats.sst_bytes);
  fields.Add("engine_l0_files_max", stats.l0_files_max);
  fields.Add("engine_wal_segments", stats.wal_segments);
  fields.Add("engine_wal_bytes_written", stats.wal_bytes_written);
  fields.Add("engine_wal_groups", stats.wal_groups);
  fields.Add("engine_wal_syncs", stats.wal_syncs);
  fields.Add("engine_rotations", stats.rotations);
  fields.Add("engine_flushes", stats.flushes);
  fields.Add("engine_flush_bytes_written", stats.flush_bytes_written);
  fields.Add("engine_compactions", stats.compactions);
  fields.Add("engine_compaction_bytes_read", stats.compaction_bytes_read);
  fields.Add("engine_compaction_bytes_written", stats.compaction_bytes_written);
  fields.Add("engine_blob_files", stats.blob_files);
  fields.Add("engine_blob_bytes", stats.blob_bytes);
  fields.Add("engine_blob_garbage_bytes", stats.blob_garbage_bytes);
  fields.Add("engine_compaction_moves", stats.compaction_moves);
  fields.Add("engine_compaction_drops", stats.compaction_drops);
  fields.Add("engine_compaction_debt_bytes", stats.compaction_debt_bytes);
  fields.Add("engine_stall_state", lsm::ToString(stall.state));
  fields.Add("engine_stall_reason", lsm::ToString(stall.reason));
  fields.Add("engine_write_pace_bytes_per_sec", stall.bytes_per_second);
  fields.Add("engine_stall_stops", stats.stall_stops);
  fields.Add("engine_stall_slowdowns", stats.stall_slowdowns);
  fields.Add("engine_block_cache_hits", stats.block_cache_hits);
  fields.Add("engine_block_cache_misses", stats.block_cache_misses);
  fields.Add("engine_block_cache_bytes", stats.block_cache_bytes);
  fields.Add("engine_block_cache_capacity", stats.block_cache_capacity);
  fields.Add("engine_table_bytes", stats.table_bytes);
  fields.Add("engine_memory_limit", stats.memory_limit);
  fields.Add("engine_cold_fetches", stats.cold_fetches);
  fields.Add("engine_cold_joined", stats.cold_joined);
  fields.Add("engine_filter_useful", stats.filter_useful);
  fields.Add("engine_replayed_units", stats.replayed_units);
  fields.Add("engine_replayed_bytes", stats.replayed_bytes);
}

namespace info {

lsm::Status AddStats(CommandContext& context, std::string* out) {
  InfoFields fields(out);
  const Statistics& stats = context.instance.statistics();
  fields.Add("total_connections_received", stats.connections_received);
  fields.Add("total_commands_processed", stats.commands_processed);
  fields.Add("instantaneous_ops_per_sec", stats.rates.commands.PerSecond());
  AddNetwork(stats, &fields);
  fields.Add("expired_keys", stats.expired_keys);
  fields.Add("expired_time_cap_reached_count", stats.expire_cycles_cut_short);
  fields.Add("expire_cycle_cpu_milliseconds", stats.expire_cycle_us / 1000);
  fields.Add("evicted_keys", 0);  // keys are never evicted
  fields.Add("evicted_clients", stats.evicted_clients);
  fields.Add("keyspace_hits", stats.keyspace_hits);
  fields.Add("keyspace_misses", stats.keyspace_misses);
  fields.Add("unexpected_error_replies", stats.unexpected_errors);
  fields.Add("total_error_replies", stats.error_replies);
  AddWork(stats, &fields);
  fields.Add("client_query_buffer_limit_disconnections", stats.query_buffer_disconnections);
  fields.Add("client_output_buffer_limit_disconnections", stats.output_buffer_disconnections);
  fields.Add("acl_access_denied_auth", CountErrors(stats, "WRONGPASS"));
  AddNeverHappened(&fields);
  // As KeyDB names reads that its storage answered from memory or did not.
  const lsm::DbStats engine = context.instance.db().Stats();
  fields.Add("storage_provider_read_hits", engine.block_cache_hits);
  fields.Add("storage_provider_read_misses", engine.block_cache_misses);
  return {};
}

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
                     context.instance.settings().latency_percentiles, out);
  return {};
}

lsm::Status AddEngine(CommandContext& context, std::string* out) {
  InfoFields fields(out);
  const lsm::DB& db = context.instance.db();
  fields.Add("engine_durability", context.instance.config().Value("appendfsync"));
  fields.Add("engine_visible_sequence", db.visible_sequence());
  fields.Add("engine_synced_sequence", db.synced_through());
  fields.Add("engine_unsynced_age_usec", db.UnsyncedAgeMicros());
  const lsm::Status error = db.BackgroundError();
  fields.Add("engine_background_error", error.ok() ? "" : error.ToString());
  fields.Add("engine_write_pauses", context.instance.statistics().write_pauses);
  AppendEngineStats(db.Stats(), db.CurrentStall(), out);
  return {};
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

}  // namespace info

}  // namespace redis
