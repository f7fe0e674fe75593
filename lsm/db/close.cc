// SPDX-License-Identifier: BSD-3-Clause
// A database rests:
//   1. Flush every memtable, if the options ask for it.
//   2. Wait for the jobs; sync the log.
//   3. Record the mark of a clean stop: the log is whole and on disk through its last unit. If
//      nothing but files holds records, the same edit forgets the log, and its files go.

#include <algorithm>
#include <utility>

#include "lsm/db/db_impl.h"
#include "lsm/format/file_names.h"

namespace lsm {

DBImpl::~DBImpl() {
  const Status closed = CloseOnce();
  if (!closed.ok()) Log(LogLevel::kWarning, "closing failed: " + closed.ToString());
  // Big memtables are freed by the executor, which must still be there.
  std::unordered_map<TreeId, TreeRef> trees;
  {
    MutexLock writer(&writer_mutex_);
    group_ = OpenGroup();
    writer_cache_ = {};
    MutexLock lock(&mutex_);
    trees.swap(trees_);
  }
  trees.clear();
  own_executor_.reset();  // its workers use everything below
}

Status DBImpl::Close() { return CloseOnce(); }

void DBImpl::WaitForJobs() {
  MutexLock lock(&mutex_);
  WaitUntil([this] {
    mutex_.AssertHeld();
    return jobs_ == 0;
  });
}

Status DBImpl::RecordCleanStop() {
  const SequenceNumber last = visible_sequence();
  std::vector<uint64_t> unneeded;
  {
    MutexLock manifest(&manifest_mutex_);
    VersionEdit edit;
    edit.clean_stop = last;
    bool all_in_files = true;
    {
      MutexLock lock(&mutex_);
      for (const auto& [first, id] : unflushed_) {
        all_in_files = all_in_files && trees_.at(id)->dropped != 0;
      }
    }
    if (all_in_files) {
      edit.removed_logs.assign(manifest_.state().logs.begin(), manifest_.state().logs.end());
      edit.log_start = wal_.End();
    }
    unneeded = edit.removed_logs;
    RETURN_IF_ERROR(Record(std::move(edit), wal_.synced_through()));
  }
  for (const uint64_t number : unneeded) {
    RETURN_IF_ERROR(fs_->Remove(WalFileName(directory_, number)));
  }
  while (const std::optional<uint64_t> spare = wal_.TakeSpare()) {
    RETURN_IF_ERROR(fs_->Remove(WalFileName(directory_, *spare)));
  }
  return {};
}

Status DBImpl::CloseOnce() {
  {
    MutexLock lock(&mutex_);
    if (!opened_ || closed_) return {};
  }
  idle_timer_.Stop();
  closing_.store(true);
  cold_reader_.Stop();
  const Status flushed = options_.flush_on_close ? FlushAll() : Status();
  WaitForJobs();
  // Also after a flush that failed: then the log is what holds the records.
  Status result = SyncLog(visible_sequence());
  WaitForJobs();  // a rescue, if that failed
  {
    MutexLock lock(&mutex_);
    closed_ = true;
  }
  if (result.ok()) result = RecordCleanStop();
  if (result.ok()) result = RemoveObsoleteFiles();
  lock_.reset();
  return flushed.ok() ? result : flushed;
}

}  // namespace lsm
