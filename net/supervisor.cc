// SPDX-License-Identifier: BSD-3-Clause

#include "net/supervisor.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace net {

namespace {

using lsm::LogLevel;

constexpr char kSocket[] = "NOTIFY_SOCKET";
constexpr char kJob[] = "UPSTART_JOB";

// Takes a variable out of the environment; empty if it is not there.
std::string Take(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  unsetenv(name);  // it is meant for this process alone
  return text;
}

}  // namespace

Supervisor::Supervisor(redis::Supervision wanted, redis::Logger* logger) : logger_(logger) {
  using redis::Supervision;
  if (wanted == Supervision::kNo) return;
  if (wanted == Supervision::kUpstart || wanted == Supervision::kAuto) {
    is_upstart_ = !Take(kJob).empty();
    if (is_upstart_) {
      logger->Log(LogLevel::kNotice, "supervised by upstart, will stop to signal readiness");
      return;
    }
    if (wanted == Supervision::kUpstart) {
      logger->Log(LogLevel::kWarning, "upstart supervision requested, but UPSTART_JOB not found!");
      return;
    }
  }
  const std::string path = Take(kSocket);
  if (!path.empty()) {
    OpenSocket(path);
  } else if (wanted == Supervision::kSystemd) {
    logger->Log(LogLevel::kWarning, "systemd supervision requested, but NOTIFY_SOCKET not found!");
  }
}

Supervisor::~Supervisor() {
  if (socket_ >= 0) close(socket_);
}

// A path, or a name that begins with '@' and exists in no file system.
void Supervisor::OpenSocket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@')) {
    logger_->Log(LogLevel::kWarning, "NOTIFY_SOCKET is no address of a socket: " + path);
    return;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  // The name is all that casts here: the address is a sockaddr by the system's own convention.
  const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  if (socket_ >= 0 && connect(socket_, generic, length) == 0) {
    logger_->Log(LogLevel::kNotice,
                 "supervised by systemd. Please make sure you set appropriate "
                 "values for TimeoutStartSec and TimeoutStopSec in your service "
                 "unit.");
    return;
  }
  logger_->Log(LogLevel::kWarning,
               fmt::format("Can't reach NOTIFY_SOCKET {}: {}", path, strerror(errno)));
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
}

void Supervisor::Send(std::string_view message) const {
  if (socket_ < 0) return;
  // Nobody is told if it fails: the manager is the one who would be.
  [[maybe_unused]] const ssize_t sent =
      send(socket_, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Supervisor::Loading(std::string_view status) {
  constexpr int kPatienceSeconds = 60;
  Send(fmt::format("STATUS={}\nEXTEND_TIMEOUT_USEC={}\n", status, kPatienceSeconds * 1'000'000));
}

void Supervisor::Ready() {
  Send("STATUS=Ready to accept connections\nREADY=1\n");
  if (is_upstart_) raise(SIGSTOP);
}

void Supervisor::Stopping() { Send("STATUS=Saving what is in memory\nSTOPPING=1\n"); }

}  // namespace net
