// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace redis {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"debug", "verbose", "notice", "warning"};
constexpr std::string_view kMarks = ".-*#";
constexpr size_t kMaxMessage = 4096;

int OpenForAppend(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

void WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

std::optional<lsm::LogLevel> ParseLogLevel(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<lsm::LogLevel>(found - kNames.begin());
}

lsm::Result<std::unique_ptr<Logger>> Logger::Open(const std::string& path, lsm::LogLevel level,
                                                  lsm::Clock* clock) {
  if (!path.empty()) {
    const int file = OpenForAppend(path);
    if (file < 0) {
      return lsm::Status::IoError(fmt::format("Can't open the log file: {}", strerror(errno)));
    }
    close(file);
  }
  return std::unique_ptr<Logger>(new Logger(path, level, clock));
}

std::string Logger::FormatLine(int64_t pid, int64_t now_micros, lsm::LogLevel level,
                               std::string_view message) {
  const std::time_t seconds = now_micros / 1000000;
  std::tm local = {};
  localtime_r(&seconds, &local);
  char date[32];
  const size_t length = strftime(date, sizeof(date), "%d %b %Y %H:%M:%S", &local);
  std::string line = fmt::format("{}:M {}.{:03} {} ", pid, std::string_view(date, length),
                                 now_micros / 1000 % 1000, kMarks[static_cast<size_t>(level)]);
  for (const char c : message.substr(0, kMaxMessage)) line += c == '\n' || c == '\r' ? ' ' : c;
  return line + '\n';
}

void Logger::AlsoToSyslog(const std::string& ident, int facility) {
  constexpr std::array kFacilities = {LOG_USER,   LOG_LOCAL0, LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3,
                                      LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7};
  syslog_ident_ = ident.empty() ? "varve" : ident;
  openlog(syslog_ident_.c_str(), LOG_PID | LOG_NDELAY | LOG_NOWAIT,
          kFacilities.at(static_cast<size_t>(facility)));
}

void Logger::Log(lsm::LogLevel level, std::string_view message) {
  if (level < level_.load(std::memory_order_relaxed)) return;
  if (!syslog_ident_.empty()) {
    constexpr std::array kPriorities = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING};
    syslog(kPriorities[static_cast<size_t>(level)], "%.*s",
           static_cast<int>(std::min(message.size(), kMaxMessage)), message.data());
  }
  const std::string line = FormatLine(getpid(), clock_->NowMicros(), level, message);
  if (path_.empty()) {
    WriteAll(STDOUT_FILENO, line);
    return;
  }
  const int file = OpenForAppend(path_);
  if (file < 0) return;
  WriteAll(file, line);
  close(file);
}

}  // namespace redis
