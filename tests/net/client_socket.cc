// SPDX-License-Identifier: BSD-3-Clause
#include "client_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace net {

namespace {

constexpr int kTimeoutMs = 10000;

}  // namespace

ClientSocket::ClientSocket(int port, bool connect)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), port_(port) {
  if (connect) Connect();
}

ClientSocket::ClientSocket(const std::string& path)
    : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

ClientSocket::~ClientSocket() { Close(); }

bool ClientSocket::Connect() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  return connected_;
}

bool ClientSocket::WaitFor(short events, int timeout_ms) const {
  pollfd waiting{fd_, events, 0};
  return ::poll(&waiting, 1, timeout_ms) == 1;
}

bool ClientSocket::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    if (!WaitFor(POLLOUT, kTimeoutMs)) return false;
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string ClientSocket::Receive(size_t count, int timeout_ms) {
  std::string received;
  std::string buffer(size_t{64} * 1024, '\0');
  while (received.size() < count && WaitFor(POLLIN, timeout_ms)) {
    const size_t wanted = std::min(count - received.size(), buffer.size());
    const ssize_t got = ::recv(fd_, buffer.data(), wanted, 0);
    if (got <= 0) break;
    received.append(buffer, 0, static_cast<size_t>(got));
  }
  return received;
}

std::string ClientSocket::ReceiveAll() {
  std::string received;
  char buffer[65536];
  while (WaitFor(POLLIN, kTimeoutMs)) {
    const ssize_t got = ::recv(fd_, buffer, sizeof(buffer), 0);
    if (got <= 0) return received;
    received.append(buffer, static_cast<size_t>(got));
  }
  return received + "timeout";
}

std::string ClientSocket::Exchange(std::string_view request, size_t reply_bytes) {
  return Send(request) ? Receive(reply_bytes) : "not sent";
}

void ClientSocket::EndSending() { ::shutdown(fd_, SHUT_WR); }

void ClientSocket::Reset() {
  const linger at_once{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  Close();
}

void ClientSocket::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void ClientSocket::SetReceiveBuffer(int bytes) {
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

}  // namespace net
