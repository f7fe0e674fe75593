// SPDX-License-Identifier: BSD-3-Clause
// When a sync of the log has failed, nobody knows what of the unsynced part is on disk, and syncing
// again may say yes without writing. Everything unsynced is still in memtables, because a flush
// syncs the log first. So:
//   1. Freeze the memtables of all trees (under the writer lock; appends are refused meanwhile, so
//      the last visible unit S stays the last).
//   2. Write them all to a new SST file and sync it.
//   3. In one edit: the file, the structural operations through S, "the log is on disk through S",
//      all segments forgotten, a new one that begins behind S with nothing to chain to.
//   4. Go on writing in the new segment; S is synced.

#include <utility>

#include "lsm/db/db_impl.h"
#include "lsm/format/file_names.h"

namespace lsm {

bool DBImpl::FreezeForRescue(FlushPlan* plan, SequenceNumber* through) NO_THREAD_SAFETY_ANALYSIS {
  // Whoever holds the writer lock looks at this after giving it back, and schedules the job again.
  freeze_blocked_.store(true);
  if (!TryAcquireWriter()) return false;
  freeze_blocked_.store(false);
  Garbage garbage;
  {
    MutexLock lock(&mutex_);
    *through = visible_sequence();
    RotateAll(&garbage);
    for (const TreeId id : frozen_trees_) {
      if (trees_.at(id)->dropped == 0) plan->Add(trees_.at(id), kMaxSequence);
    }
    plan->Finish();
  }
  writer_mutex_.Unlock();
  return true;
}

Result<std::shared_ptr<LogWriter>> DBImpl::RescueSegment() {
  if (std::shared_ptr<LogWriter> prepared = wal_.TakePrepared()) return prepared;
  const uint64_t number = NewFileNumber();
  Result<std::unique_ptr<LogWriter>> segment =
      LogWriter::Prepare(fs_, directory_, number, options_.wal_segment_size, "");
  if (!segment.ok()) {
    const Status removed = fs_->Remove(WalFileName(directory_, number));
    static_cast<void>(removed.ok());  // what stays behind is an orphan
    return segment.status();
  }
  return std::shared_ptr<LogWriter>(std::move(segment).value());
}

Status DBImpl::RecordRescue(const FlushPlan& plan, const FlushedSlices& slices,
                            SequenceNumber through) {
  Result<std::shared_ptr<LogWriter>> segment = RescueSegment();
  if (!segment.ok()) {
    Discard(slices);
    return segment.status();
  }
  const uint64_t number = (*segment)->number();
  std::vector<uint64_t> old_logs;
  {
    MutexLock manifest(&manifest_mutex_);
    VersionEdit edit;
    bool known = false;
    for (const uint64_t log : manifest_.state().logs) {
      known = known || log == number;
      if (log != number) edit.removed_logs.push_back(log);
    }
    if (!known) edit.added_logs.push_back(number);
    edit.log_start = LogPosition{through, 0};
    edit.wal_synced_through = through;
    old_logs = edit.removed_logs;
    Result<Installation> made = MakeVersions(plan, slices);
    Status recorded =
        made.ok() ? RecordFlush(std::move(edit), through, &plan, slices) : made.status();
    if (!recorded.ok()) {
      if (known) {
        wal_.SetPrepared(std::move(segment).value());
      } else {
        doubtful_logs_.push_back(number);
      }
      return recorded;
    }
    InstallFlush(plan, *made);
    if (logs_pinned_) doubtful_logs_.insert(doubtful_logs_.end(), old_logs.begin(), old_logs.end());
    if (logs_pinned_) old_logs.clear();
  }
  // First this: from Replace on syncs may be asked for, and fail, again.
  rescue_wanted_.store(false);
  wal_.Replace(std::move(segment).value(), LogPosition{through, 0});
  for (const uint64_t log : old_logs) {
    const Status removed = fs_->Remove(WalFileName(directory_, log));
    static_cast<void>(removed.ok());  // what stays behind is an orphan
  }
  return {};
}

Status DBImpl::RunRescue() {
  SequenceNumber through = 0;
  {
    MutexLock prepare(&prepare_mutex_);
    FlushPlan plan;
    if (!FreezeForRescue(&plan, &through)) return {};
    RETURN_IF_ERROR(SettleManifest());
    Result<FlushedSlices> slices = WritePlan(plan);
    RETURN_IF_ERROR(slices.status());
    RETURN_IF_ERROR(RecordRescue(plan, *slices, through));
  }
  Log(LogLevel::kNotice, "the log could not be synced; everything through sequence " +
                             std::to_string(through) + " was written to new files instead");
  if (options_.listener != nullptr) options_.listener->OnSynced(through);
  return {};
}

}  // namespace lsm
