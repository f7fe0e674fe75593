// SPDX-License-Identifier: BSD-3-Clause
// LoopServer runs an event loop over a whole instance in a thread of the test, with its files in a
// temporary directory.
//
// Thread safety: none but for the thread inside.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "net/event_loop.h"
#include "net/uv_host.h"
#include "redis-compat/config.h"
#include "redis-compat/instance.h"
#include "redis-compat/log.h"
#include "tests/support/program.h"

namespace net {

class LoopServer {
 public:
  // `directives` are lines of configuration.
  explicit LoopServer(const std::string& directives = "");
  ~LoopServer();
  LoopServer(const LoopServer&) = delete;
  LoopServer& operator=(const LoopServer&) = delete;

  int port() const { return port_; }
  std::string socket_path() const { return directory_.path() + "/varve.sock"; }
  // What went wrong at the start; OK if it serves.
  const lsm::Status& status() const { return status_; }
  // Runs on the loop's thread; returns when it has run.
  void OnLoop(const std::function<void(EventLoop*, redis::Config*)>& task);
  // Asks the loop to stop; Join waits for it.
  void Stop();
  void Join();
  // Microseconds of processor time that the loop's thread has used.
  int64_t CpuMicros() const;
  // All lines of the log so far.
  std::string Log() const;

 private:
  void Serve();

  test_support::TemporaryDirectory directory_;
  const int port_;
  redis::Config config_;
  std::unique_ptr<redis::Logger> logger_;
  lsm::Status status_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<UvHost> host_;
  std::thread thread_;
};

}  // namespace net
