// SPDX-License-Identifier: BSD-3-Clause
// ServerProcess runs a varve-server as a child on a free loopback port, and ends it by its process
// id, at the latest when it is destroyed.
//
// Thread safety: none, but Kill may be called by one thread while others talk to the server.

#pragma once

#include <hiredis/hiredis.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace test_support {

struct ContextDeleter {
  void operator()(redisContext* context) const { redisFree(context); }
};
struct ReplyDeleter {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Context = std::unique_ptr<redisContext, ContextDeleter>;
using Reply = std::unique_ptr<redisReply, ReplyDeleter>;

// A port of 127.0.0.1 that nobody listens on at the moment.
int FreePort();

class ServerProcess {
 public:
  // Starts `binary --port PORT --dir DIRECTORY arguments...`, its output appended to
  // DIRECTORY.log.
  ServerProcess(const std::string& binary, const std::string& directory, int port,
                const std::vector<std::string>& arguments);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Waits until the server answers PING; false if it has exited or `timeout_ms` passed.
  bool WaitUntilReady(int timeout_ms);
  // kill -9, and waits for the end.
  void Kill();
  // SIGTERM, and waits; the exit status as the shell would say it.
  int Terminate();

  // A connection, or null.
  Context Connect() const;

  // Bytes of memory that the process holds at the moment; 0 if it has ended.
  long ResidentBytes() const;

 private:
  // Collects the child if it has ended; with `block` waits for that. True if it has ended.
  bool Reap(bool block);

  const int port_;
  pid_t pid_ = -1;
  int exit_status_ = -1;
};

// Sends a command and returns its reply; null if the connection broke.
Reply Call(redisContext* context, const std::vector<std::string>& arguments);

}  // namespace test_support
