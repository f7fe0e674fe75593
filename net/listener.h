// SPDX-License-Identifier: BSD-3-Clause
// Listening sockets, and the acceptor that takes connections from one of them.
//
// The descriptors are accepted here and not by libuv, because libuv, out of descriptors, takes and
// closes every waiting connection. The acceptor leaves them in the kernel's queue, looks again
// after 100 ms, and costs nothing meanwhile.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "lsm/status.h"
#include "net/uv_handle.h"
#include "redis-compat/log.h"

namespace net {

// Owns a descriptor that listens.
class ListenSocket {
 public:
  ListenSocket(int fd, std::string name, bool is_unix)
      : fd_(fd), name_(std::move(name)), is_unix_(is_unix) {}
  ListenSocket(ListenSocket&& other) noexcept;
  ListenSocket& operator=(ListenSocket&&) = delete;
  ~ListenSocket();

  int fd() const { return fd_; }
  bool is_unix() const { return is_unix_; }
  // "127.0.0.1:6379" as configured, or the path.
  const std::string& name() const { return name_; }

 private:
  int fd_;
  const std::string name_;
  const bool is_unix_;
};

// An address of the `bind` directive is numeric or a host name; "*" and "::*" mean every address of
// IPv4 and IPv6. The message of a failure is "bind: Address already in use" or the like; kNotFound
// means that this machine does not have the address or its family.
lsm::Result<ListenSocket> ListenTcp(const std::string& address, int port, int backlog);
// `permissions` as of chmod; 0 leaves them to the umask. A socket that is already at the path is
// removed, another file is not.
lsm::Result<ListenSocket> ListenUnix(const std::string& path, int permissions, int backlog);

// Takes connections from a socket until it is destroyed; then the file of a unix socket goes too.
class Acceptor {
 public:
  // Owns `fd`.
  using OnAccept = std::function<void(int fd, const ListenSocket& listener)>;

  Acceptor(uv_loop_t* loop, ListenSocket socket, redis::Logger* logger, OnAccept on_accept);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  void Start();
  const ListenSocket& socket() const { return socket_; }

 private:
  void AcceptAll();
  void PauseFor(int error);
  void Complain(int error);

  ListenSocket socket_;
  redis::Logger* const logger_;
  const OnAccept on_accept_;
  UvHandle<uv_poll_t> poll_;
  UvHandle<uv_timer_t> timer_;
  uint64_t last_complaint_ms_ = 0;
  int spare_fd_;  // given up for a moment so that the log can be written when descriptors are out
};

}  // namespace net
