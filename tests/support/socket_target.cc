// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/socket_target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <utility>

#include "resp/reply_parser.h"

namespace test_support {

namespace {

// A reply that takes longer counts as none.
constexpr int kReplyTimeoutMs = 10'000;

bool SendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool IsWholeReply(std::string_view received) {
  resp::Value value;
  size_t consumed = 0;
  std::string error;
  return resp::ParseReply(received, &value, &consumed, &error) != resp::ReplyOutcome::kNeedMore;
}

}  // namespace

SocketTarget::SocketTarget(std::string host, int port, std::string kind,
                           std::function<void()> restart)
    : host_(std::move(host)), port_(port), kind_(std::move(kind)), restart_(std::move(restart)) {}

SocketTarget::~SocketTarget() { DisconnectAll(); }

int SocketTarget::Connect() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port_));
  ::inet_pton(AF_INET, host_.c_str(), &address.sin_addr);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return socket;
  }
  ::close(socket);
  return -1;
}

void SocketTarget::Send(const std::string& client, std::string_view bytes) {
  auto known = sockets_.find(client);
  if (known == sockets_.end()) known = sockets_.emplace(client, Connect()).first;
  // A connection that has ended shows when it is read from.
  static_cast<void>(SendAll(known->second, bytes));
}

std::string SocketTarget::Receive(const std::string& client) {
  const auto known = sockets_.find(client);
  if (known == sockets_.end()) return {};
  const int socket = known->second;
  std::string received;
  while (received.empty() || !IsWholeReply(received)) {
    pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, kReplyTimeoutMs) <= 0) break;
    char buffer[65536];
    const ssize_t count = ::recv(socket, buffer, sizeof(buffer), 0);
    if (count <= 0) break;
    received.append(buffer, static_cast<size_t>(count));
  }
  return received;
}

void SocketTarget::Disconnect(const std::string& client) {
  const auto known = sockets_.find(client);
  if (known == sockets_.end()) return;
  ::close(known->second);
  sockets_.erase(known);
}

void SocketTarget::DisconnectAll() {
  while (!sockets_.empty()) Disconnect(sockets_.begin()->first);
}

void SocketTarget::Sleep(int64_t milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

void SocketTarget::Restart() {
  DisconnectAll();
  restart_();
}

}  // namespace test_support
