// SPDX-License-Identifier: BSD-3-Clause
// EventLoop runs an Instance over sockets.
//
// A turn of the loop:
//   1. Timers: the instance's cron, acceptors that look again.
//   2. Sockets: new connections are accepted, input is appended to sessions, and whoever has
//      something to do is queued, once, in order of arrival. Nothing is executed.
//   3. The tick, in libuv's check phase, if the queue is not empty:
//      a. BeginTick; Run each queued session once; EndTick. All of them share one group commit.
//      b. Flush each of them: one write a connection.
//      c. Destroy those that are done.
//   A session whose turn was too short is queued again and polling does not wait for it.
//
// Stopping: listeners close, reading ends, the tick of what was read completes, and the loop is
// left when all output is written or kDrainMs have passed.
//
// Thread safety: none; everything on one thread.

#pragma once

#include <uv.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "lsm/status.h"
#include "net/connection.h"
#include "net/listener.h"
#include "net/uv_handle.h"
#include "redis-compat/config.h"
#include "redis-compat/instance.h"
#include "redis-compat/log.h"

namespace net {

class EventLoop : public ConnectionOwner {
 public:
  // The settings are read whenever they matter, so that changes take effect.
  EventLoop(const redis::Config* config, redis::Logger* logger);
  ~EventLoop() override;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  uv_loop_t* uv() { return &loop_; }

  // Opens the sockets that the settings ask for and closes those they do not; nothing is accepted
  // before Run. On failure the sockets are those of before, and what went wrong is in the log.
  lsm::Status Listen();
  size_t listener_count() const { return acceptors_.size(); }
  // As redis::Host::Listeners says.
  std::vector<std::string> DescribeListeners() const;
  // After the settings changed: sockets, and how often the cron runs.
  lsm::Status ApplySettings();

  // Serves until Stop. The instance must outlive the call; its clients are disconnected at the end.
  void Run(redis::Instance* instance);

  // From the loop's thread.
  void Stop();
  void Wake(redis::ClientId client);
  void WakeAfter(redis::ClientId client, int64_t delay_micros);
  void CloseClient(redis::ClientId client);
  size_t connection_count() const { return connections_.size(); }

 private:
  // ConnectionOwner
  void Ready(Connection* connection) override;
  uv_buf_t ReadBuffer() override;
  void Received(Connection* connection) override;

  lsm::Result<std::vector<ListenSocket>> OpenMissing() const;
  bool IsListening(const std::string& name) const;
  void Accept(int fd, const ListenSocket& listener);
  void SetSocketOptions(int fd, bool is_unix) const;

  const redis::Settings& settings() const { return config_->settings(); }

  void Tick();
  // Of the sessions in batch_.
  void Prefetch();
  void RunSession(Connection* connection);
  // Those of batch_ too.
  void Flush();
  void Reap();
  Connection* Find(redis::ClientId client) const;

  void Cron();
  void StartCron();
  void RingAlarms();
  void BeginDrain();
  bool Drained() const;

  const redis::Config* const config_;
  redis::Logger* const logger_;
  redis::Instance* instance_ = nullptr;  // while Run
  uv_loop_t loop_;
  UvHandle<uv_check_t> check_;
  UvHandle<uv_idle_t> idle_;  // active while the queue is not empty: polling does not wait
  UvHandle<uv_timer_t> cron_;
  UvHandle<uv_timer_t> alarm_timer_;  // rings for the first of alarms_
  UvHandle<uv_timer_t> drain_timer_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::unordered_map<redis::ClientId, std::unique_ptr<Connection>> connections_;
  // Connections are destroyed in Reap, which takes them out of the queue and is the last to look at
  // the batch, and at the end of Run.
  std::vector<Connection*> queue_;
  std::vector<Connection*> batch_;         // of the running tick; kept for its capacity
  std::vector<redis::Session*> sessions_;  // the same, for Prefetch
  const std::unique_ptr<char[]> read_buffer_;
  std::multimap<uint64_t, redis::ClientId> alarms_;  // by the loop's milliseconds
  bool stopping_ = false;
  bool draining_ = false;
};

}  // namespace net
