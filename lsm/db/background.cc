// SPDX-License-Identifier: BSD-3-Clause
// The jobs of the flush and sync lanes, and waiting for work of any lane.
//
// A round of the flush lane: rescue the log's data if a sync failed, or else write one flush; then
// the upkeep of log and files. It schedules itself again while there is more to do. After a failure
// it does not: RequestSync, a closed group or a refused unit start it again, though not sooner than
// kRetryMicros after the failure.

#include <algorithm>
#include <utility>

#include "lsm/db/db_impl.h"
#include "lsm/util/check.h"

namespace lsm {

void DBImpl::ScheduleFlush() {
  if (flush_scheduled_ || !opened_ || closed_) return;
  flush_scheduled_ = true;
  ++jobs_;
  executor_->Schedule(Executor::Lane::kFlush, [this] { BackgroundFlush(); });
}

void DBImpl::ScheduleCompaction() {
  if (compaction_scheduled_ || !opened_ || closed_ || closing_.load()) return;
  compaction_scheduled_ = true;
  ++jobs_;
  executor_->Schedule(Executor::Lane::kCompaction, [this] { BackgroundCompaction(); });
}

void DBImpl::ScheduleSync() {
  if (sync_scheduled_ || !opened_ || closed_) return;
  sync_scheduled_ = true;
  ++jobs_;
  executor_->Schedule(Executor::Lane::kWalSync, [this] { BackgroundSync(); });
}

bool DBImpl::BackingOff(int64_t failed_at) const {
  return failed_at != 0 && options_.clock->MonotonicMicros() - failed_at < kRetryMicros;
}

bool DBImpl::IsAskedFor(const Tree& tree) const {
  return tree.OldestFrozen() <= std::max(tree.flush_through, all_flush_through_);
}

bool DBImpl::WantsFlush(const Tree& tree) const {
  if (tree.dropped != 0 || !tree.HasFrozen()) return false;
  if (IsAskedFor(tree)) return true;
  return tree.memtables() > static_cast<size_t>(std::max(options_.memtable_limit, 1));
}

bool DBImpl::FlushWanted() const {
  if (BackingOff(flush_failed_at_)) return false;
  if (rescue_wanted_.load()) return !freeze_blocked_.load();
  return std::any_of(frozen_trees_.begin(), frozen_trees_.end(), [this](TreeId id) {
    mutex_.AssertHeld();
    return WantsFlush(*trees_.at(id));
  });
}

void DBImpl::RetryBackgroundWork() {
  if (!BackingOff(flush_failed_at_)) ScheduleFlush();
  RetryCompaction();
}

void DBImpl::RetryCompaction() {
  if (!BackingOff(compaction_failed_at_) && CompactionDue()) ScheduleCompaction();
}

bool DBImpl::CompactionFails() const {
  return !compaction_error_.ok() || !failed_compactions_.empty() || failed_sparse_.times != 0;
}

Status DBImpl::RunFlushLane() {
  // Whoever has the writer lock does it on release.
  if (limit_changed_.load() && TryAcquireWriter()) ReleaseWriter();
  if (rescue_wanted_.load()) {
    Status rescued = RunRescue();
    if (rescued.ok()) return rescued;
    // What it wrote goes at once: it may be the space that the disk lacks.
    const Status removed = RemoveObsoleteFiles();
    static_cast<void>(removed.ok());  // tried again in the next round
    return rescued;
  }
  FlushPlan plan;
  {
    MutexLock lock(&mutex_);
    plan = PickFlush();
  }
  Status flushed;
  if (!plan.empty()) {
    const int64_t started = options_.clock->MonotonicMicros();
    flushed = RunFlush(plan);
    NoteWork(BackgroundWork::kFlush, started);
    MutexLock lock(&mutex_);
    if (flushed.ok()) flush_drain_.Note(plan.bytes, options_.clock->MonotonicMicros() - started);
  }
  plan = FlushPlan();                         // lets go of the tables
  if (rescue_wanted_.load()) return flushed;  // the log could not be synced: first things first
  // After a failure too: what is removed here may be the space that the disk lacks.
  Status freed = FreeSpace();
  Status maintained = MaintainLog();
  if (!flushed.ok()) return flushed;
  return freed.ok() ? maintained : freed;
}

Status DBImpl::FreeSpace() {
  RETURN_IF_ERROR(RecordStructural());
  PurgeDroppedTrees();
  if (obsolete_->any_sparse()) {
    MutexLock lock(&mutex_);
    RetryCompaction();
  }
  return RemoveObsoleteFiles();
}

bool DBImpl::FinishFlushLane(const Status& status) {
  flush_error_ = status;
  if (status.ok()) {
    flush_failed_at_ = 0;
  } else {
    flush_failed_at_ = std::max<int64_t>(options_.clock->MonotonicMicros(), 1);
    ++flush_failures_;
  }
  return UpdateStall();
}

void DBImpl::BackgroundFlush() {
  const Status status = RunFlushLane();
  bool relieved = false;
  {
    MutexLock lock(&mutex_);
    relieved = FinishFlushLane(status);
  }
  if (!status.ok()) NoteFailure(status);
  if (relieved && options_.listener != nullptr) options_.listener->OnStallRelieved();
  MutexLock lock(&mutex_);
  flush_scheduled_ = false;
  if (FlushWanted() || HousekeepingWanted()) ScheduleFlush();
  --jobs_;
  changed_.SignalAll();
}

void DBImpl::BackgroundSync() {
  {
    MutexLock lock(&mutex_);
    sync_scheduled_ = false;
  }
  const Status synced = SyncLog(wal_.appended_through());
  static_cast<void>(synced.ok());  // SyncLog has told everybody
  MutexLock lock(&mutex_);
  if (drop_to_record_ && !BackingOff(flush_failed_at_)) ScheduleFlush();
  --jobs_;
  changed_.SignalAll();
}

Status DBImpl::SyncLog(SequenceNumber through) {
  const SequenceNumber before = wal_.synced_through();
  const uint64_t written = wal_.figures().bytes_written;
  const int64_t started = options_.clock->MonotonicMicros();
  Status synced = wal_.SyncThrough(through);
  NoteWork(BackgroundWork::kSync, started);
  if (synced.ok()) {
    NoteSynced(written, started);
    const SequenceNumber after = wal_.synced_through();
    if (after > before && options_.listener != nullptr) options_.listener->OnSynced(after);
    return synced;
  }
  if (rescue_wanted_.exchange(true)) return synced;
  {
    MutexLock lock(&mutex_);
    static_cast<void>(UpdateStall());
    ScheduleFlush();
    changed_.SignalAll();
  }
  NoteFailure(synced);
  return synced;
}

void DBImpl::NoteSynced(uint64_t written, int64_t started) {
  bool relieved = false;
  {
    MutexLock lock(&mutex_);
    if (written > synced_bytes_) {
      sync_drain_.Note(written - synced_bytes_, options_.clock->MonotonicMicros() - started);
      synced_bytes_ = written;
    }
    if (stall_.reason == WriteStall::Reason::kUnsyncedLog) relieved = UpdateStall();
  }
  if (relieved && options_.listener != nullptr) options_.listener->OnStallRelieved();
}

void DBImpl::NoteFailure(const Status& status) {
  Log(LogLevel::kWarning, "background work failed: " + status.ToString());
  if (options_.listener != nullptr) options_.listener->OnBackgroundError(status);
}

void DBImpl::NoteWork(BackgroundWork work, int64_t started) {
  if (options_.listener == nullptr) return;
  options_.listener->OnBackgroundWork(work, options_.clock->MonotonicMicros() - started);
}

void DBImpl::Log(LogLevel level, std::string_view message) {
  if (options_.listener != nullptr) options_.listener->OnLog(level, message);
}

void DBImpl::WaitUntil(const std::function<bool()>& done) {
  while (!done()) {
    mutex_.Unlock();
    const bool helped = executor_->HelpWhileWaiting();
    mutex_.Lock();
    if (!helped && !done()) changed_.Wait(&mutex_);
  }
}

void DBImpl::RequestSync() {
  const bool all_synced = wal_.synced_through() >= visible_sequence();
  // Nothing to do is the common case under `everysec` and must stay cheap.
  MutexLock lock(&mutex_);
  if (flush_error_.ok() && !CompactionFails() && !rescue_wanted_.load()) {
    if (!all_synced && !wal_.SyncCoversAll()) ScheduleSync();
    return;
  }
  RetryBackgroundWork();
  if (!all_synced && !rescue_wanted_.load() && !wal_.SyncCoversAll()) ScheduleSync();
}

Status DBImpl::SyncWal() {
  const SequenceNumber target = visible_sequence();
  RequestSync();
  MutexLock lock(&mutex_);
  WaitUntil([&] { return wal_.synced_through() >= target || !wal_.failure().ok(); });
  if (wal_.synced_through() >= target) return {};
  return wal_.failure();
}

Status DBImpl::RequestFlush(std::optional<TreeId> tree) {
  std::vector<std::pair<TreeRef, SequenceNumber>> targets;
  Garbage garbage;
  {
    const std::unique_ptr<Writer> writer = LockWriter();
    writer_mutex_.AssertHeld();
    MutexLock lock(&mutex_);
    if (tree) {
      const auto found = trees_.find(*tree);
      if (found == trees_.end() || found->second->dropped != 0) {
        return Status::NotFound("tree " + std::to_string(*tree) + " does not exist");
      }
      RotateToFlush(found->second.get(), &garbage);
      if (found->second->HasFrozen()) {
        targets.emplace_back(found->second, found->second->NewestFrozen());
      }
    } else {
      RotateAll(&garbage);
      for (const TreeId id : frozen_trees_) {
        const TreeRef& waiting = trees_.at(id);
        if (waiting->dropped != 0) continue;
        waiting->flush_through = visible_sequence();
        targets.emplace_back(waiting, waiting->NewestFrozen());
      }
    }
  }
  return WaitFlushed(targets);
}

Status DBImpl::WaitFlushed(const std::vector<std::pair<TreeRef, SequenceNumber>>& targets) {
  if (targets.empty()) return {};
  MutexLock lock(&mutex_);
  const uint64_t failures = flush_failures_;
  size_t done = 0;
  flush_failed_at_ = 0;  // whoever asks in person is not put off
  ScheduleFlush();
  WaitUntil([&] {
    mutex_.AssertHeld();
    while (done < targets.size() && (targets[done].first->flushed_through >= targets[done].second ||
                                     targets[done].first->dropped != 0)) {
      ++done;
    }
    return done == targets.size() || flush_failures_ != failures;
  });
  if (done == targets.size()) return {};
  return flush_error_.ok() ? Status::IoError("the flush failed and is being tried again")
                           : flush_error_;
}

Status DBImpl::Flush(TreeId tree) { return RequestFlush(tree); }

Status DBImpl::FlushAll() { return RequestFlush(std::nullopt); }

}  // namespace lsm
