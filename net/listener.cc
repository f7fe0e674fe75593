// SPDX-License-Identifier: BSD-3-Clause

#include "net/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace net {

namespace {

// What is left waits for the next turn: a crowd that comes at once, or a port scan, must not delay
// those who are being served.
constexpr int kMaxAcceptsPerCall = 32;
constexpr uint64_t kAcceptPauseMs = 100;
constexpr uint64_t kComplaintIntervalMs = 5000;

lsm::Status Failure(const char* call, int error) {
  const std::string text = std::string(call) + ": " + std::strerror(error);
  switch (error) {
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EPFNOSUPPORT:
    case EPROTONOSUPPORT:
    case ESOCKTNOSUPPORT:
    case ENOPROTOOPT:
      return lsm::Status::NotFound(text);
    default:
      return lsm::Status::IoError(text);
  }
}

int OpenSpare() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

// Binds and listens; `fd` is closed if that fails.
lsm::Result<ListenSocket> BindAndListen(ListenSocket socket, const sockaddr* address,
                                        socklen_t length, int backlog) {
  if (bind(socket.fd(), address, length) != 0) return Failure("bind", errno);
  if (listen(socket.fd(), backlog) != 0) return Failure("listen", errno);
  return socket;
}

}  // namespace

ListenSocket::ListenSocket(ListenSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), name_(other.name_), is_unix_(other.is_unix_) {}

ListenSocket::~ListenSocket() {
  if (fd_ < 0) return;
  close(fd_);
}

lsm::Result<ListenSocket> ListenTcp(const std::string& address, int port, int backlog) {
  const bool any = address == "*" || address == "::*";
  addrinfo hints{};
  hints.ai_family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  const int error = getaddrinfo(any ? nullptr : address.c_str(), service.c_str(), &hints, &found);
  if (error != 0) return lsm::Status::IoError(gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);

  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failure("socket", errno);
  ListenSocket listening(fd, address + ":" + service, false);
  const int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      (found->ai_family == AF_INET6 &&
       setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)) {
    return Failure("setsockopt", errno);
  }
  return BindAndListen(std::move(listening), found->ai_addr, found->ai_addrlen, backlog);
}

lsm::Result<ListenSocket> ListenUnix(const std::string& path, int permissions, int backlog) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return Failure("bind", ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  struct stat existing {};
  if (lstat(path.c_str(), &existing) == 0 && S_ISSOCK(existing.st_mode)) unlink(path.c_str());

  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failure("socket", errno);
  auto listening =
      BindAndListen(ListenSocket(fd, path, true), reinterpret_cast<const sockaddr*>(&address),
                    sizeof(address), backlog);
  if (listening.ok() && permissions != 0 &&
      chmod(path.c_str(), static_cast<mode_t>(permissions)) != 0) {
    return Failure("chmod", errno);
  }
  return listening;
}

Acceptor::Acceptor(uv_loop_t* loop, ListenSocket socket, redis::Logger* logger, OnAccept on_accept)
    : socket_(std::move(socket)),
      logger_(logger),
      on_accept_(std::move(on_accept)),
      poll_(MakeUvHandle<uv_poll_t>(uv_poll_init, loop, this, socket_.fd())),
      timer_(MakeUvHandle<uv_timer_t>(uv_timer_init, loop, this)),
      spare_fd_(OpenSpare()) {}

Acceptor::~Acceptor() {
  if (spare_fd_ >= 0) close(spare_fd_);
  if (socket_.is_unix()) unlink(socket_.name().c_str());
}

void Acceptor::Start() {
  uv_poll_start(poll_.get(), UV_READABLE, [](uv_poll_t* poll, int /*status*/, int /*events*/) {
    static_cast<Acceptor*>(poll->data)->AcceptAll();
  });
}

void Acceptor::AcceptAll() {
  for (int i = 0; i < kMaxAcceptsPerCall; i++) {
    const int fd = accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      on_accept_(fd, socket_);
      continue;
    }
    switch (errno) {
      case EAGAIN:
        return;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        return PauseFor(errno);
      default:
        continue;  // this connection is gone: the next one may be well
    }
  }
}

void Acceptor::Complain(int error) {
  const uint64_t now = uv_now(timer_->loop);
  if (last_complaint_ms_ != 0 && now - last_complaint_ms_ < kComplaintIntervalMs) return;
  last_complaint_ms_ = now;
  if (spare_fd_ >= 0) close(spare_fd_);
  logger_->Log(lsm::LogLevel::kWarning,
               std::string("Accepting client connection: accept: ") + std::strerror(error));
  spare_fd_ = OpenSpare();
}

void Acceptor::PauseFor(int error) {
  Complain(error);
  uv_poll_stop(poll_.get());
  uv_timer_start(
      timer_.get(), [](uv_timer_t* timer) { static_cast<Acceptor*>(timer->data)->Start(); },
      kAcceptPauseMs, 0);
}

}  // namespace net
