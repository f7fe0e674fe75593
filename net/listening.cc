// SPDX-License-Identifier: BSD-3-Clause
// Which sockets the event loop listens on, at the start and when the settings change.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "net/event_loop.h"

namespace net {

namespace {

struct TcpAddress {
  std::string address;
  bool optional;  // written with a "-" in front: may be missing on this machine
};

std::vector<TcpAddress> TcpAddresses(const redis::Settings& settings) {
  std::vector<TcpAddress> addresses;
  if (settings.port == 0) return addresses;
  for (const std::string& address : settings.bind) {
    const bool optional = address.starts_with('-');
    addresses.push_back({address.substr(optional ? 1 : 0), optional});
  }
  return addresses;
}

std::string TcpName(const std::string& address, int port) {
  return address + ":" + std::to_string(port);
}

}  // namespace

bool EventLoop::IsListening(const std::string& name) const {
  return std::any_of(acceptors_.begin(), acceptors_.end(),
                     [&](const auto& acceptor) { return acceptor->socket().name() == name; });
}

lsm::Result<std::vector<ListenSocket>> EventLoop::OpenMissing() const {
  std::vector<ListenSocket> opened;
  const int port = settings().port;
  for (const TcpAddress& tcp : TcpAddresses(settings())) {
    const std::string name = TcpName(tcp.address, port);
    if (IsListening(name)) continue;
    auto socket = ListenTcp(tcp.address, port, settings().tcp_backlog);
    if (socket.ok()) {
      opened.push_back(std::move(*socket));
      continue;
    }
    if (socket.status().IsNotFound() && tcp.optional) continue;
    logger_->Log(lsm::LogLevel::kWarning,
                 fmt::format("Warning: Could not create server TCP listening socket {}: {}", name,
                             socket.status().message()));
    return lsm::Status::IoError(fmt::format("Failed listening on port {} (tcp), aborting.", port));
  }
  const std::string& path = settings().unixsocket;
  if (!path.empty() && !IsListening(path)) {
    auto socket = ListenUnix(path, settings().unixsocketperm, settings().tcp_backlog);
    if (!socket.ok()) {
      return lsm::Status::IoError("Failed opening Unix socket: " +
                                  std::string(socket.status().message()));
    }
    opened.push_back(std::move(*socket));
  }
  return opened;
}

lsm::Status EventLoop::Listen() {
  auto opened = OpenMissing();
  if (!opened.ok()) return opened.status();
  std::vector<std::string> wanted;
  for (const TcpAddress& tcp : TcpAddresses(settings())) {
    wanted.push_back(TcpName(tcp.address, settings().port));
  }
  wanted.push_back(settings().unixsocket);
  std::erase_if(acceptors_, [&](const auto& acceptor) {
    return std::find(wanted.begin(), wanted.end(), acceptor->socket().name()) == wanted.end();
  });
  for (ListenSocket& socket : *opened) {
    const std::string name = socket.name();
    acceptors_.push_back(std::make_unique<Acceptor>(
        &loop_, std::move(socket), logger_,
        [this](int fd, const ListenSocket& listener) { Accept(fd, listener); }));
    if (instance_ != nullptr) acceptors_.back()->Start();
  }
  return lsm::Status::Ok();
}

std::vector<std::string> EventLoop::DescribeListeners() const {
  std::vector<std::string> texts;
  std::string tcp;
  for (const auto& acceptor : acceptors_) {
    const ListenSocket& socket = acceptor->socket();
    if (socket.is_unix()) {
      texts.push_back("name=unix,bind=" + socket.name());
    } else {
      tcp += ",bind=" + socket.name().substr(0, socket.name().rfind(':'));
    }
  }
  if (!tcp.empty()) {
    texts.insert(texts.begin(), "name=tcp" + tcp + ",port=" + std::to_string(settings().port));
  }
  return texts;
}

lsm::Status EventLoop::ApplySettings() {
  if (stopping_) return lsm::Status::Ok();
  RETURN_IF_ERROR(Listen());
  if (instance_ != nullptr) StartCron();
  return lsm::Status::Ok();
}

}  // namespace net
