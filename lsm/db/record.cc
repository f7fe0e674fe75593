// SPDX-License-Identifier: BSD-3-Clause
// What goes into the manifest, and the upkeep of files that follows from it.
//
// Order that keeps every crash recoverable:
//   - A structural operation is recorded after the log is synced through it, in the order of units,
//     and no later than any edit that touches its tree or adds records of a later unit.
//   - A segment is recorded (`add log`) after it is prepared and before it is used.
//   - A segment is reused or removed after an edit that forgets it is synced.
//   - An SST file is removed after an edit that forgets it is synced and no Version names it.
//   - What a checkpoint under way needs is not removed or reused before it has ended.

#include <algorithm>
#include <utility>

#include "lsm/db/db_impl.h"
#include "lsm/format/file_names.h"
#include "lsm/util/check.h"

namespace lsm {

Status DBImpl::SettleManifest() {
  MutexLock manifest(&manifest_mutex_);
  return manifest_.uncertain() ? Record({}, wal_.synced_through()) : Status();
}

Status DBImpl::Record(VersionEdit edit, SequenceNumber durable) {
  return RecordFlush(std::move(edit), durable, nullptr, {});
}

Status DBImpl::RecordFlush(VersionEdit edit, SequenceNumber durable, const FlushPlan* plan,
                           const FlushedSlices& slices) {
  std::vector<StructuralOp> ops;
  std::vector<ForkFiles> forks;
  {
    MutexLock lock(&mutex_);
    if (plan != nullptr) DescribeFlush(*plan, slices, &edit);
    ops = RecordableOps(durable, plan);
    if (plan != nullptr && ops.size() < structural_.size() &&
        structural_[ops.size()].sequence <= plan->largest) {
      return Status::Busy("a fork was dropped while what it shares was flushed");
    }
    forks = FilesOfForks(ops);
  }
  DescribeOps(ops, forks, &edit);
  std::unordered_map<TreeId, bool> changed;  // whether the tree is there behind the operations
  for (const StructuralOp& op : ops) {
    changed[op.tree] = op.kind != StructuralOp::Kind::kDrop;
  }
  const auto unknown = [&](const auto& item) {
    manifest_mutex_.AssertHeld();
    const auto found = changed.find(item.tree);
    return found != changed.end() ? !found->second : !manifest_.state().trees.contains(item.tree);
  };
  std::erase_if(edit.flushed, unknown);
  std::erase_if(edit.added_files, unknown);
  std::erase_if(edit.removed_files, unknown);
  if (durable > manifest_.state().wal_synced_through) edit.wal_synced_through = durable;
  edit.next_file_number = next_file_number_.load();
  RETURN_IF_ERROR(manifest_.Record(edit, [this] { return NewFileNumber(); }));
  NoteRecorded(ops.size());
  return {};
}

void DBImpl::NoteRecorded(size_t ops) {
  MutexLock lock(&mutex_);
  for (; ops > 0; --ops) {
    const StructuralOp op = structural_.front();
    structural_.pop_front();
    if (op.kind != StructuralOp::Kind::kDrop) continue;
    const TreeRef& tree = trees_.at(op.tree);
    tree->drop_recorded = true;
    NoteUnflushed(tree.get());
  }
}

Status DBImpl::RecordStructural() {
  SequenceNumber last = 0;
  {
    MutexLock lock(&mutex_);
    if (structural_.empty()) {
      drop_to_record_ = false;
      return {};
    }
    const bool holds_log = structural_.front().sequence <= wal_.OldestSegmentLast();
    if (!drop_to_record_ && !holds_log) return {};
    last = structural_.back().sequence;
    // Their flush records what is behind them.
    const bool asked = drop_to_record_ && AskForForks();
    drop_to_record_ = false;
    if (asked || RecordableOps(last, nullptr).empty()) return {};
  }
  Status recorded = SyncLog(last);
  if (recorded.ok()) {
    MutexLock manifest(&manifest_mutex_);
    recorded = Record({}, wal_.synced_through());
  }
  if (!recorded.ok()) {
    MutexLock lock(&mutex_);
    drop_to_record_ = true;
  }
  return recorded;
}

Status DBImpl::OpenNewFile(const FileMetadata& slice) {
  constexpr uint64_t kBig = uint64_t{1} << 20;
  return slice.slice_size < kBig ? Status() : tables_.Find(slice.file, slice.slice_tree).status();
}

std::shared_ptr<FileHold> DBImpl::HoldFile(uint64_t file) {
  return std::make_shared<FileHold>(file, obsolete_);
}

FileRef DBImpl::MakeRef(const FileMetadata& file, std::shared_ptr<FileHold> hold) {
  return MakeFileRef(file, std::move(hold), BlobFiles::Hold(blob_files_, file));
}

Status DBImpl::PrepareSegment() {
  RETURN_IF_ERROR(SettleManifest());
  const uint64_t number = NewFileNumber();
  std::string recycled;
  if (const std::optional<uint64_t> spare = wal_.TakeSpare()) {
    recycled = WalFileName(directory_, *spare);
  }
  Result<std::unique_ptr<LogWriter>> segment =
      LogWriter::Prepare(fs_, directory_, number, options_.wal_segment_size, recycled);
  if (!segment.ok()) {
    for (const std::string& path : {WalFileName(directory_, number), recycled}) {
      if (path.empty()) continue;
      const Status removed = fs_->Remove(path);
      static_cast<void>(removed.ok());  // what stays behind is an orphan
    }
    return segment.status();
  }
  MutexLock manifest(&manifest_mutex_);
  VersionEdit edit;
  edit.added_logs.push_back(number);
  if (Status recorded = Record(std::move(edit), wal_.synced_through()); !recorded.ok()) {
    doubtful_logs_.push_back(number);
    return recorded;
  }
  wal_.SetPrepared(std::move(segment).value());
  return {};
}

Result<std::shared_ptr<LogWriter>> DBImpl::NextSegment() {
  MutexLock prepare(&prepare_mutex_);
  if (!wal_.HasPrepared()) RETURN_IF_ERROR(PrepareSegment());
  return wal_.TakePrepared();
}

Status DBImpl::RetireSegments() {
  SequenceNumber needed = kMaxSequence;
  {
    MutexLock lock(&mutex_);
    if (!unflushed_.empty()) needed = unflushed_.begin()->first;
    if (!structural_.empty()) needed = std::min(needed, structural_.front().sequence);
  }
  const std::optional<WalManager::Removal> removal = wal_.Removable(needed);
  if (!removal) return {};
  {
    MutexLock manifest(&manifest_mutex_);
    if (logs_pinned_) return {};  // this is tried again when the checkpoint has ended
    VersionEdit edit;
    edit.removed_logs = removal->segments;
    edit.log_start = removal->start;
    RETURN_IF_ERROR(Record(std::move(edit), wal_.synced_through()));
  }
  for (const uint64_t number : wal_.Retire(*removal)) {
    RETURN_IF_ERROR(fs_->Remove(WalFileName(directory_, number)));
  }
  return {};
}

Status DBImpl::MaintainLog() {
  RETURN_IF_ERROR(RetireSegments());
  MutexLock prepare(&prepare_mutex_);
  return wal_.HasPrepared() ? Status() : PrepareSegment();
}

Status DBImpl::RemoveObsoleteFiles() {
  std::vector<ObsoleteFile> dead;
  std::vector<uint64_t> dead_logs;
  {
    MutexLock manifest(&manifest_mutex_);
    // Until it is known which manifest is in force, either may name the files.
    if (manifest_.uncertain()) RETURN_IF_ERROR(Record({}, wal_.synced_through()));
    std::vector<ObsoleteFile> candidates = obsolete_->Take();
    candidates.insert(candidates.end(), unremoved_files_.begin(), unremoved_files_.end());
    unremoved_files_.clear();
    if (!logs_pinned_) dead_logs.swap(doubtful_logs_);
    if (candidates.empty() && dead_logs.empty()) return {};
    for (const ObsoleteFile& file : candidates) {
      // Still named: its tree's drop is not recorded yet. Pinned: a checkpoint links it.
      const bool needed = manifest_.IsLive(file.number) || pinned_files_.contains(file.number);
      (needed ? unremoved_files_ : dead).push_back(file);
    }
  }
  for (const auto& [number, kind] : dead) {
    tables_.Evict(number);
    const Status removed = fs_->Remove(DataFileName(directory_, kind, number));
    static_cast<void>(removed.ok());  // what stays behind is an orphan
  }
  for (const uint64_t log : dead_logs) {
    const Status removed = fs_->Remove(WalFileName(directory_, log));
    static_cast<void>(removed.ok());
  }
  return {};
}

void DBImpl::ForgetTree(const TreeRef& tree, Garbage* garbage) {
  DiscountTree(tree.get());
  frozen_trees_.erase(tree->id);
  failed_compactions_.erase(tree->id);
  if (tree->unflushed_entry != 0) unflushed_.erase({tree->unflushed_entry, tree->id});
  garbage->push_back(tree);
  trees_.erase(tree->id);
}

void DBImpl::PurgeDroppedTrees() {
  if (oldest_dropped_.load() == 0) return;
  const SequenceNumber floor = pins_.Floor();
  Garbage garbage;
  MutexLock lock(&mutex_);
  for (auto entry = dropped_.begin(); entry != dropped_.end() && entry->first <= floor;) {
    const TreeRef tree = trees_.at(entry->second);
    if (!tree->drop_recorded) {
      ++entry;
      continue;
    }
    ForgetTree(tree, &garbage);
    entry = dropped_.erase(entry);
  }
  NoteDropped();
}

void DBImpl::NoteDropped() {
  oldest_dropped_.store(dropped_.empty() ? 0 : dropped_.begin()->first);
}

bool DBImpl::HousekeepingWanted() const {
  if (rescue_wanted_.load() || BackingOff(flush_failed_at_)) return false;
  return drop_to_record_ || obsolete_->any() || !wal_.HasPrepared();
}

void DBImpl::NudgeHousekeeping() {
  const SequenceNumber dropped = oldest_dropped_.load();
  if (!obsolete_->any() && (dropped == 0 || pins_.Floor() < dropped)) return;
  MutexLock lock(&mutex_);
  if (!BackingOff(flush_failed_at_)) ScheduleFlush();
}

}  // namespace lsm
