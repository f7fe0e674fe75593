// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/instance.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "redis-compat/blocked_clients.h"
#include "redis-compat/checkpoints.h"
#include "redis-compat/client_limits.h"
#include "redis-compat/command_table.h"
#include "redis-compat/databases.h"
#include "redis-compat/dispatcher.h"
#include "redis-compat/engine_errors.h"
#include "redis-compat/expiry.h"
#include "redis-compat/key_codec.h"
#include "redis-compat/monitors.h"
#include "redis-compat/observer.h"
#include "redis-compat/reply_gate.h"
#include "redis-compat/scan_cursor.h"
#include "redis-compat/server_time.h"
#include "redis-compat/watch.h"
#include "redis-compat/write_gate.h"
#include "redis-compat/write_unit.h"

namespace redis {

namespace {

// A group is closed when it has this many bytes or is this old.
constexpr size_t kGroupBytes = size_t{1} << 20;
constexpr int64_t kGroupAgeUs = 1000;
constexpr int64_t kSyncIntervalUs = 1'000'000;
constexpr int64_t kLossLogIntervalUs = 1'000'000;
constexpr size_t kMaxStringSize = size_t{512} << 20;
static_assert(kMaxStringSize < lsm::kMaxKeySize && kMaxStringSize < lsm::kMaxValueSize);
constexpr int64_t kPersistTimeIntervalMs = 1000;
// Asking the allocator is not free.
constexpr int64_t kMemorySampleMs = 1000;

}  // namespace

Session* Instance::Connect(const Session::Peer& peer, std::string* refusal) {
  ++statistics_.connections_received;
  if (Refuses(peer, refusal)) {
    ++statistics_.connections_rejected;
    return nullptr;
  }
  const ClientId id = next_client_++;
  auto session = std::make_unique<Session>(id, peer, time_->NowMs());
  session->state().authenticated = settings().requirepass.empty();
  return sessions_.emplace(id, std::move(session)).first->second.get();
}

bool Instance::Refuses(const Session::Peer& peer, std::string* refusal) const {
  if (sessions_.size() >= static_cast<size_t>(settings().maxclients)) {
    *refusal = "-ERR max number of clients reached\r\n";
    return true;
  }
  if (!settings().protected_mode || !settings().requirepass.empty() || peer.is_unix ||
      peer.is_loopback) {
    return false;
  }
  *refusal =
      "-DENIED Redis is running in protected mode because protected mode is enabled and no "
      "password is set for the default user. In this mode connections are only accepted from the "
      "loopback interface. If you want to connect from external computers to Redis you may adopt "
      "one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG "
      "SET protected-mode no' from the loopback interface by connecting to Redis from the same "
      "host the server is running, however MAKE SURE Redis is not publicly accessible from "
      "internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively "
      "you can just disable the protected mode by editing the Redis configuration file, and "
      "setting the protected mode option to 'no', and then restarting the server. 3) If you "
      "started the server manually just for testing, restart it with the '--protected-mode no' "
      "option. 4) Set up an authentication password for the default user. NOTE: You only need to "
      "do one of the above things in order for the server to start accepting connections from the "
      "outside.\r\n";
  return true;
}

void Instance::Disconnect(ClientId client) {
  const auto found = sessions_.find(client);
  if (found == sessions_.end()) return;
  std::erase(tick_sessions_, found->second.get());
  blocked_clients_->Forget(found->second.get());
  monitors_->Remove(found->second.get());
  watches_->Unwatch(found->second.get());
  client_limits_->Forget(*found->second);
  sessions_.erase(found);
}

Session* Instance::Find(ClientId client) {
  const auto found = sessions_.find(client);
  return found == sessions_.end() ? nullptr : found->second.get();
}

size_t Instance::max_string_size() const {
  return static_cast<size_t>(std::min<uint64_t>(settings().proto_max_bulk_len, kMaxStringSize));
}

void Instance::CloseSession(Session* session) {
  session->state().close_after_reply = true;
  host_->CloseClient(session->id());
}

void Instance::Push(Session* session, std::string_view bytes) {
  assert(in_tick_);
  session->output_.append(bytes);
  statistics_.output_bytes += bytes.size();
  if (std::exchange(session->in_tick_, true)) return;
  tick_sessions_.push_back(session);
}

void Instance::PauseClients(ClientPause::Mode mode, int64_t milliseconds) {
  const int64_t now_us = clock_->MonotonicMicros();
  const int64_t longest_ms = (INT64_MAX - now_us) / 1000;
  pause_.Start(mode, now_us + std::min(milliseconds, longest_ms) * 1000);
}

void Instance::UnpauseClients() {
  pause_.End();
  blocked_clients_->WakeAll(BlockedClients::Reason::kPause);
}

void Instance::EndPauseIfOver() {
  if (pause_.IsOver(clock_->MonotonicMicros())) UnpauseClients();
}

void Instance::EndTransaction(Session* session) {
  watches_->Unwatch(session);
  session->DropTransaction();
}

void Instance::BeginTick() {
  assert(!in_tick_);
  in_tick_ = true;
  now_ms_ = time_->NowMs();
  tick_started_us_ = observer_->WatchesEvents() ? clock_->MonotonicMicros() : 0;
  write_gate_->BeginTick();
  dispatcher_->ForgetTime();
}

void Instance::Prefetch(std::span<Session* const> sessions) {
  assert(in_tick_);
  if (!closed_) dispatcher_->Prefetch(sessions);
}

Instance::RunResult Instance::Run(Session* session) {
  assert(in_tick_);
  if (closed_) return RunResult::kClose;
  session->ran_ = true;
  // A session may be woken without having been sent anything.
  if (session->input_bytes() > 0) session->state().last_interaction_ms = now_ms_;
  if (!session->in_tick_) {
    session->in_tick_ = true;
    tick_sessions_.push_back(session);
  }
  if (writer_ != nullptr && writer_->HasOpenGroup() &&
      dispatcher_->now_us() - group_opened_us_ >= kGroupAgeUs) {
    // A failure has told everybody concerned.
    static_cast<void>(CloseGroup().ok());
    dispatcher_->ForgetTime();
  }
  const RunResult result = dispatcher_->Run(session);
  client_limits_->Update(session);
  return result;
}

void Instance::EndTick() {
  assert(in_tick_);
  ++statistics_.ticks;
  read_view_.reset();  // first: while it is pinned, what the group replaces cannot be reclaimed
  // A failure has told everybody concerned.
  static_cast<void>(CloseGroup().ok());
  writer_.reset();
  in_tick_ = false;
  if (blocked_clients_->WantSync()) WakeSynced();

  std::erase_if(tick_sessions_, [this](Session* session) {
    const uint64_t before = session->releasable_;
    session->in_tick_ = reply_gate_->Release(session);
    // The network looks at those that ran; who waited since an earlier tick has to be named.
    const bool ran = std::exchange(session->ran_, false);
    if (!ran && session->releasable_ != before) host_->Wake(session->id());
    return !session->in_tick_;
  });
  if (settings().appendfsync == AppendFsync::kAlways) db_->RequestSync();
  if (tick_started_us_ != 0) {
    observer_->NoteEvent("event-loop", clock_->MonotonicMicros() - tick_started_us_, now_ms_);
  }
}

void Instance::WakeSynced() {
  blocked_clients_->OnSynced(db_->synced_through(), db_->visible_sequence());
  if (blocked_clients_->WantSync()) db_->RequestSync();
}

lsm::ReadView* Instance::view() {
  if (writer_ != nullptr) return writer_->view();
  if (read_view_ == nullptr) read_view_ = db_->NewReadView();
  return read_view_.get();
}

void Instance::BeginWrite() {
  assert(in_tick_);
  if (writer_ == nullptr) writer_ = db_->LockWriter();
}

bool Instance::MayWrite() const { return !closed_ && !pause_.is_on() && write_gate_->IsOpen(); }

lsm::Status Instance::Commit(WriteUnit* unit) {
  const lsm::WriteBatch& batch = unit->Seal();
  if (batch.empty()) return {};
  assert(writer_ != nullptr);
  const size_t bytes = batch.rep().size();
  // Groups are closed here and never by the engine, so that a failure is known to concern only
  // units behind the last close.
  if (group_bytes_ > 0 && group_bytes_ + bytes > kGroupBytes) RETURN_IF_ERROR(CloseGroup());
  if (!writer_->HasOpenGroup()) group_opened_us_ = dispatcher_->now_us();
  const bool had_group = writer_->HasOpenGroup();
  const lsm::Result<lsm::SequenceNumber> sequence = writer_->Commit(batch);
  if (!sequence.ok()) {
    if (had_group && !writer_->HasOpenGroup()) OnGroupLost(sequence.status());
    return sequence.status();
  }
  group_bytes_ += bytes;
  unit->Reflect(sequence.value());
  databases_->Apply(unit->tree_changes(), sequence.value());
  if (!watches_->empty()) watches_->OnCommit(unit, sequence.value());
  return {};
}

void Instance::CloseLargeGroup() {
  // A failure has told everybody concerned.
  static_cast<void>(CloseGroup().ok());
}

lsm::Status Instance::CloseGroup() {
  group_bytes_ = 0;
  if (writer_ == nullptr || !writer_->HasOpenGroup()) return {};
  const int64_t started_us = observer_->WatchesEvents() ? clock_->MonotonicMicros() : 0;
  const lsm::Result<lsm::SequenceNumber> closed = writer_->CloseGroup();
  if (observer_->WatchesEvents()) {
    observer_->NoteEvent("log-append", clock_->MonotonicMicros() - started_us, now_ms_);
  }
  if (closed.ok()) return {};
  OnGroupLost(closed.status());
  return closed.status();
}

void Instance::OnGroupLost(const lsm::Status& reason) {
  ++statistics_.unexpected_errors;
  const int64_t now_us = clock_->MonotonicMicros();
  if (last_loss_logged_us_ == 0 || now_us - last_loss_logged_us_ >= kLossLogIntervalUs) {
    last_loss_logged_us_ = now_us;
    host_->Log(lsm::LogLevel::kWarning, "writes were refused: " + reason.ToString());
  }
  const std::string error = "-" + EngineErrorReply(reason);
  for (Session* session : tick_sessions_) reply_gate_->ReplaceLost(session, error);
  cursors_->Forget();
  active_expiry_->Forget();
  watches_->MarkAll();
  const lsm::Status reloaded = databases_->Load(view());
  if (!reloaded.ok()) {
    // Without the directory no key can be found: better to stop than to answer wrongly.
    host_->Log(lsm::LogLevel::kWarning, "cannot read the directory: " + reloaded.ToString());
    closed_ = true;
    host_->Stop();
  }
}

void Instance::Cron() {
  if (closed_) return;
  EndPauseIfOver();
  blocked_clients_->CheckDeadlines();
  BeginTick();
  statistics_.SampleRates(now_ms_);
  if (loading_) {
    EndTick();
    client_limits_->Cron();
    return;
  }
  SampleMemory();
  if (settings().active_expire && MayWrite()) active_expiry_->Run();
  lsm::Status status = PersistTime();
  if (!status.ok()) {
    host_->Log(lsm::LogLevel::kWarning, "cannot store the time: " + status.ToString());
  }
  EndTick();
  checkpoints_->Cron();

  const int64_t now_us = clock_->MonotonicMicros();
  if (settings().appendfsync == AppendFsync::kEverysec &&
      now_us - last_sync_request_us_ >= kSyncIntervalUs) {
    last_sync_request_us_ = now_us;
    db_->RequestSync();
  }
  write_gate_->WakeIfDecided();
  client_limits_->Cron();
}

void Instance::SampleMemory() {
  if (now_ms_ - memory_sampled_ms_ < kMemorySampleMs) return;
  memory_sampled_ms_ = now_ms_;
  statistics_.memory_peak = std::max(statistics_.memory_peak, host_->Memory().allocated);
}

lsm::Status Instance::PersistTime() {
  if (now_ms_ - time_->persisted_ms() < kPersistTimeIntervalMs || !MayWrite()) return {};
  if (db_->visible_sequence() <= time_persisted_at_) return {};  // nothing new since
  WriteUnit unit(this);
  unit.Put(lsm::kDirectoryTree, kTimeRecord, time_->Persist());
  BeginWrite();
  RETURN_IF_ERROR(Commit(&unit));
  time_persisted_at_ = unit.reflects();
  checkpoints_->CountOwnUnit(unit.reflects());
  return {};
}

void Instance::OnCheckpointEnd() {
  blocked_clients_->WakeAll(BlockedClients::Reason::kSave);
  blocked_clients_->WakeAll(BlockedClients::Reason::kShutdown);
}

void Instance::OnEngineProgress() {
  write_gate_->WakeIfDecided();
  if (in_tick_) return;
  if (blocked_clients_->WantSync()) WakeSynced();
  std::erase_if(tick_sessions_, [this](Session* session) {
    const uint64_t before = session->releasable_;
    session->in_tick_ = reply_gate_->Release(session);
    if (session->releasable_ != before) host_->Wake(session->id());
    return !session->in_tick_;
  });
}

}  // namespace redis
