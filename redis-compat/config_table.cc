// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/config_table.h"

#include <strings.h>

#include <array>
#include <limits>

#include "redis-compat/config.h"
#include "redis-compat/config_parse.h"
#include "resp/integer.h"

namespace redis {
namespace {

constexpr uint32_t kImmutable = Directive::kImmutable;
constexpr uint32_t kGuarded = Directive::kGuarded;
constexpr uint32_t kHidden = Directive::kHidden;
constexpr uint32_t kList = Directive::kList;
constexpr uint32_t kBareName = Directive::kBareName;
constexpr uint32_t kUnsupported = Directive::kUnsupported;

constexpr int64_t kIntMin = std::numeric_limits<int32_t>::min();
constexpr int64_t kIntMax = std::numeric_limits<int32_t>::max();
constexpr int64_t kLongMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kUnsignedMax = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kSizeMax = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kMb = uint64_t{1} << 20;

constexpr Directive Bool(std::string_view name, uint32_t flags, std::string_view initial) {
  return {.name = name, .kind = Directive::Kind::kBool, .flags = flags, .initial = initial};
}
constexpr Directive Int(std::string_view name, uint32_t flags, std::string_view initial,
                        int64_t min, int64_t max) {
  return {.name = name,
          .kind = Directive::Kind::kInteger,
          .flags = flags,
          .initial = initial,
          .min = static_cast<uint64_t>(min),
          .max = static_cast<uint64_t>(max)};
}
constexpr Directive Memory(std::string_view name, uint32_t flags, std::string_view initial,
                           uint64_t min, uint64_t max) {
  return {.name = name,
          .kind = Directive::Kind::kMemory,
          .flags = flags,
          .initial = initial,
          .min = min,
          .max = max};
}
constexpr Directive Choice(std::string_view name, uint32_t flags, std::string_view initial,
                           std::string_view choices) {
  return {.name = name,
          .kind = Directive::Kind::kChoice,
          .flags = flags,
          .initial = initial,
          .choices = choices};
}
constexpr Directive Text(std::string_view name, uint32_t flags, std::string_view initial) {
  return {.name = name, .kind = Directive::Kind::kText, .flags = flags, .initial = initial};
}
constexpr Directive Custom(std::string_view name, uint32_t flags, std::string_view initial,
                           Directive::Parse parse) {
  return {.name = name,
          .kind = Directive::Kind::kCustom,
          .flags = flags,
          .initial = initial,
          .parse = parse};
}

template <auto Member>
void Number(Settings* settings, const ConfigValue& value) {
  using Type = std::remove_reference_t<decltype(settings->*Member)>;
  settings->*Member = static_cast<Type>(value.number);
}
template <auto Member>
void String(Settings* settings, const ConfigValue& value) {
  settings->*Member = value.text;
}
void Bind(Settings* settings, const ConfigValue& value) { settings->bind = SplitWords(value.text); }

void Save(Settings* settings, const ConfigValue& value) {
  const std::vector<std::string> words = SplitWords(value.text);
  settings->save.clear();
  for (size_t i = 0; i + 1 < words.size(); i += 2) {
    SavePoint point;
    const bool valid = resp::ParseInteger(words[i], &point.seconds);
    int64_t changes = 0;
    if (!valid || !resp::ParseInteger(words[i + 1], &changes)) continue;  // ParseSave saw to that
    point.changes = static_cast<uint64_t>(changes);
    settings->save.push_back(point);
  }
}

constexpr std::string_view kAccess = "no, yes, local";
constexpr std::string_view kPolicies =
    "volatile-lru, volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, "
    "allkeys-random, noeviction";
constexpr std::string_view kFacilities =
    "user, local0, local1, local2, local3, local4, local5, local6, local7";

// The choices of `appendfsync`, `compression` and the access directives are listed in the order of
// Redis's error texts; these say which enumerator is at each place.
void Fsync(Settings* settings, const ConfigValue& value) {
  constexpr std::array kOrder = {AppendFsync::kEverysec, AppendFsync::kAlways, AppendFsync::kNo};
  settings->appendfsync = kOrder.at(static_cast<size_t>(value.number));
}
// Keys are not evicted: a policy decides only what is known about accesses to them.
void Policy(Settings* settings, const ConfigValue& value) {
  settings->access_tracking = value.text.ends_with("-lfu")   ? AccessTracking::kFrequency
                              : value.text.ends_with("-lru") ? AccessTracking::kRecency
                                                             : AccessTracking::kNone;
}
void OutputLimits(Settings* settings, const ConfigValue& value) {
  const std::vector<std::string> words = SplitWords(value.text);
  for (size_t i = 0; i < settings->output_limits.size() && 4 * i + 3 < words.size(); ++i) {
    OutputLimit& limit = settings->output_limits.at(i);
    limit = {};
    ParseMemory(words[4 * i + 1], &limit.hard);
    ParseMemory(words[4 * i + 2], &limit.soft);
    resp::ParseInteger(words[4 * i + 3], &limit.soft_seconds);
  }
}
static_assert(static_cast<int>(ProtectedAccess::kNo) == 0);
static_assert(static_cast<int>(ProtectedAccess::kYes) == 1);
static_assert(static_cast<int>(ProtectedAccess::kLocal) == 2);
static_assert(static_cast<int>(Supervision::kUpstart) == 0);
static_assert(static_cast<int>(Supervision::kSystemd) == 1);
static_assert(static_cast<int>(Supervision::kAuto) == 2);
static_assert(static_cast<int>(Supervision::kNo) == 3);
static_assert(static_cast<int>(lsm::Compression::kNone) == 0);
static_assert(static_cast<int>(lsm::Compression::kLz4) == 1);
static_assert(static_cast<int>(lsm::Compression::kZstd) == 2);

constexpr Directive kDirectives[] = {
    // network
    Custom("bind", kList, "127.0.0.1 -::1", ParseBind).To(Bind),
    Text("bind-source-addr", 0, ""),
    Bool("protected-mode", 0, "yes").To(Number<&Settings::protected_mode>),
    Int("port", 0, "6379", 0, 65535).To(Number<&Settings::port>),
    Int("tcp-backlog", kImmutable, "511", 0, kIntMax).To(Number<&Settings::tcp_backlog>),
    Text("unixsocket", kImmutable, "").To(String<&Settings::unixsocket>),
    {.name = "unixsocketperm",
     .kind = Directive::Kind::kOctal,
     .flags = kImmutable,
     .initial = "0",
     .max = 0777,
     .apply = Number<&Settings::unixsocketperm>},
    Int("timeout", 0, "0", 0, kIntMax).To(Number<&Settings::timeout_s>),
    Int("tcp-keepalive", 0, "300", 0, kIntMax).To(Number<&Settings::tcp_keepalive_s>),
    Int("socket-mark-id", kImmutable, "0", 0, kUnsignedMax),
    Int("maxclients", 0, "10000", 1, kUnsignedMax).To(Number<&Settings::maxclients>),
    Memory("proto-max-bulk-len", 0, "512mb", kMb, kLongMax)
        .To(Number<&Settings::proto_max_bulk_len>),
    Memory("client-query-buffer-limit", 0, "1gb", kMb, kLongMax)
        .To(Number<&Settings::client_query_buffer_limit>),
    Custom("client-output-buffer-limit", kList,
           "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
           ParseOutputBufferLimit)
        .To(OutputLimits),
    Int("io-threads", kImmutable, "1", 1, 128),
    Bool("io-threads-do-reads", kImmutable, "no"),

    // TLS
    Int("tls-port", kUnsupported, "0", 0, 65535),
    Int("tls-session-cache-size", 0, "20480", 0, kIntMax),
    Int("tls-session-cache-timeout", 0, "300", 0, kIntMax),
    Bool("tls-cluster", kUnsupported, "no"),
    Bool("tls-replication", kUnsupported, "no"),
    Choice("tls-auth-clients", 0, "yes", "no, yes, optional"),
    Bool("tls-prefer-server-ciphers", 0, "no"),
    Bool("tls-session-caching", 0, "yes"),
    Text("tls-cert-file", 0, ""),
    Text("tls-key-file", 0, ""),
    Text("tls-key-file-pass", 0, ""),
    Text("tls-client-cert-file", 0, ""),
    Text("tls-client-key-file", 0, ""),
    Text("tls-client-key-file-pass", 0, ""),
    Text("tls-dh-params-file", 0, ""),
    Text("tls-ca-cert-file", 0, ""),
    Text("tls-ca-cert-dir", 0, ""),
    Text("tls-protocols", 0, ""),
    Text("tls-ciphers", 0, ""),
    Text("tls-ciphersuites", 0, ""),

    // general
    Custom("dir", kImmutable | kGuarded, ".", ParseDirectory).To(String<&Settings::dir>),
    Bool("daemonize", kImmutable, "no").To(Number<&Settings::daemonize>),
    Text("pidfile", kImmutable, "").To(String<&Settings::pidfile>),
    Choice("supervised", kImmutable, "no", "upstart, systemd, auto, no")
        .To(Number<&Settings::supervised>),
    Choice("loglevel", 0, "notice", "debug, verbose, notice, warning")
        .To(String<&Settings::loglevel>),
    Text("logfile", kImmutable, "").To(String<&Settings::logfile>),
    Bool("syslog-enabled", kImmutable, "no").To(Number<&Settings::syslog_enabled>),
    Text("syslog-ident", kImmutable, "redis").To(String<&Settings::syslog_ident>),
    Choice("syslog-facility", kImmutable, "local0", kFacilities)
        .To(Number<&Settings::syslog_facility>),
    Bool("crash-log-enabled", 0, "yes"),
    Bool("crash-memcheck-enabled", 0, "yes"),
    Bool("use-exit-on-panic", kHidden, "no"),
    Int("watchdog-period", kHidden, "0", 0, kIntMax),
    Int("databases", kImmutable, "16", 1, kMaxDatabases).To(Number<&Settings::databases>),
    Bool("always-show-logo", kImmutable, "no"),
    Bool("set-proc-title", kImmutable, "yes"),
    Custom("proc-title-template", 0, "{title} {listen-addr} {server-mode}", ParseTitleTemplate),
    Custom("hz", 0, "10", ParseHz).To(Number<&Settings::hz>),
    Bool("dynamic-hz", 0, "yes"),
    Text("ignore-warnings", 0, ""),
    Text("locale-collate", 0, ""),
    Text("server_cpulist", kImmutable, ""),
    Text("bio_cpulist", kImmutable, ""),
    Text("aof_rewrite_cpulist", kImmutable, ""),
    Text("bgsave_cpulist", kImmutable, ""),
    Bool("disable-thp", kImmutable, "yes"),
    Bool("jemalloc-bg-thread", 0, "yes"),
    Choice("oom-score-adj", 0, "no", "no, yes, relative, absolute"),
    Custom("oom-score-adj-values", kList, "0 200 800", ParseOomScores),
    Custom("shutdown-on-sigint", kList, "default", ParseShutdownOptions),
    Custom("shutdown-on-sigterm", kList, "default", ParseShutdownOptions),
    Int("shutdown-timeout", 0, "10", 0, kIntMax),
    Int("busy-reply-threshold", 0, "5000", 0, kLongMax).Alias("lua-time-limit"),

    // access
    Text("requirepass", 0, "").To(String<&Settings::requirepass>),
    Text("aclfile", kImmutable | kUnsupported, ""),
    Int("acllog-max-len", 0, "128", 0, kLongMax),
    Choice("acl-pubsub-default", 0, "resetchannels", "allchannels, resetchannels"),
    Choice("enable-debug-command", kImmutable, "no", kAccess)
        .To(Number<&Settings::enable_debug_command>),
    Choice("enable-module-command", kImmutable, "no", kAccess),
    Choice("enable-protected-configs", kImmutable, "no", kAccess)
        .To(Number<&Settings::enable_protected_configs>),

    // durability
    Bool("appendonly", 0, "no"),
    Choice("appendfsync", 0, "everysec", "everysec, always, no").To(Fsync),
    Text("appendfilename", kImmutable | kBareName, "appendonly.aof"),
    Text("appenddirname", kImmutable | kBareName, "appendonlydir"),
    Bool("no-appendfsync-on-rewrite", 0, "no"),
    Int("auto-aof-rewrite-percentage", 0, "100", 0, kIntMax),
    Memory("auto-aof-rewrite-min-size", 0, "64mb", 0, kLongMax),
    Bool("aof-load-truncated", 0, "yes"),
    Bool("aof-use-rdb-preamble", 0, "yes"),
    Bool("aof-rewrite-incremental-fsync", 0, "yes"),
    Bool("aof-timestamp-enabled", 0, "no"),
    Bool("aof-disable-auto-gc", kHidden, "no"),
    Custom("save", kList, "", ParseSave).To(Save),
    Text("dbfilename", kGuarded | kBareName, "dump.rdb"),
    Bool("rdbcompression", 0, "yes"),
    Bool("rdbchecksum", kImmutable, "yes"),
    Bool("rdb-del-sync-files", 0, "no"),
    Bool("rdb-save-incremental-fsync", 0, "yes"),
    Int("rdb-key-save-delay", kHidden, "0", kIntMin, kIntMax),
    Int("key-load-delay", kHidden, "0", kIntMin, kIntMax),
    Memory("loading-process-events-interval-bytes", kHidden, "2mb", 1024, kIntMax),
    Bool("stop-writes-on-bgsave-error", 0, "yes"),
    Choice("sanitize-dump-payload", 0, "no", "no, yes, clients"),

    // replication
    Custom("replicaof", kImmutable | kList | kUnsupported, "", ParseReplicaOf).Alias("slaveof"),
    Text("masteruser", 0, ""),
    Text("masterauth", 0, ""),
    Bool("replica-serve-stale-data", 0, "yes").Alias("slave-serve-stale-data"),
    Bool("replica-read-only", 0, "yes").Alias("slave-read-only"),
    Bool("replica-ignore-maxmemory", 0, "yes").Alias("slave-ignore-maxmemory"),
    Bool("replica-ignore-disk-write-errors", 0, "no"),
    Bool("replica-lazy-flush", 0, "no").Alias("slave-lazy-flush"),
    Bool("replica-announced", 0, "yes"),
    Text("replica-announce-ip", 0, "").Alias("slave-announce-ip"),
    Int("replica-announce-port", 0, "0", 0, 65535).Alias("slave-announce-port"),
    Int("replica-priority", 0, "100", 0, kIntMax).Alias("slave-priority"),
    Int("min-replicas-to-write", kUnsupported, "0", 0, kIntMax).Alias("min-slaves-to-write"),
    Int("min-replicas-max-lag", 0, "10", 0, kIntMax).Alias("min-slaves-max-lag"),
    Bool("repl-diskless-sync", 0, "yes"),
    Int("repl-diskless-sync-delay", 0, "5", 0, kIntMax),
    Int("repl-diskless-sync-max-replicas", 0, "0", 0, kIntMax),
    Choice("repl-diskless-load", 0, "disabled", "disabled, on-empty-db, swapdb"),
    Bool("repl-disable-tcp-nodelay", 0, "no"),
    Int("repl-ping-replica-period", 0, "10", 1, kIntMax).Alias("repl-ping-slave-period"),
    Int("repl-timeout", 0, "60", 1, kIntMax),
    Memory("repl-backlog-size", 0, "1mb", 1, kLongMax),
    Int("repl-backlog-ttl", 0, "3600", 0, kLongMax),
    Choice("propagation-error-behavior", 0, "ignore", "ignore, panic, panic-on-replicas"),

    // cluster
    Bool("cluster-enabled", kImmutable | kUnsupported, "no"),
    Text("cluster-config-file", kImmutable, "nodes.conf"),
    Int("cluster-node-timeout", 0, "15000", 0, kLongMax),
    Int("cluster-port", kImmutable, "0", 0, 65535),
    Int("cluster-announce-port", 0, "0", 0, 65535),
    Int("cluster-announce-bus-port", 0, "0", 0, 65535),
    Int("cluster-announce-tls-port", 0, "0", 0, 65535),
    Text("cluster-announce-ip", 0, ""),
    Text("cluster-announce-hostname", 0, ""),
    Text("cluster-announce-human-nodename", 0, ""),
    Choice("cluster-preferred-endpoint-type", 0, "ip", "ip, hostname, unknown-endpoint"),
    Int("cluster-migration-barrier", 0, "1", 0, kIntMax),
    Int("cluster-replica-validity-factor", 0, "10", 0, kIntMax)
        .Alias("cluster-slave-validity-factor"),
    Bool("cluster-replica-no-failover", 0, "no").Alias("cluster-slave-no-failover"),
    Bool("cluster-require-full-coverage", 0, "yes"),
    Bool("cluster-allow-reads-when-down", 0, "no"),
    Bool("cluster-allow-pubsubshard-when-down", 0, "yes"),
    Bool("cluster-allow-replica-migration", 0, "yes"),
    Memory("cluster-link-sendbuf-limit", 0, "0", 0, kSizeMax),

    // memory
    Memory("maxmemory", 0, "0", 0, kSizeMax).To(Number<&Settings::maxmemory>),
    Choice("maxmemory-policy", 0, "noeviction", kPolicies).To(Policy),
    Int("maxmemory-samples", 0, "5", 1, kIntMax),
    Int("maxmemory-eviction-tenacity", 0, "10", 0, 100),
    {.name = "maxmemory-clients",
     .kind = Directive::Kind::kMemoryOrPercent,
     .initial = "25%",
     .max = kLongMax,
     .apply = Number<&Settings::maxmemory_clients>},
    Int("lfu-log-factor", 0, "10", 0, kIntMax).To(Number<&Settings::lfu_log_factor>),
    Int("lfu-decay-time", 0, "1", 0, kIntMax).To(Number<&Settings::lfu_decay_minutes>),
    Bool("lazyfree-lazy-eviction", 0, "no"),
    Bool("lazyfree-lazy-expire", 0, "no"),
    Bool("lazyfree-lazy-server-del", 0, "no"),
    Bool("lazyfree-lazy-user-del", 0, "no"),
    Bool("lazyfree-lazy-user-flush", 0, "no"),
    Bool("activerehashing", 0, "yes"),
    Int("active-expire-effort", 0, "1", 1, 10).To(Number<&Settings::active_expire_effort>),
    Bool("activedefrag", kUnsupported, "no"),
    Int("active-defrag-cycle-min", 0, "1", 1, 99),
    Int("active-defrag-cycle-max", 0, "25", 1, 99),
    Int("active-defrag-threshold-lower", 0, "10", 0, 1000),
    Int("active-defrag-threshold-upper", 0, "100", 0, 1000),
    Memory("active-defrag-ignore-bytes", 0, "100mb", 1, kLongMax),
    Int("active-defrag-max-scan-fields", 0, "1000", 1, kLongMax),

    // types
    Int("hash-max-listpack-entries", 0, "512", 0, kLongMax).Alias("hash-max-ziplist-entries"),
    Memory("hash-max-listpack-value", 0, "64", 0, kLongMax).Alias("hash-max-ziplist-value"),
    Int("list-max-listpack-size", 0, "-2", kIntMin, kIntMax).Alias("list-max-ziplist-size"),
    Int("list-compress-depth", 0, "0", 0, kIntMax),
    Int("set-max-intset-entries", 0, "512", 0, kLongMax),
    Int("set-max-listpack-entries", 0, "128", 0, kLongMax),
    Memory("set-max-listpack-value", 0, "64", 0, kLongMax),
    Int("zset-max-listpack-entries", 0, "128", 0, kLongMax).Alias("zset-max-ziplist-entries"),
    Memory("zset-max-listpack-value", 0, "64", 0, kLongMax).Alias("zset-max-ziplist-value"),
    Memory("hll-sparse-max-bytes", 0, "3000", 0, kLongMax),
    Memory("stream-node-max-bytes", 0, "4096", 0, kLongMax),
    Int("stream-node-max-entries", 0, "100", 0, kLongMax),

    // observing
    Int("slowlog-log-slower-than", 0, "10000", -1, kLongMax)
        .To(Number<&Settings::slowlog_log_slower_than_us>),
    Int("slowlog-max-len", 0, "128", 0, kLongMax).To(Number<&Settings::slowlog_max_len>),
    Int("latency-monitor-threshold", 0, "0", 0, kLongMax)
        .To(Number<&Settings::latency_monitor_threshold_ms>),
    Bool("latency-tracking", 0, "yes").To(Number<&Settings::latency_tracking>),
    Custom("latency-tracking-info-percentiles", kList, "50 99 99.9", ParsePercentiles)
        .To(String<&Settings::latency_percentiles>),
    Custom("notify-keyspace-events", 0, "", ParseKeyspaceEvents),
    Int("tracking-table-max-keys", 0, "1000000", 0, kLongMax),

    // Varve's own: the engine
    Memory("memtable-size", kImmutable, "64mb", 64 * 1024, uint64_t{1} << 30)
        .To(Number<&Settings::memtable_size>),
    Int("memtable-limit", kImmutable, "3", 1, 1000).To(Number<&Settings::memtable_limit>),
    Memory("write-buffer-budget", kImmutable, "512mb", 128 * 1024, uint64_t{1} << 50)
        .To(Number<&Settings::write_buffer_budget>),
    Memory("block-cache-size", kImmutable, "256mb", 0, uint64_t{1} << 50)
        .To(Number<&Settings::block_cache_size>),
    Memory("target-file-size", kImmutable, "16mb", 64 * 1024, uint64_t{1} << 40)
        .To(Number<&Settings::target_file_size>),
    Int("checkpoints-kept", 0, "1", 1, 10000).To(Number<&Settings::checkpoints_kept>),
    Choice("compression", kImmutable, "lz4", "none, lz4, zstd").To(Number<&Settings::compression>),
};

bool SameName(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

std::span<const Directive> Directives() { return kDirectives; }

const Directive* FindDirective(std::string_view name) {
  if (name.empty()) return nullptr;
  for (const Directive& directive : kDirectives) {
    if (SameName(name, directive.name) || SameName(name, directive.alias)) return &directive;
  }
  return nullptr;
}

}  // namespace redis
