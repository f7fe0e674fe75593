// SPDX-License-Identifier: BSD-3-Clause

#include "net/server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "lsm/clock.h"
#include "lsm/options.h"
#include "net/event_loop.h"
#include "net/process.h"
#include "net/signals.h"
#include "net/supervisor.h"
#include "net/uv_host.h"
#include "redis-compat/instance.h"
#include "redis-compat/log.h"
#include "redis-compat/version.h"

namespace net {

namespace {

using lsm::LogLevel;

// Open files that are neither clients nor in the engine's table cache: listeners, the log, the
// lock, what merges have open, and 64 files or so of each of two views, which keep what they read.
constexpr uint64_t kOtherFiles = 384;

// Says how far the replay of the log has come, once a second.
class ReplayLog : public lsm::Listener {
 public:
  ReplayLog(redis::Logger* logger, Supervisor* supervisor)
      : logger_(logger), supervisor_(supervisor), begun_us_(NowUs()), said_us_(begun_us_) {}

  void OnReplayProgress(uint64_t done, uint64_t total) override {
    const int64_t now_us = NowUs();
    if (total == 0 || now_us - said_us_ < kIntervalUs) return;
    said_us_ = now_us;
    const double seconds = static_cast<double>(now_us - begun_us_) / 1e6;
    const double megabytes = static_cast<double>(done) / (1 << 20);
    const std::string text =
        fmt::format("Replaying the log: {:.0f} % of {} MB, {:.0f} MB/s",
                    100 * static_cast<double>(done) / static_cast<double>(total), total >> 20,
                    megabytes / seconds);
    logger_->Log(LogLevel::kNotice, text);
    supervisor_->Loading(text);
  }

 private:
  static constexpr int64_t kIntervalUs = 1'000'000;
  static int64_t NowUs() { return lsm::Clock::System()->MonotonicMicros(); }

  redis::Logger* const logger_;
  Supervisor* const supervisor_;
  const int64_t begun_us_;
  int64_t said_us_;  // touched by the thread that replays
};

// Lowers maxclients if the system does not allow as many open files.
void FitFileLimit(redis::Config* config, const lsm::Options& options, redis::Logger* logger) {
  const uint64_t others = kOtherFiles + static_cast<uint64_t>(options.max_open_files);
  const auto clients = static_cast<uint64_t>(config->settings().maxclients);
  const uint64_t allowed = RaiseFileLimit(clients + others);
  if (allowed >= clients + others) return;
  const uint64_t lowered = allowed > others ? allowed - others : 1;
  logger->Log(LogLevel::kWarning,
              fmt::format("Only {} files may be open: maxclients is {} instead of {}. Raise the "
                          "limit with 'ulimit -n' to have more.",
                          allowed, lowered, clients));
  const lsm::Status status = config->Set({{"maxclients", std::to_string(lowered)}});
  if (!status.ok()) logger->Log(LogLevel::kWarning, status.message());
}

// What an operator had better know of the system. The second text is Redis's.
void WarnOfSurroundings(const redis::Settings& settings, redis::Logger* logger) {
  if (geteuid() == 0) {
    logger->Log(
        LogLevel::kWarning,
        "WARNING: Running as root. Whoever takes the server over has the machine: run it as "
        "a user of its own.");
  }
  const int largest = LargestBacklog();
  if (settings.port == 0 || largest == 0 || largest >= settings.tcp_backlog) return;
  logger->Log(LogLevel::kWarning,
              fmt::format("WARNING: The TCP backlog setting of {} cannot be enforced because "
                          "/proc/sys/net/core/somaxconn is set to the lower value of {}.",
                          settings.tcp_backlog, largest));
}

// What CONFIG SET changes for the network and the log. The texts are Redis's.
lsm::Status ApplyChange(const redis::Settings& before, const redis::Settings& after,
                        EventLoop* loop, redis::Logger* logger) {
  logger->set_level(redis::ParseLogLevel(after.loglevel).value_or(LogLevel::kNotice));
  if (after.maxclients > before.maxclients) {
    const uint64_t others = kOtherFiles + static_cast<uint64_t>(lsm::Options().max_open_files);
    const uint64_t wanted = static_cast<uint64_t>(after.maxclients) + others;
    const uint64_t allowed = RaiseFileLimit(wanted);
    if (allowed < wanted) {
      return lsm::Status::InvalidArgument(
          fmt::format("The operating system is not able to handle the specified number of clients, "
                      "try with {}",
                      allowed > others ? allowed - others : 1));
    }
  }
  if (loop->ApplySettings().ok()) return lsm::Status::Ok();
  return lsm::Status::InvalidArgument(before.port != after.port
                                          ? "Unable to listen on this port. Check server logs."
                                          : "Failed to bind to specified addresses.");
}

bool OpenSockets(EventLoop* loop, const redis::Settings& settings, redis::Logger* logger) {
  if (settings.port == 0 && settings.unixsocket.empty()) {
    logger->Log(LogLevel::kWarning, "Configured to not listen anywhere, exiting.");
    return false;
  }
  const lsm::Status status = loop->Listen();
  if (!status.ok()) {
    logger->Log(LogLevel::kWarning, status.message());
    return false;
  }
  if (loop->listener_count() > 0) return true;
  logger->Log(LogLevel::kWarning, "None of the addresses to bind exists on this machine, exiting.");
  return false;
}

// Opens the instance's database on a thread of its own, and hands it over on the loop.
class Opening {
 public:
  // `done` runs on the loop, unless that has been left by then.
  Opening(redis::Instance* instance, redis::Host* host,
          std::function<void(const lsm::Status&)> done)
      : done_(std::move(done)), thread_([this, instance, host] {
          opened_ = instance->OpenDatabase();
          host->Post([this, instance] { HandOver(instance); });
        }) {}
  ~Opening() { Finish(); }
  Opening(const Opening&) = delete;
  Opening& operator=(const Opening&) = delete;

  // Waits for the thread, and closes a database that came too late. The loop must have been left.
  void Finish() {
    if (thread_.joinable()) thread_.join();
    opened_ = lsm::Status::Aborted("the server stops");
  }

 private:
  void HandOver(redis::Instance* instance) {
    thread_.join();
    done_(opened_.ok() ? instance->FinishOpen(std::move(*opened_)) : opened_.status());
  }

  const std::function<void(const lsm::Status&)> done_;
  // Written by the thread, read after it has ended.
  lsm::Result<std::unique_ptr<lsm::DB>> opened_ = lsm::Status::Aborted("not open yet");
  std::thread thread_;
};

void SayReady(const redis::Settings& settings, redis::Logger* logger) {
  if (settings.port != 0) logger->Log(LogLevel::kNotice, "Ready to accept connections tcp");
  if (!settings.unixsocket.empty()) {
    logger->Log(LogLevel::kNotice, "Ready to accept connections unix");
  }
}

// Steps 2 to 5.
int Serve(redis::Config* config, const lsm::Options& engine, redis::Logger* logger,
          Supervisor* supervisor, Allocator* allocator) {
  ReplayLog replay_log(logger, supervisor);
  lsm::Options options = engine;
  options.listener = &replay_log;
  std::atomic<bool> give_up_opening = false;
  options.give_up_opening = &give_up_opening;
  EventLoop loop(config, logger);
  SignalWatcher signals(loop.uv(), [&](std::string_view name) {
    logger->Log(LogLevel::kWarning, fmt::format("Received {} scheduling shutdown...", name));
    logger->Log(LogLevel::kWarning, "User requested shutdown...");
    loop.Stop();
  });
  UvHost host(&loop, logger, allocator);
  if (!OpenSockets(&loop, config->settings(), logger)) return 1;
  std::optional<PidFile> pid_file;
  if (const std::string& path = config->settings().pidfile; !path.empty()) {
    pid_file.emplace(path);
    if (!pid_file->written()) logger->Log(LogLevel::kWarning, "Can't write " + path);
  }

  const std::unique_ptr<redis::Instance> instance =
      redis::Instance::BeginOpen(config, &host, options);
  config->set_change_hook([&](const redis::Settings& before, const redis::Settings& after) {
    return ApplyChange(before, after, &loop, logger);
  });
  bool failed = false;
  Opening opening(instance.get(), &host, [&](const lsm::Status& status) {
    if (status.ok()) {
      SayReady(config->settings(), logger);
      supervisor->Ready();
      return;
    }
    logger->Log(LogLevel::kWarning, fmt::format("Can't open the database in '{}': {}",
                                                config->settings().dir, status.ToString()));
    failed = true;
    loop.Stop();
  });
  loop.Run(instance.get());
  supervisor->Stopping();
  config->set_change_hook({});
  give_up_opening.store(true);
  opening.Finish();
  if (failed) return 1;

  const lsm::Status status = instance->Shutdown();
  if (!status.ok()) {
    logger->Log(LogLevel::kWarning, "The database did not close cleanly: " + status.ToString());
    return 1;
  }
  logger->Log(LogLevel::kWarning, "Varve is now ready to exit, bye bye...");
  return 0;
}

}  // namespace

int RunServer(redis::Config* config, Allocator* allocator) {
  const redis::Settings& settings = config->settings();
  // As with redis-server, names of files that do not begin at the root lie below `dir`.
  if (chdir(settings.dir.c_str()) != 0) {
    fmt::print(stderr, "Can't chdir to '{}': {}\n", settings.dir, strerror(errno));
    return 1;
  }
  auto logger = redis::Logger::Open(
      settings.logfile, redis::ParseLogLevel(settings.loglevel).value_or(LogLevel::kNotice),
      lsm::Clock::System());
  if (!logger.ok()) {
    fmt::print(stderr, "{}\n", logger.status().message());
    return 1;
  }
  redis::Logger& log = **logger;
  if (settings.syslog_enabled) log.AlsoToSyslog(settings.syslog_ident, settings.syslog_facility);
  Supervisor supervisor(settings.supervised, &log);
  if (settings.daemonize && !supervisor.present() && !Daemonize()) {
    log.Log(LogLevel::kWarning, "Can't go to the background");
    return 1;
  }
  log.Log(LogLevel::kNotice, fmt::format("Varve {} is starting, pid {}, as Redis {}",
                                         redis::kVarveVersion, getpid(), redis::kRedisVersion));
  for (const std::string& warning : config->warnings()) log.Log(LogLevel::kWarning, warning);
  config->ClearWarnings();

  const lsm::Options engine;
  FitFileLimit(config, engine, &log);
  WarnOfSurroundings(settings, &log);
  return Serve(config, engine, &log, &supervisor, allocator);
}

}  // namespace net
