// SPDX-License-Identifier: BSD-3-Clause
// How an Instance begins and ends.

#include <array>
#include <cassert>
#include <string_view>
#include <utility>

#include "redis-compat/access_tracker.h"
#include "redis-compat/blocked_clients.h"
#include "redis-compat/checkpoints.h"
#include "redis-compat/client_limits.h"
#include "redis-compat/command_table.h"
#include "redis-compat/databases.h"
#include "redis-compat/dispatcher.h"
#include "redis-compat/engine_listener.h"
#include "redis-compat/expiry.h"
#include "redis-compat/instance.h"
#include "redis-compat/key_codec.h"
#include "redis-compat/loading_db.h"
#include "redis-compat/monitors.h"
#include "redis-compat/observer.h"
#include "redis-compat/reply_gate.h"
#include "redis-compat/scan_cursor.h"
#include "redis-compat/server_time.h"
#include "redis-compat/watch.h"
#include "redis-compat/write_gate.h"

namespace redis {

namespace {

std::string MakeRunId(lsm::Random* random) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id;
  for (int i = 0; i < 40; ++i) id.push_back(kDigits[random->Uniform(kDigits.size())]);
  return id;
}

// A new directory is given our version; another version is refused.
lsm::Status CheckFormat(lsm::DB* db) {
  const auto view = db->NewReadView();
  lsm::Result<lsm::Lookup> record = view->Get(lsm::kDirectoryTree, kFormatRecord);
  if (!record.ok()) return record.status();
  if (!record->value) {
    lsm::WriteBatch unit;
    unit.Put(lsm::kDirectoryTree, kFormatRecord, EncodeFixed32(kEncodingVersion));
    return db->Write(unit, true);
  }
  const auto version = DecodeFixed32(record->value->view(), "format record");
  if (!version.ok()) return version.status();
  if (version.value() == kEncodingVersion) return {};
  return lsm::Status::InvalidArgument("the data have encoding version " +
                                      std::to_string(version.value()) + ", this program reads " +
                                      std::to_string(kEncodingVersion));
}

}  // namespace

Instance::Instance(Config* config, Host* host, lsm::Clock* clock, lsm::Listener* listener)
    : config_(config),
      host_(host),
      clock_(clock),
      self_(std::make_shared<Instance*>(this)),
      listener_(std::make_unique<EngineListener>(
          host, listener,
          [self = self_] {
            if (*self != nullptr) {
              (*self)->OnEngineProgress();
            }
          },
          [self = self_](lsm::BackgroundWork work, int64_t micros) {
            if (*self != nullptr) {
              (*self)->OnSlowWork(work, micros);
            }
          },
          [self = self_](const lsm::Status& status, const lsm::CheckpointInfo& info) {
            if (*self != nullptr) {
              (*self)->checkpoints_->OnEnd(status, info);
            }
          })),
      random_(static_cast<uint64_t>(clock->NowMicros()) ^
              static_cast<uint64_t>(clock->MonotonicMicros()) << 20) {}

lsm::Listener& Instance::engine_listener() { return *listener_; }

Instance::~Instance() {
  *self_ = nullptr;
  writer_.reset();
  read_view_.reset();
  db_.reset();
}

lsm::Result<std::unique_ptr<Instance>> Instance::Open(Config* config, Host* host, lsm::Clock* clock,
                                                      std::unique_ptr<lsm::DB> db) {
  std::unique_ptr<Instance> instance(new Instance(config, host, clock, nullptr));
  instance->Prepare();
  RETURN_IF_ERROR(instance->FinishOpen(std::move(db)));
  return instance;
}

void Instance::FollowSettings() {
  observer_->Follow(settings());
  listener_->set_watched_micros(observer_->event_micros());
}

void Instance::OnSlowWork(lsm::BackgroundWork work, int64_t micros) {
  constexpr std::array<std::string_view, 3> kEvents = {"wal-sync", "flush", "compaction"};
  observer_->NoteEvent(kEvents.at(static_cast<size_t>(work)), micros, time_->NowMs());
}

void Instance::UseDatabase(std::unique_ptr<lsm::DB> db) {
  write_gate_ = std::make_unique<WriteGate>(db.get(), host_, &settings());
  reply_gate_ = std::make_unique<ReplyGate>(db.get(), &settings());
  db_ = std::move(db);
}

void Instance::Prepare() {
  time_ = std::make_unique<ServerTime>(clock_);
  databases_ = std::make_unique<Databases>();
  blocked_clients_ = std::make_unique<BlockedClients>(clock_, host_, &settings());
  monitors_ = std::make_unique<Monitors>(this);
  checkpoints_ = std::make_unique<Checkpoints>(this);
  cursors_ = std::make_unique<CursorRegistry>();
  active_expiry_ = std::make_unique<ActiveExpiry>(this);
  watches_ = std::make_unique<WatchRegistry>(this);
  UseDatabase(std::make_unique<LoadingDb>());
  client_limits_ = std::make_unique<ClientLimits>(this);
  dispatcher_ = std::make_unique<Dispatcher>(this);
  statistics_.commands.resize(AllCommands().size());
  observer_ = std::make_unique<Observer>(AllCommands().size());
  FollowSettings();
  run_id_ = MakeRunId(&random_);
  replication_id_ = MakeRunId(&random_);
  statistics_.memory_at_start = host_->Memory().allocated;
  now_ms_ = time_->NowMs();
  started_ms_ = now_ms_;
}

Instance::LoadProgress Instance::load_progress() const {
  return {started_ms_, listener_->replay_done(), listener_->replay_total()};
}

lsm::Status Instance::FinishOpen(std::unique_ptr<lsm::DB> db) {
  assert(loading_ && !in_tick_);
  read_view_.reset();
  UseDatabase(std::move(db));
  RETURN_IF_ERROR(CheckFormat(db_.get()));
  const std::unique_ptr<lsm::ReadView> view = db_->NewReadView();
  RETURN_IF_ERROR(time_->Load(view.get()));
  RETURN_IF_ERROR(databases_->Load(view.get()));
  now_ms_ = time_->NowMs();
  started_ms_ = now_ms_;
  last_sync_request_us_ = clock_->MonotonicMicros();
  time_persisted_at_ = db_->visible_sequence();
  FollowAccessTracking();
  checkpoints_->Open(file_system_, settings().dir);
  loading_ = false;
  return {};
}

void Instance::FollowAccessTracking() {
  const AccessTracking wanted = settings().access_tracking;
  if (wanted == AccessTracking::kNone) {
    access_tracker_.reset();
    return;
  }
  const AccessTracker::Kind kind = wanted == AccessTracking::kFrequency
                                       ? AccessTracker::Kind::kFrequency
                                       : AccessTracker::Kind::kRecency;
  if (access_tracker_ == nullptr || access_tracker_->kind() != kind) {
    access_tracker_ = std::make_unique<AccessTracker>(kind, now_ms_);
  }
  access_tracker_->SetPace(settings().lfu_log_factor, settings().lfu_decay_minutes);
}

lsm::Status Instance::Shutdown() {
  closed_ = true;
  if (loading_) return {};
  lsm::Status status = CloseGroup();
  writer_.reset();
  read_view_.reset();
  lsm::WriteBatch unit;
  if (time_->NowMs() > time_->persisted_ms()) {
    unit.Put(lsm::kDirectoryTree, kTimeRecord, time_->Persist());
  }
  lsm::Status written = write_gate_->IsOpen() ? db_->Write(unit, true) : db_->SyncWal();
  lsm::Status closed = db_->Close();
  if (!status.ok()) return status;
  if (!written.ok()) return written;
  return closed;
}

}  // namespace redis
