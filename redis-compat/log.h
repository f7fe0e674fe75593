// SPDX-License-Identifier: BSD-3-Clause
// Logger writes the server's log in Redis's line format:
//   4711:M 20 Nov 2026 10:14:33.011 * Ready to accept connections
// pid, role (always M: a primary), local time, level (. debug, - verbose, * notice, # warning).
//
// A log file is opened for each line, so that it can be moved away while the server runs. One line
// is one write; line breaks within a message become spaces. A line that cannot be written is lost:
// there is nobody left to tell.
//
// Thread safety: safe for concurrent use.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lsm/clock.h"
#include "lsm/listener.h"
#include "lsm/status.h"

namespace redis {

// "debug", "verbose", "notice", "warning".
std::optional<lsm::LogLevel> ParseLogLevel(std::string_view name);

class Logger {
 public:
  // An empty path means standard output. The error says what redis-server says. `clock` must
  // outlive the logger.
  static lsm::Result<std::unique_ptr<Logger>> Open(const std::string& path, lsm::LogLevel level,
                                                   lsm::Clock* clock);

  // Sends each line to the system's log as well, under `ident` and one of the facilities that
  // syslog-facility lists, by its place. To be called once, before there are other threads.
  void AlsoToSyslog(const std::string& ident, int facility);

  void Log(lsm::LogLevel level, std::string_view message);
  void set_level(lsm::LogLevel level) { level_.store(level, std::memory_order_relaxed); }

  // One line of the log, its line feed included.
  static std::string FormatLine(int64_t pid, int64_t now_micros, lsm::LogLevel level,
                                std::string_view message);

 private:
  Logger(std::string path, lsm::LogLevel level, lsm::Clock* clock)
      : path_(std::move(path)), clock_(clock), level_(level) {}

  const std::string path_;
  std::string syslog_ident_;  // empty: not to the system's log, which keeps a pointer to it
  lsm::Clock* const clock_;
  std::atomic<lsm::LogLevel> level_;
};

}  // namespace redis
