// SPDX-License-Identifier: BSD-3-Clause
// Config knows every redis.conf directive of Redis 7.2 and Varve's own. Those that mean something
// here are typed fields of Settings; the others keep their text, so that CONFIG GET answers and
// CONFIG REWRITE keeps them, and loading one logs that it has no effect. An unknown one is refused
// by name.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/options.h"
#include "lsm/status.h"

namespace redis {

enum class AppendFsync { kAlways, kEverysec, kNo };
// Of client-output-buffer-limit, for one class of clients; 0: none.
struct OutputLimit {
  uint64_t hard = 0;
  uint64_t soft = 0;
  int64_t soft_seconds = 0;
  bool operator==(const OutputLimit&) const = default;
};
enum class ProtectedAccess { kNo, kYes, kLocal };  // enable-debug-command and its like

// What maxmemory-policy asks to be known about accesses to keys.
enum class AccessTracking { kNone, kFrequency, kRecency };
enum class Supervision { kUpstart, kSystemd, kAuto, kNo };

// Of the `databases` directive. A stored database number beyond it is damage.
inline constexpr int kMaxDatabases = 1 << 20;

// A checkpoint is made after `seconds` if there were `changes`.
struct SavePoint {
  int64_t seconds = 0;
  uint64_t changes = 0;
};

// Sizes in bytes, times in the unit of their name.
struct Settings {
  // network
  std::vector<std::string> bind = {"127.0.0.1", "-::1"};
  int port = 6379;
  int tcp_backlog = 511;
  std::string unixsocket;
  int unixsocketperm = 0;
  int64_t timeout_s = 0;
  int64_t tcp_keepalive_s = 300;
  bool protected_mode = true;
  int64_t maxclients = 10000;
  uint64_t proto_max_bulk_len = uint64_t{512} << 20;
  uint64_t client_query_buffer_limit = uint64_t{1} << 30;
  uint64_t maxmemory = 0;           // what the engine keeps to; 0: no limit
  int64_t maxmemory_clients = -25;  // negative: a percentage of the memory there is; 0: no limit
  // Normal clients, replicas, subscribers.
  std::array<OutputLimit, 3> output_limits = {
      {{}, {256 << 20, 64 << 20, 60}, {32 << 20, 8 << 20, 60}}};
  // general
  std::string dir = ".";
  std::string loglevel = "notice";
  std::string logfile;
  bool daemonize = false;
  Supervision supervised = Supervision::kNo;
  bool syslog_enabled = false;
  std::string syslog_ident = "redis";
  int syslog_facility = 1;  // place in the directive's choices
  std::string pidfile;
  int databases = 16;
  int hz = 10;
  bool active_expire = true;
  int active_expire_effort = 1;  // to 10
  ProtectedAccess enable_debug_command = ProtectedAccess::kNo;
  ProtectedAccess enable_protected_configs = ProtectedAccess::kNo;
  std::string requirepass;
  // observing
  int64_t slowlog_log_slower_than_us = 10'000;  // -1: none, 0: every command
  int64_t slowlog_max_len = 128;
  int64_t latency_monitor_threshold_ms = 0;  // 0: nothing is monitored
  bool latency_tracking = true;
  std::string latency_percentiles = "50 99 99.9";
  // memory
  AccessTracking access_tracking = AccessTracking::kNone;
  int64_t lfu_log_factor = 10;
  int64_t lfu_decay_minutes = 1;
  // durability
  AppendFsync appendfsync = AppendFsync::kEverysec;
  std::vector<SavePoint> save;
  int checkpoints_kept = 1;
  // engine
  uint64_t memtable_size = uint64_t{64} << 20;
  int memtable_limit = 3;
  uint64_t write_buffer_budget = uint64_t{512} << 20;
  uint64_t block_cache_size = uint64_t{256} << 20;
  uint64_t target_file_size = uint64_t{16} << 20;
  lsm::Compression compression = lsm::Compression::kLz4;
};

class CommandNames;

class Config {
 public:
  Config();
  ~Config();
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;

  // The command line after the program's name, as redis-server reads it: an optional file (or "-"
  // for standard input), then directives as "--name value ...". On an error the message is what
  // redis-server prints: the file, the line and what is wrong with it.
  lsm::Status Load(const std::vector<std::string>& arguments);
  // The lines of a configuration file. Load reads its sources into one such text.
  lsm::Status LoadText(std::string_view text);

  const Settings& settings() const { return *settings_; }

  // The directives whose names match a glob pattern, with their values as CONFIG GET prints them.
  std::vector<std::pair<std::string, std::string>> Get(std::string_view pattern) const;
  // Those that match any of the patterns, each name once.
  std::vector<std::pair<std::string, std::string>> Get(
      const std::vector<std::string_view>& patterns) const;
  // The value of one directive by its exact name. REQUIRES: the name is known.
  std::string_view Value(std::string_view name) const;

  // Several at once, all or none (CONFIG SET). The error is the text after "ERR ". Directives that
  // enable-protected-configs guards are refused as it says.
  lsm::Status Set(const std::vector<std::pair<std::string, std::string>>& values,
                  bool client_is_local = false);

  // CONFIG REWRITE: afterwards loading the file gives the values of now. REQUIRES: there is a file
  lsm::Status Rewrite() const;
  // What `rename-command` says; only a file and the command line can.
  const CommandNames& command_names() const;

  // Called by Set with the new settings in place. If it fails, everything is as before and Set
  // fails with its message.
  using ChangeHook = std::function<lsm::Status(const Settings& before, const Settings& after)>;
  void set_change_hook(ChangeHook hook);

  // DEBUG SET-ACTIVE-EXPIRE; no directive says this.
  void set_active_expire(bool on);

  // What was said while loading and setting: directives without effect and the like, one line each.
  const std::vector<std::string>& warnings() const;
  void ClearWarnings();
  // The file it was loaded from, absolute; empty if none.
  const std::string& file() const;

 private:
  struct Rep;
  const std::unique_ptr<Rep> rep_;
  const Settings* const settings_;  // of rep_: asked for many times a command
};

}  // namespace redis
