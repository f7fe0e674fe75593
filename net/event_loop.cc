// SPDX-License-Identifier: BSD-3-Clause

#include "net/event_loop.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "redis-compat/blocked_clients.h"
#include "redis-compat/client_limits.h"

namespace net {

namespace {

constexpr size_t kReadSize = size_t{64} * 1024;
// A session keeps this much room for input when there is none.
constexpr size_t kKeptInput = size_t{128} * 1024;
// How long a client that was told to go may take no bytes.
constexpr uint64_t kLingerMs = 60 * 1000;
// How long stopping waits for clients to take their replies.
constexpr uint64_t kDrainMs = 2000;

using RunResult = redis::Instance::RunResult;

}  // namespace

EventLoop::EventLoop(const redis::Config* config, redis::Logger* logger)
    : config_(config), logger_(logger), read_buffer_(new char[kReadSize]) {
  uv_loop_init(&loop_);
  check_ = MakeUvHandle<uv_check_t>(uv_check_init, &loop_, this);
  idle_ = MakeUvHandle<uv_idle_t>(uv_idle_init, &loop_, this);
  cron_ = MakeUvHandle<uv_timer_t>(uv_timer_init, &loop_, this);
  alarm_timer_ = MakeUvHandle<uv_timer_t>(uv_timer_init, &loop_, this);
  drain_timer_ = MakeUvHandle<uv_timer_t>(uv_timer_init, &loop_, this);
}

EventLoop::~EventLoop() {
  assert(connections_.empty());
  acceptors_.clear();
  drain_timer_.reset();
  alarm_timer_.reset();
  cron_.reset();
  idle_.reset();
  check_.reset();
  // Runs what closing handles have left to do. Handles of others on this loop are closed by now.
  uv_run(&loop_, UV_RUN_DEFAULT);
  const int error = uv_loop_close(&loop_);
  assert(error == 0);
  static_cast<void>(error);
}

void EventLoop::Run(redis::Instance* instance) {
  instance_ = instance;
  uv_check_start(check_.get(),
                 [](uv_check_t* check) { static_cast<EventLoop*>(check->data)->Tick(); });
  StartCron();
  for (const auto& acceptor : acceptors_) acceptor->Start();
  if (!stopping_) uv_run(&loop_, UV_RUN_DEFAULT);

  acceptors_.clear();
  for (const auto& [id, connection] : connections_) instance_->Disconnect(id);
  connections_.clear();
  queue_.clear();
  alarms_.clear();
  uv_check_stop(check_.get());
  uv_idle_stop(idle_.get());
  uv_timer_stop(cron_.get());
  uv_timer_stop(alarm_timer_.get());
  uv_timer_stop(drain_timer_.get());
  instance_ = nullptr;
}

// --- Connections ---

void EventLoop::Accept(int fd, const ListenSocket& listener) {
  SetSocketOptions(fd, listener.is_unix());
  std::string refusal;
  redis::Session* session =
      instance_->Connect(DescribePeer(fd, listener.is_unix(), listener.name()), &refusal);
  if (session == nullptr) {
    // Best effort: the socket is new, so that a short text fits.
    [[maybe_unused]] const ssize_t written = write(fd, refusal.data(), refusal.size());
    close(fd);
    return;
  }
  const redis::ClientId id = session->id();
  UvHandle<AnyStream> stream = Connection::OpenStream(&loop_, fd, listener.is_unix());
  if (stream == nullptr) {
    instance_->Disconnect(id);
    return;
  }
  auto& connection = connections_[id];
  connection = std::make_unique<Connection>(this, session, std::move(stream));
  connection->StartReading();
}

void EventLoop::SetSocketOptions(int fd, bool is_unix) const {
  if (is_unix) return;
  // A socket that refuses an option still works.
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (settings().tcp_keepalive_s <= 0) return;
  const int idle = static_cast<int>(settings().tcp_keepalive_s);
  const int interval = std::max(1, idle / 3);
  const int probes = 3;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

Connection* EventLoop::Find(redis::ClientId client) const {
  const auto found = connections_.find(client);
  return found == connections_.end() ? nullptr : found->second.get();
}

void EventLoop::Ready(Connection* connection) {
  if (connection->queued()) return;
  connection->set_queued(true);
  if (queue_.empty()) uv_idle_start(idle_.get(), [](uv_idle_t*) {});
  queue_.push_back(connection);
}

void EventLoop::Wake(redis::ClientId client) {
  if (Connection* connection = Find(client)) Ready(connection);
}

void EventLoop::WakeAfter(redis::ClientId client, int64_t delay_micros) {
  const auto delay_ms = static_cast<uint64_t>(std::max<int64_t>(0, delay_micros) / 1000) + 1;
  const auto alarm = alarms_.emplace(uv_now(&loop_) + delay_ms, client);
  if (alarm == alarms_.begin()) RingAlarms();
}

void EventLoop::CloseClient(redis::ClientId client) {
  Connection* connection = Find(client);
  if (connection == nullptr) return;
  connection->Kill();
  Ready(connection);
}

uv_buf_t EventLoop::ReadBuffer() {
  ++instance_->statistics().socket_reads;
  return {read_buffer_.get(), kReadSize};
}

void EventLoop::Received(Connection* connection) {
  instance_->client_limits().Update(connection->session());
}

// --- The tick ---

void EventLoop::Tick() {
  if (!queue_.empty()) {
    batch_.swap(queue_);
    instance_->BeginTick();
    if (batch_.size() > 1) Prefetch();
    for (Connection* const connection : batch_) {
      connection->set_queued(false);
      RunSession(connection);
    }
    instance_->EndTick();
    Flush();
    Reap();
    batch_.clear();
    if (queue_.empty()) uv_idle_stop(idle_.get());
  }
  if (stopping_ && !draining_) BeginDrain();
  if (draining_ && Drained()) uv_stop(&loop_);
}

void EventLoop::Prefetch() {
  sessions_.clear();
  for (Connection* const connection : batch_) sessions_.push_back(connection->session());
  instance_->Prefetch(sessions_);
}

void EventLoop::RunSession(Connection* connection) {
  if (connection->killed() || connection->closing() || draining_) return;
  connection->set_paused(false);
  switch (instance_->Run(connection->session())) {
    case RunResult::kIdle:
      if (connection->input_ended()) connection->CloseWhenWritten();
      break;
    case RunResult::kPaused:
      connection->set_paused(true);
      // Nobody is left to be told what such a client waits for.
      if (connection->input_ended() &&
          instance_->blocked_clients().WaitsForEvent(*connection->session())) {
        connection->Kill();
      }
      break;
    case RunResult::kYield:
      Ready(connection);
      break;
    case RunResult::kClose:
      connection->CloseWhenWritten();
      break;
  }
}

void EventLoop::Flush() {
  for (Connection* const connection : batch_) {
    redis::Session* const session = connection->session();
    if (!session->releasable_output().empty()) ++instance_->statistics().socket_writes;
    connection->Flush();
    std::string& input = session->input();
    if (input.capacity() > kKeptInput && input.size() < input.capacity() / 4) input.shrink_to_fit();
    instance_->client_limits().OnWritten(session);
  }
}

void EventLoop::Reap() {
  for (Connection* const connection : batch_) {
    if (!connection->Done()) continue;
    // It may have been queued again in this tick.
    if (connection->queued()) std::erase(queue_, connection);
    const redis::ClientId id = connection->id();
    connections_.erase(id);
    instance_->Disconnect(id);
  }
}

// --- Timers ---

void EventLoop::StartCron() {
  const uint64_t interval_ms = 1000 / static_cast<uint64_t>(std::clamp(settings().hz, 1, 500));
  uv_timer_start(
      cron_.get(), [](uv_timer_t* timer) { static_cast<EventLoop*>(timer->data)->Cron(); },
      interval_ms, interval_ms);
}

void EventLoop::Cron() {
  const uint64_t now = uv_now(&loop_);
  for (const auto& [id, connection] : connections_) {
    if (!connection->closing() || now - connection->last_progress_ms() < kLingerMs) continue;
    connection->Kill();
    Ready(connection.get());
  }
  instance_->Cron();
}

void EventLoop::RingAlarms() {
  const uint64_t now = uv_now(&loop_);
  while (!alarms_.empty() && alarms_.begin()->first <= now) {
    Wake(alarms_.begin()->second);
    alarms_.erase(alarms_.begin());
  }
  if (alarms_.empty()) return;
  uv_timer_start(
      alarm_timer_.get(),
      [](uv_timer_t* timer) { static_cast<EventLoop*>(timer->data)->RingAlarms(); },
      alarms_.begin()->first - now, 0);
}

// --- Stopping ---

void EventLoop::Stop() {
  stopping_ = true;
  // The loop may be waiting in its poll.
  if (queue_.empty()) uv_idle_start(idle_.get(), [](uv_idle_t*) {});
}

void EventLoop::BeginDrain() {
  draining_ = true;
  acceptors_.clear();
  for (const auto& [id, connection] : connections_) connection->StopReading();
  if (queue_.empty()) uv_idle_stop(idle_.get());
  uv_timer_start(
      drain_timer_.get(), [](uv_timer_t* timer) { uv_stop(timer->loop); }, kDrainMs, 0);
}

bool EventLoop::Drained() const {
  return std::all_of(connections_.begin(), connections_.end(),
                     [](const auto& entry) { return entry.second->AllWritten(); });
}

}  // namespace net
